"""The owner of a run: trains it into its store, and obeys commands between steps. It works in whatever thread
calls `run`.

    loading -> running <-> paused -> finished | stopped | failed

The journal in the store says which edit came after which step; the owner follows it alike for an edit of this
moment and for those of steps that it takes again. So a run that is taken up at a checkpoint repeats itself
exactly.
"""

from __future__ import annotations

import gc
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import (
    ChangedSourcesError,
    ConfigError,
    NumericalError,
    PPOEngineError,
    StepAbandoned,
    StoreError,
    TrainingError,
)
from ..records import EVAL, StepRecord
from ..sources.locate import abandonable
from ..store import RunStore, checkpoint_files, requeue_jobs
from ..store.ownership import HEARTBEAT_S

if TYPE_CHECKING:
    from .replay import JournaledTrainer

FINISH_STEP_WITHIN_S = 3.0
"""How long the step under way may still take when the process ends, before it is abandoned."""

_POLL_S = 0.1
_MB = 1_000_000
_QUICK_S = 1.0


class RunOwner:
    """Trains one run into its store. `wake` wakes it when there is a new command; `quit` ends it within
    seconds.

    accept_changed: go on though models or data are not those recorded; that is journalled.
    """

    def __init__(
        self,
        store: RunStore,
        on_record: Callable[[StepRecord], None] = lambda record: None,
        attended: bool = True,
        accept_changed: bool = False,
    ) -> None:
        self.store = store
        self.trainer_run: JournaledTrainer | None = None
        self.reader = store.reader()
        self._recorded = self.reader.info().last_step
        self.state = "loading"
        self.trouble = ""
        self.failure_unrecorded = False  # whether the store could not even take the trouble down
        self.failure: type[Exception] | None = None
        self._on_record = on_record
        self._accept_changed = accept_changed
        self._attended = attended  # whether somebody may resume a run that paused by itself
        self._woken = threading.Event()
        self._quit_by: float | None = None
        self._single_steps = 0
        self._pause_when_loaded = False
        self._stop = False
        self._seconds_per_step = 0.0
        self._again = ""  # what is said instead of a step's phases while recorded steps are taken again
        self._stage = ""
        self._beaten = 0.0
        self._checkpoint_took_s = 0.0

    def wake(self) -> None:
        """There is a command to look at now."""
        self._woken.set()

    def quit(self, within_s: float = FINISH_STEP_WITHIN_S) -> None:
        """End the run: the step under way may finish within that time, else it is abandoned unrecorded. Safe
        in a signal handler.
        """
        # No lock is touched here, and the waits look at this ten times a second.
        if self._quit_by is None:
            self._quit_by = time.monotonic() + within_s

    def run(self) -> None:
        """Trains until the run ends, in one way or another, and leaves the reason in the store. Raises
        nothing of the run's.
        """
        try:
            self._train()
        except StepAbandoned:
            self._change_state("stopped", stage="")
        except Exception as error:
            # Whatever went wrong belongs in the run's store and on its page, not in a lost thread.
            self._fail(error)
        finally:
            self.store.close()
            self.trainer_run = None
            _collect()

    def _train(self) -> None:
        checkpoint_files.clear_unfinished(self.store.folder)
        requeue_jobs(self.store.folder)
        self._load()
        for record in self._paced():
            self._keep(record)
        self._do_jobs()
        self._checkpoint()
        self._evaluate_last()
        self._change_state("stopped" if self._must_end else "finished", stage="")

    def _load(self, pause_because: str = "") -> None:
        """Loads a trainer at the newest sound checkpoint, else at the beginning, and takes again what was
        recorded after it.
        """
        self.trainer_run = None
        _collect()
        self.trainer_run = self._loaded(self._newest_checkpoint())
        self._journal_sources(self.trainer_run)
        different = self._recompute(self.trainer_run)
        # Nobody could resume a run of the command line, and one that goes on with changed files has to come
        # out otherwise.
        because = pause_because or (different if self._attended and not self.trainer_run.changed else "")
        if not self._must_end:
            state = "paused" if self._pause_when_loaded or because else "running"
            self._change_state(
                state, device=str(self.trainer_run.trainer.accelerator.device), stage="", error=because
            )

    def _newest_checkpoint(self) -> checkpoint_files.Checkpoint | None:
        """The newest sound one of what is on record. Those of later steps, which the record has lost, are put
        aside.
        """
        info = self.reader.info()
        last = max(info.last_step, -1 if info.parent_step is None else info.parent_step)
        if lost := checkpoint_files.put_aside(self.store.folder, last):
            steps = ", ".join(map(str, lost))
            message = (
                f"The record ends at step {max(0, last)}, and there were checkpoints after step {steps}: "
                "newer steps were lost with a part of the run's files. Those checkpoints are kept as "
                f"{checkpoint_files.LOST}step-…, and are not used."
            )
            self.store.event(last, "remark", {"message": message})
        return checkpoint_files.newest_sound(self.store.folder)

    def _loaded(self, checkpoint: checkpoint_files.Checkpoint | None) -> JournaledTrainer:
        """The trainer at that checkpoint. Models or data that are not the recorded ones are noted before the
        run fails of it.
        """
        journal = abandonable("importing", lambda: import_module("ppo_engine.session.replay"), self._wait)
        try:
            trainer_run: JournaledTrainer = journal.JournaledTrainer(
                self.store.folder,
                checkpoint,
                self._on_stage,
                self._must_give_up,
                self._accept_changed,
                reader=self.reader,
            )
        except ChangedSourcesError as error:
            self.store.update_run(changed=json.dumps(error.changed))
            raise
        return trainer_run

    def _wait(self, stage: str) -> None:
        if self._must_give_up():
            raise StepAbandoned("loading was abandoned because the run had to end")
        self._on_stage(stage)

    def _journal_sources(self, trainer_run: JournaledTrainer) -> None:
        """Records what the run is trained on, and journals what a person should know of it, once."""
        trainer = trainer_run.trainer
        if trainer_run.changed:
            self.store.event(
                self._recorded,
                "accepted",
                {"changed": trainer_run.changed, "fingerprints": dict(trainer.fingerprints)},
            )
        self._accept_changed = False  # what changes after this was not accepted
        self.store.keep_sources(trainer.fingerprints, trainer.machine)
        known = {
            event["payload"].get("message") for event in self.reader.events() if event["kind"] == "remark"
        }
        for remark in trainer_run.remarks:
            if remark not in known:
                self.store.event(self._recorded, "remark", {"message": remark})

    def _recompute(self, trainer_run: JournaledTrainer) -> str:
        """Takes the steps again that were recorded after the checkpoint. Those recorded stay; returns how the
        first differs that does.
        """
        different = ""
        for record, difference in trainer_run.recompute():
            self._again = f"taking step {record.step + 1} again"
            if difference and not different:
                self.store.event(record.step, "difference", {"message": difference})
                different = (
                    f"Step {record.step}, taken again, came out otherwise than recorded: {difference}. What "
                    "was recorded stays."
                )
            if self._must_end:
                break
        self._again = ""
        return different

    def _evaluate_last(self) -> None:
        """The held-out score of the policy as somebody's Stop leaves it. A process that has to end takes no
        time for it.
        """
        if self.trainer_run is None or not self._stop or self._quit_by is not None or self._step < 1:
            return
        if self._step in self.reader.steps_with_samples(EVAL):
            return
        try:
            self.store.add_evaluation(self._step, *self.trainer_run.trainer.evaluate())
        except TrainingError as error:
            self.store.event(self._step, "error", {"message": f"The last evaluation failed: {error}"})

    def _keep(self, record: StepRecord) -> None:
        """Commits a step; only then may anyone see it."""
        from ..training.device import memory_in_use

        assert self.trainer_run is not None
        self.store.record(record)
        self._recorded = record.step
        self.store.update_run(memory_bytes=memory_in_use(self.trainer_run.trainer.accelerator.device))
        self._on_record(record)
        every = self.trainer_run.trainer.config.checkpoint_every
        if every and record.step and record.step % every == 0:
            self._checkpoint()

    def _paced(self) -> Iterator[StepRecord]:
        """The records, each taken only when the run may go on."""
        while not self._done:
            self._wait_for_leave()
            if self._must_end or self._done:
                return
            started = time.monotonic()
            record = self._attempt()
            if record is None:
                continue
            yield record
            if record.step > 0:  # the evaluation before training is no step that anyone asked for
                self._single_steps = max(0, self._single_steps - 1)
            self._keep_pace(started)

    def _attempt(self) -> StepRecord | None:
        """The next record; None where its numbers were not finite: the run is then back where it was, and
        paused.
        """
        assert self.trainer_run is not None
        try:
            return self.trainer_run.next()
        except NumericalError as error:
            if not self._attended:
                raise
            self.store.event(self._step, "error", {"message": str(error)})
            message = f"Step {self._step + 1} failed: {error} The run is back at step {max(0, self._step)}."
        # Some minibatches may have been applied before the bad one: only a checkpoint brings the weights back
        # exactly.
        self._single_steps = 0
        self._change_state("loading", stage="going back", error=message)
        self._load(pause_because=message)
        return None

    def _wait_for_leave(self) -> None:
        """Obeys what is queued; returns when a step may be taken or the run has to end."""
        self._obey()
        self._do_jobs()
        while self.state == "paused" and not (self._must_end or self._single_steps or self._done):
            self._sleep(_POLL_S)
            self._obey()
            self._do_jobs()

    def _do_jobs(self) -> None:
        """Answers what was asked about the models, between two steps."""
        from .jobs.work import do_jobs

        if self.trainer_run is not None and self.store.has_jobs():
            do_jobs(self.store.folder, self.trainer_run)

    def _keep_pace(self, started: float) -> None:
        """Waits until the step has taken its least time, obeying commands meanwhile."""
        while self.state == "running" and not self._must_end:
            left = started + self._seconds_per_step - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(left, _POLL_S))
            self._obey()

    @property
    def _done(self) -> bool:
        return self.trainer_run is not None and self.trainer_run.done

    @property
    def _step(self) -> int:
        """The last step taken, -1 before the evaluation that is step 0; while the models load, the last
        recorded.
        """
        return self._recorded if self.trainer_run is None else self.trainer_run.step

    @property
    def _must_end(self) -> bool:
        return self._stop or self._quit_by is not None

    def _sleep(self, seconds: float) -> None:
        self._beat()
        self._woken.wait(seconds)
        self._woken.clear()

    def _beat(self) -> None:
        """Says now and then that this owner lives."""
        if time.monotonic() - self._beaten > HEARTBEAT_S:
            self._beaten = time.monotonic()
            self.store.update_run()

    def _obey(self) -> None:
        """Applies or refuses what is queued. What needs the trainer waits until there is one that may be
        asked.
        """
        for number, kind, payload in self.store.queued():
            if self.state == "loading" and kind in ("edit", "checkpoint") and not self._stop:
                continue
            refusal, events = self._refusal(kind), ()
            if not refusal:
                try:
                    events = getattr(self, f"_do_{kind}")(**payload) or ()
                except (ConfigError, StoreError) as error:
                    refusal = str(error)
            self.store.settle(number, refusal, self._step, events)

    def _refusal(self, kind: str) -> str:
        """Why a command cannot be obeyed now, or nothing."""
        if self._stop:
            return "the run is already stopping"
        paused = self.state == "paused" or self._pause_when_loaded
        if kind == "pause" and paused:
            return "the run is already paused"
        if kind == "resume" and not paused:
            return "the run is not paused"
        return ""

    def _do_pause(self) -> None:
        if self.state == "loading":
            self._pause_when_loaded = True
        elif self.state != "paused":
            self._checkpoint()
            self._change_state("paused")

    def _do_resume(self) -> None:
        self._single_steps = 0
        self._pause_when_loaded = False
        if self.state == "paused":
            self._change_state("running", error="")

    def _do_step(self) -> None:
        self._single_steps += 1
        self._do_pause()

    def _do_stop(self) -> None:
        self._stop = True

    def _do_speed(self, seconds_per_step: float) -> None:
        self._seconds_per_step = seconds_per_step
        self.store.update_run(seconds_per_step=seconds_per_step)

    def _do_checkpoint(self) -> None:
        self._checkpoint(must=True)

    def _do_edit(self, changes: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The edit goes into the journal with the command's answer; the next step follows the journal."""
        now = self.reader.config_after(len(self.reader.edits()))
        wanted = edited_config(now, changes, self._step)
        assert self.trainer_run is not None
        self.trainer_run.trainer.check_fits(wanted)
        self._checkpoint()
        differences = {
            name: (old, getattr(wanted, name)) for name, old in now if getattr(wanted, name) != old
        }
        return [("edit", {"changes": differences})]

    def _checkpoint(self, must: bool = False) -> None:
        """Keeps the trainer as it is after this step, and thins old checkpoints. Training goes on without,
        unless someone asked for it.
        """
        if self.trainer_run is None or self._step < 0:
            if must:
                raise StoreError("there is nothing to keep before step 0")
            return
        if self._quit_by is not None and self._checkpoint_took_s > _QUICK_S:
            return  # the process has to end within seconds; the last checkpoint will do
        from .checkpoints import save

        there, began = (
            {one.step for one in checkpoint_files.list_checkpoints(self.store.folder)},
            time.monotonic(),
        )
        try:
            made = save(self.trainer_run.trainer, self.store.folder)
            checkpoint_files.thin(
                self.store.folder,
                self._pointed_at(),
                self.trainer_run.trainer.config.checkpoint_disk_mb * _MB,
            )
        except StoreError as error:
            if must:
                raise
            self.store.event(self._step, "error", {"message": str(error)})
            return
        if made.step not in there:
            self._checkpoint_took_s = time.monotonic() - began
            self.store.event(self._step, "checkpoint", {"bytes": made.size})

    def _pointed_at(self) -> set[int]:
        """Steps whose checkpoints are kept: a note or a branch points at them, or this run began there."""
        named = {event["step"] for event in self.reader.events() if event["kind"] in ("note", "branch")}
        began = self.reader.info().parent_step
        return named if began is None else named | {began}

    def _change_state(self, state: str, **fields: Any) -> None:
        self.state, self._stage = state, ""
        self.store.enter_state(state, self._step, **fields)

    def _on_stage(self, stage: str) -> None:
        self._beat()
        if self.state != "loading":
            return
        self._obey()
        shown = self._again or stage
        if shown != self._stage:  # while a load goes on this is called ten times a second
            self._stage = shown
            self.store.update_run(stage=shown)

    def _must_give_up(self) -> bool:
        """Whether to abandon what is under way: loading at once when asked to stop, a step when its time is
        up.
        """
        self._beat()
        if self.state == "loading" and self._must_end:
            return True
        return self._quit_by is not None and time.monotonic() > self._quit_by

    def _fail(self, error: Exception) -> None:
        self.failure = type(error)  # the error itself would hold on to the trainer, through its traceback
        message = str(error) if isinstance(error, PPOEngineError) else f"{type(error).__name__}: {error}"
        self.trouble = message
        try:
            self.store.free_reserve()
            self.store.event(self._step, "error", {"message": message})
            self._change_state(
                "failed", stage="", error=message, traceback="".join(traceback.format_exception(error))
            )
        except StoreError:
            self.state, self.failure_unrecorded = (
                "failed",
                True,
            )  # the folder is gone, or full beyond the reserve


def _collect() -> None:
    """Gives back the memory of models that nobody holds any more.

    Half a million objects of the imported libraries live as long as the process: after the first time no
    collection looks at them again.
    """
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()


def edited_config(now: Config, changes: dict[str, Any], step: int = -1) -> Config:
    """`now` with the changes of a live edit after `step`. Raises `ConfigError` for what may not change, or
    not to that value.
    """
    from ..config import FIELDS

    locked = [name for name in changes if name in FIELDS and not FIELDS[name].live]
    if locked:
        raise ConfigError(
            [
                f"{name} = {changes[name]}: cannot change during a run; branch a new run with it"
                for name in locked
            ]
        )
    wanted = now.changed(**changes)
    if wanted.steps <= step:
        raise ConfigError(
            [f"steps = {wanted.steps}: must be more than {step}, the steps already taken; Stop ends the run"]
        )
    if wanted == now:
        raise ConfigError([f"{name} = {getattr(now, name)}: is so already" for name in changes])
    return wanted
