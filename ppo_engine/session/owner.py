"""The owner of a run: trains it into its store, and applies commands between steps, on the thread that calls
`run`.

    loading -> running <-> paused -> finished | stopped | failed

The journal in the store records which edit followed which step; the owner follows it for new edits and
recomputed steps alike, so a run resumed at a checkpoint repeats itself exactly.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import (
    ConfigError,
    NumericalError,
    PPOEngineError,
    StepAbandonedError,
    StoreError,
    TrainingError,
)
from ..records import EVAL, StepRecord
from ..store import HEARTBEAT_S, RunStore, checkpoint_files, requeue_jobs
from .edits import edited_config
from .keeper import Keeper
from .loader import RunLoader, collect
from .wishes import Wishes

if TYPE_CHECKING:
    from .replay import JournaledTrainer

FINISH_STEP_WITHIN_S = 3.0
"""Time left to the current step when the process ends, before it is abandoned."""

_POLL_S = 0.1
_QUICK_S = 1.0


class RunOwner:
    """Trains one run into its store. `wake` announces a new command; `quit` ends the run within seconds.

    accept_changed: continue although models or data differ from the record; that is journalled.
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
        self.error_text = ""
        self.failure_unrecorded = False  # whether the store could not even take the trouble down
        self.failure: type[Exception] | None = None
        self._on_record = on_record
        self._keeper, self._loader = Keeper(store), RunLoader(store, accept_changed)
        self._attended = attended  # whether somebody may resume a run that paused by itself
        self._woken = threading.Event()
        self._quit_by: float | None = None
        self._wishes = Wishes()
        self._again = ""  # what is said instead of a step's phases while recorded steps are taken again
        self._stage = ""
        self._beaten = 0.0

    def wake(self) -> None:
        """Wakes the owner to read a command."""
        self._woken.set()

    def quit(self, within_s: float = FINISH_STEP_WITHIN_S) -> None:
        """Ends the run; the current step may finish within that time. Safe in a signal handler."""
        # No lock is touched here, and the waits look at this ten times a second.
        if self._quit_by is None:
            self._quit_by = time.monotonic() + within_s

    def run(self) -> None:
        """Trains until the run ends, and stores the reason. Never raises an error of the run."""
        try:
            self._train()
        except StepAbandonedError:
            self._change_state("stopped", stage="")
        except Exception as error:
            # Whatever went wrong belongs in the run's store and on its page, not in a lost thread.
            self._fail(error)
        finally:
            self.store.close()
            self.trainer_run = None
            collect()

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
        """Loads the newest intact checkpoint, else the start, and recomputes the steps recorded after it."""
        self.trainer_run = None
        collect()
        checkpoint = self._keeper.newest()
        self.trainer_run = self._loader.load(checkpoint, self._wait, self._on_stage, self._must_give_up)
        self._loader.journal_sources(self.trainer_run, self._recorded)
        different = self._recompute(self.trainer_run)
        # Nobody could resume a run of the command line, and one that goes on with changed files has to come
        # out otherwise.
        because = pause_because or (different if self._attended and not self.trainer_run.changed else "")
        if not self._must_end:
            state = "paused" if self._wishes.pause_when_loaded or because else "running"
            self._change_state(
                state, device=str(self.trainer_run.trainer.accelerator.device), stage="", error=because
            )

    def _wait(self, stage: str) -> None:
        if self._must_give_up():
            raise StepAbandonedError("loading was cancelled because the run was stopped")
        self._on_stage(stage)

    def _recompute(self, trainer_run: JournaledTrainer) -> str:
        """Recomputes the steps recorded after the checkpoint; returns the first difference."""
        different = ""
        for record, difference in trainer_run.recompute():
            self._again = f"recomputing step {record.step + 1}"
            if difference and not different:
                self.store.event(record.step, "difference", {"message": difference})
                recomputed = f"Step {record.step}, recomputed, differs from the record: {difference}."
                different = f"{recomputed} The record is kept."
            if self._must_end:
                break
        self._again = ""
        return different

    def _evaluate_last(self) -> None:
        """Evaluates the policy after Stop, unless the process has to end."""
        if self.trainer_run is None or not self._wishes.stop or self._quit_by is not None or self._step < 1:
            return
        if self._step in self.reader.steps_with_samples(EVAL):
            return
        try:
            self.store.add_evaluation(self._step, *self.trainer_run.trainer.evaluate())
        except TrainingError as error:
            message = f"The final held-out evaluation failed: {error}"
            self.store.event(self._step, "error", {"message": message})

    def _keep(self, record: StepRecord) -> None:
        """Commits a step, which makes it visible."""
        from ..training.device import memory_in_use

        assert self.trainer_run is not None
        self.store.record(record)
        self._keeper.thin_batches(self.trainer_run.trainer)
        self._recorded = record.step
        self.store.update_run(memory_bytes=memory_in_use(self.trainer_run.trainer.accelerator.device))
        self._on_record(record)
        every = self.trainer_run.trainer.config.checkpoint_every
        if every and record.step and record.step % every == 0:
            self._checkpoint()

    def _paced(self) -> Iterator[StepRecord]:
        """The records, each computed only once the run may continue."""
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
                self._wishes.single_steps = max(0, self._wishes.single_steps - 1)
            self._keep_pace(started)

    def _attempt(self) -> StepRecord | None:
        """The next record; None for non-finite numbers, after which the run is restored and paused."""
        assert self.trainer_run is not None
        try:
            return self.trainer_run.next()
        except NumericalError as error:
            if not self._attended:
                raise
            self.store.event(self._step, "error", {"message": str(error)})
            message = (
                f"Step {self._step + 1} failed: {error} The run was restored to step {max(0, self._step)}."
            )
        # Some minibatches may have been applied before the bad one: only a checkpoint brings the weights back
        # exactly.
        self._wishes.single_steps = 0
        self._change_state("loading", stage="restoring", error=message)
        self._load(pause_because=message)
        return None

    def _wait_for_leave(self) -> None:
        """Applies queued commands; returns when a step may be taken or the run has to end."""
        self._obey()
        self._do_jobs()
        while self.state == "paused" and not (self._must_end or self._wishes.single_steps or self._done):
            self._sleep(_POLL_S)
            self._obey()
            self._do_jobs()

    def _do_jobs(self) -> None:
        """Processes jobs between two steps."""
        from .jobs.work import do_jobs

        if self.trainer_run is not None and self.store.has_jobs():
            with suppress(StoreError):  # which ends no training
                do_jobs(self.store.folder, self.trainer_run)

    def _keep_pace(self, started: float) -> None:
        """Waits for the minimum duration of a step, applying commands meanwhile."""
        while self.state == "running" and not self._must_end:
            left = started + self._wishes.seconds_per_step - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(left, _POLL_S))
            self._obey()

    @property
    def _done(self) -> bool:
        return self.trainer_run is not None and self.trainer_run.done

    @property
    def _step(self) -> int:
        """The last step taken, -1 before step 0 (the evaluation); while loading, the last recorded."""
        return self._recorded if self.trainer_run is None else self.trainer_run.step

    @property
    def _must_end(self) -> bool:
        return self._wishes.stop or self._quit_by is not None

    def _sleep(self, seconds: float) -> None:
        self._beat()
        self._woken.wait(seconds)
        self._woken.clear()

    def _beat(self) -> None:
        """Writes a regular heartbeat."""
        if time.monotonic() - self._beaten > HEARTBEAT_S:
            self._beaten = time.monotonic()
            self.store.update_run()

    def _obey(self) -> None:
        """Applies or refuses queued commands. Those that need the trainer wait until it is loaded."""
        for number, kind, payload in self.store.queued():
            if self.state == "loading" and kind in ("edit", "checkpoint") and not self._wishes.stop:
                continue
            refusal, events = self._wishes.refusal(kind, self.state), ()
            if not refusal:
                try:
                    events = getattr(self, f"_do_{kind}")(**payload) or ()
                except (ConfigError, StoreError) as error:
                    refusal = str(error)
            self.store.settle(number, refusal, self._step, events)

    def _do_pause(self) -> None:
        if self.state == "loading":
            self._wishes.pause_when_loaded = True
        elif self.state != "paused":
            self._checkpoint()
            self._change_state("paused")

    def _do_resume(self) -> None:
        self._wishes.single_steps = 0
        self._wishes.pause_when_loaded = False
        if self.state == "paused":
            self._change_state("running", error="")

    def _do_step(self) -> None:
        self._wishes.single_steps += 1
        self._do_pause()

    def _do_stop(self) -> None:
        self._wishes.stop = True

    def _do_speed(self, seconds_per_step: float) -> None:
        self._wishes.seconds_per_step = seconds_per_step
        self.store.update_run(seconds_per_step=seconds_per_step)

    def _do_checkpoint(self) -> None:
        self._checkpoint(must=True)

    def _do_edit(self, changes: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Journals the edit with the command's result; the next step follows the journal."""
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
        """See `Keeper.keep`."""
        if self.trainer_run is None or self._step < 0:
            if must:
                raise StoreError("no checkpoint is possible before step 0")
        # when the process has to end within seconds, the last checkpoint will do
        elif self._quit_by is None or self._keeper.took_s <= _QUICK_S:
            self._keeper.keep(self.trainer_run.trainer, must)

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
        """Whether to abort now: loading at once on Stop, a step when its time is up."""
        self._beat()
        if self.state == "loading" and self._must_end:
            return True
        return self._quit_by is not None and time.monotonic() > self._quit_by

    def _fail(self, error: Exception) -> None:
        self.failure = type(error)  # the error itself would hold on to the trainer, through its traceback
        message = str(error) if isinstance(error, PPOEngineError) else f"{type(error).__name__}: {error}"
        self.error_text = message
        try:
            self.store.free_reserve()
            self.store.event(self._step, "error", {"message": message})
            self._change_state(
                "failed", stage="", error=message, traceback="".join(traceback.format_exception(error))
            )
        except StoreError:
            self.state, self.failure_unrecorded = "failed", True  # the folder is gone, or full
