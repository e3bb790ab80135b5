"""A run's life: an owner that trains and obeys commands between steps, and the one run that this process may have on.

    loading -> running <-> paused -> finished | stopped | failed

The owner works in whatever thread calls `run`: the dashboard gives it a background thread (`start`), the command line its own.
After the start, everything asked of a run is a row in the store's command table, so it does not matter who asks.
"""

from __future__ import annotations

import gc
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .config import Config
from .errors import PPOEngineError, RunBusyError, StepAbandoned, StoreError
from .records import StepRecord
from .store import ENDED, RunReader, RunStore, submit

SPEEDS = {"full": 0.0, "1 s/step": 1.0, "5 s/step": 5.0}
"""The least seconds a step may take, by what a person calls it."""

FINISH_STEP_WITHIN_S = 3.0
"""How long the step under way may still take when the process ends, before it is abandoned."""

_POLL_S = 0.1


class RunOwner:
    """Trains one run into its store. `nudge` wakes it when there is a new command; `quit` ends it within seconds."""

    def __init__(self, store: RunStore, config: Config, on_record: Callable[[StepRecord], None] = lambda record: None) -> None:
        self.store = store
        self.config = config
        self.state = "loading"
        self.trouble = ""
        self.failure: type[Exception] | None = None
        self._on_record = on_record
        self._nudged = threading.Event()
        self._quit_by: float | None = None
        self._single_steps = 0
        self._pause_when_loaded = False
        self._stop = False
        self._seconds_per_step = 0.0
        self._step = -1

    def nudge(self) -> None:
        """There is a command to look at now."""
        self._nudged.set()

    def quit(self, within_s: float = FINISH_STEP_WITHIN_S) -> None:
        """End the run: the step under way may finish within that time, else it is abandoned unrecorded. Safe in a signal handler."""
        # No lock is touched here, and the waits look at this ten times a second.
        if self._quit_by is None:
            self._quit_by = time.monotonic() + within_s

    def run(self) -> None:
        """Trains until the run ends, in one way or another, and leaves the reason in the store. Raises nothing of the run's."""
        try:
            self._train()
        except StepAbandoned:
            self._end("stopped")
        except Exception as error:
            # Whatever went wrong belongs in the run's store and on its page, not in a lost thread.
            self._fail(error)
        finally:
            self.store.close()
            # The models of this run are garbage now, and frozen garbage would never be found.
            gc.unfreeze()
            gc.collect()

    def _train(self) -> None:
        from .machine import memory_in_use
        from .trainer import Trainer

        trainer = Trainer(self.config, on_stage=self._on_stage, interrupted=self._must_give_up)
        trainer.load()
        # The models live as long as the run: no collection need look at them again until it ends.
        gc.freeze()
        device = trainer.accelerator.device
        self._change_state("paused" if self._pause_when_loaded else "running", device=str(device), stage="")
        for record in self._paced(trainer):
            self.store.record(record)
            self._step = record.step
            self.store.update_run(memory_bytes=memory_in_use(device))
            self._on_record(record)
        self._end("stopped" if self._stop or self._quit_by is not None else "finished")

    def _paced(self, trainer: Any) -> Iterator[StepRecord]:
        """The records, each asked for only when the run may go on."""
        records = iter(trainer)
        while not trainer.done:
            self._wait_for_leave()
            if self._stop or self._quit_by is not None:
                return
            started = time.monotonic()
            record = next(records)
            yield record
            if record.step > 0:  # the evaluation before training is no step that anyone asked for
                self._single_steps = max(0, self._single_steps - 1)
            self._keep_pace(started)

    def _wait_for_leave(self) -> None:
        """Obeys what is queued; returns when a step may be taken or the run has to end."""
        self._obey()
        while self.state == "paused" and not (self._stop or self._quit_by is not None or self._single_steps):
            self._sleep(_POLL_S)
            self._obey()

    def _keep_pace(self, started: float) -> None:
        """Waits until the step has taken its least time, obeying commands meanwhile."""
        while self.state == "running" and not (self._stop or self._quit_by is not None):
            left = started + self._seconds_per_step - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(left, _POLL_S))
            self._obey()

    def _sleep(self, seconds: float) -> None:
        self._nudged.wait(seconds)
        self._nudged.clear()

    def _obey(self) -> None:
        for number, kind, payload in self.store.queued():
            refusal = self._refusal(kind)
            if not refusal:
                getattr(self, f"_do_{kind}")(**payload)
            self.store.settle(number, refusal, self._step)

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
            self._change_state("paused")

    def _do_resume(self) -> None:
        self._single_steps = 0
        self._pause_when_loaded = False
        if self.state == "paused":
            self._change_state("running")

    def _do_step(self) -> None:
        self._single_steps += 1
        self._do_pause()

    def _do_stop(self) -> None:
        self._stop = True

    def _do_speed(self, seconds_per_step: float) -> None:
        self._seconds_per_step = seconds_per_step
        self.store.update_run(seconds_per_step=seconds_per_step)

    def _change_state(self, state: str, **fields: Any) -> None:
        self.state = state
        self.store.enter_state(state, self._step, **fields)

    def _on_stage(self, stage: str) -> None:
        if self.state == "loading":
            self._obey()
            self.store.update_run(stage=stage)

    def _must_give_up(self) -> bool:
        """Whether to abandon what is under way: loading at once when asked to stop, a step when its time is up."""
        if self.state == "loading" and (self._stop or self._quit_by is not None):
            return True
        return self._quit_by is not None and time.monotonic() > self._quit_by

    def _end(self, state: str) -> None:
        for number, _, _ in self.store.queued():
            self.store.settle(number, f"the run has {state}", self._step)
        self._change_state(state, stage="")

    def _fail(self, error: Exception) -> None:
        self.failure = type(error)  # the error itself would hold on to the trainer, through its traceback
        message = str(error) if isinstance(error, PPOEngineError) else f"{type(error).__name__}: {error}"
        self.trouble = message
        try:
            self.store.free_reserve()
            self.store.event(self._step, "error", {"message": message})
            self._change_state("failed", stage="", error=message, traceback="".join(traceback.format_exception(error)))
        except StoreError:
            self.state = "failed"  # the folder is gone or full beyond the reserve: `trouble` alone can say so


class Session:
    """A run on a background thread of this process."""

    def __init__(self, folder: Path, owner: RunOwner) -> None:
        self.folder = folder
        self.owner = owner
        # A daemon: `shutdown` joins it, and a thread stuck in a download must not keep the process from ending.
        self.thread = threading.Thread(target=owner.run, name=f"ppo-live {folder.name}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the run is still on."""
        return self.thread.is_alive()


_lock = threading.Lock()
_current: Session | None = None


def start(config: Config, preset: str, runs: Path) -> Session:
    """Starts a run on a background thread. Raises `RunBusyError`, which names the run that is on, and `StoreError`."""
    global _current
    with _lock:
        if _current is not None and _current.alive:
            raise RunBusyError(f"the run {RunReader(_current.folder).info().name} is on: stop it first")
        _current = Session(*create(config, preset, runs))
        _current.thread.start()
        return _current


def current() -> Session | None:
    """The session that was started last in this process."""
    return _current


def command(folder: Path, kind: str, issuer: str = "page", **payload: Any) -> int:
    """Submits a command to any run's owner, and wakes it if it lives in this process. Returns the command's number."""
    number = submit(folder, kind, issuer, **payload)
    if _current is not None and _current.folder == folder:
        _current.owner.nudge()
    return number


def shutdown(timeout_s: float = FINISH_STEP_WITHIN_S + 1.5) -> None:
    """Ends this process's run, cleanly if it can within the time; for the end of the server."""
    with _lock:
        if _current is not None and _current.alive:
            _current.owner.quit()
            _current.thread.join(timeout_s)


def create(config: Config, preset: str, runs: Path, on_record: Callable[[StepRecord], None] = lambda record: None) -> tuple[Path, RunOwner]:
    """A new run's folder, named after the time and a name drawn for it, and the owner that will train it."""
    name = f"{random.choice(_MANNERS)}-{random.choice(_ANIMALS)}"
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"[:-3] + f"-{name}"
    store = RunStore.create(Path(runs) / run_id, run_id, name, preset, config)
    return store.folder, RunOwner(store, config, on_record)


_MANNERS = (
    "amber",
    "brave",
    "calm",
    "clever",
    "curious",
    "daring",
    "eager",
    "gentle",
    "happy",
    "humble",
    "jolly",
    "keen",
    "lively",
    "lucky",
    "mellow",
    "merry",
    "nimble",
    "patient",
    "proud",
    "quick",
    "quiet",
    "sunny",
    "swift",
    "witty",
)
_ANIMALS = (
    "badger",
    "beaver",
    "bison",
    "crane",
    "dolphin",
    "falcon",
    "finch",
    "fox",
    "gecko",
    "heron",
    "ibis",
    "koala",
    "lark",
    "lynx",
    "marmot",
    "otter",
    "owl",
    "panda",
    "puffin",
    "raven",
    "robin",
    "seal",
    "swan",
    "wren",
)

__all__ = ["ENDED", "SPEEDS", "RunOwner", "Session", "command", "create", "current", "shutdown", "start"]
