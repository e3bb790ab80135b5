"""A trainer that follows a run's journal, which records which edit followed which step.

New steps, steps recomputed after a checkpoint, and the replay of a whole run share the same few lines, so a
resumed run is bit for bit identical to one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import ChangedSourcesError, CheckpointError, ConfigError
from ..metrics import DEFINITIONS, METRICS_VERSION
from ..records import StepRecord, first_difference
from ..sources.provenance import changes, machine_changes
from ..store import RunReader, checkpoint_files
from ..store.checkpoint_files import Checkpoint
from ..training.trainer import Trainer
from .checkpoints import restore


class JournaledTrainer:
    """The trainer of the run in `folder`, at `checkpoint` (None: its start). Loads the models.

    on_stage, interrupted: as in `Trainer`. accept_changed: continue with changed models or data, listed in
    `changed`, instead of raising `ChangedSourcesError`. from_the_start: compare with the original sources,
    whatever was accepted since. reader: the owner's. remarks: notes for the user on the sources, and on a
    different machine.
    """

    def __init__(
        self,
        folder: Path,
        checkpoint: Checkpoint | None,
        on_stage: Callable[[str], None] = lambda stage: None,
        interrupted: Callable[[], bool] = lambda: False,
        accept_changed: bool = False,
        from_the_start: bool = False,
        reader: RunReader | None = None,
    ) -> None:
        self.reader = reader or RunReader(folder)
        self.step = -1 if checkpoint is None else checkpoint.step
        """The last completed step; -1 before step 0, the evaluation."""
        info = self.reader.info()
        if info.parent and checkpoint is None:
            raise CheckpointError(
                f"{folder}: the checkpoint this branch started from is missing or damaged; branch its parent "
                "again"
            )
        version = sum(edit.step < self.step for edit in self.reader.edits())
        self.trainer = Trainer(self.reader.config_after(version), on_stage, interrupted)
        self.trainer.config_version = version
        self.trainer.load()
        recorded = info.fingerprints if from_the_start else self.reader.fingerprints()
        self.changed = changes(recorded, self.trainer.fingerprints)
        if self.changed and not accept_changed:
            raise ChangedSourcesError(self.changed)
        elsewhere = machine_changes(info.machine, self.trainer.machine)
        self.remarks = [*self.trainer.remarks, *([elsewhere] if elsewhere else [])]
        if not info.fingerprints and (info.last_step >= 0 or info.parent):
            self.remarks.append(
                "The models and data of the earlier steps were not recorded; those loaded now are recorded."
            )
        self._compares_all = info.versions.get(DEFINITIONS) == METRICS_VERSION
        if not self._compares_all and info.last_step >= 0:
            self.remarks.append(
                "Recorded with older metrics: recomputed steps are compared by score and KL only."
            )
        if checkpoint is not None:
            on_stage(f"restoring step {checkpoint.step}")
            restore(self.trainer, checkpoint)

    @property
    def done(self) -> bool:
        """Whether all steps of the newest configuration are done."""
        self.follow()
        return self.trainer.done

    def next(self) -> StepRecord:
        """Takes the next step under its configuration in the journal."""
        self.follow()
        record = self.trainer.evaluate_untrained() if self.step < 0 else self.trainer.step()
        self.step = record.step
        return record

    def follow(self) -> None:
        """Sets the configuration to that of the journal after this step."""
        for edit in self.reader.edits()[self.trainer.config_version :]:
            if edit.step > self.step:
                break
            self.trainer.config = self.trainer.config.changed(
                **{name: new for name, (_, new) in edit.changes.items()}
            )
            self.trainer.config_version = edit.version

    def recompute(self) -> Iterator[tuple[StepRecord, str]]:
        """Recomputes the recorded steps after this one: each record, and how it differs, or ""."""
        rows = self.reader.steps(after=self.step, late_evaluations=False)
        recorded = {row.step: row.metrics for row in rows}
        while self.step + 1 in recorded:
            record = self.next()
            yield record, first_difference(*map(self._comparable, (recorded[record.step], record.metrics)))

    def _comparable(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """The metrics defined alike in the version that recorded the run."""
        if self._compares_all:
            return metrics
        return {name: x for name, x in metrics.items() if name.startswith(("env/", "objective/"))}


def replay(
    folder: Path,
    on_record: Callable[[StepRecord], None] = lambda record: None,
    accept_changed: bool = False,
    on_remark: Callable[[str], None] = lambda remark: None,
) -> str:
    """Recomputes a run from its first configuration, seed and journal. Returns "" if every step is identical,
    else the first step and metric that differ. A branch is replayed from its initial checkpoint. Leaves
    `folder` unchanged.

    Raises `ChangedSourcesError` if models or data changed since the run began, unless accepted. `on_remark`
    receives other differences from the start.
    """
    info = RunReader(folder).info()
    if info.last_step < 0:
        raise ConfigError([f"RUN = {folder}: no step is recorded yet, so there is nothing to replay"])
    first = (
        next((one for one in checkpoint_files.list_checkpoints(folder) if one.step == info.parent_step), None)
        if info.parent
        else None
    )
    trainer_run = JournaledTrainer(folder, first, accept_changed=accept_changed, from_the_start=True)
    for remark in (*(f"{name}: {how}" for name, how in trainer_run.changed.items()), *trainer_run.remarks):
        on_remark(remark)
    for record, difference in trainer_run.recompute():
        on_record(record)
        if difference:
            return f"step {record.step}: {difference}"
    return (
        ""
        if trainer_run.step == info.last_step
        else f"step {trainer_run.step + 1}: missing from the record, which continues to step {info.last_step}"
    )
