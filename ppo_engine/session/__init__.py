"""The life cycle of runs: start, resume, branch; and this process's one live run.

After the start, every command is a row in the store's command table, so its origin does not matter.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from ..config import Config
from ..errors import ConfigError, RunBusyError, StoreError
from ..records import StepRecord
from ..sources.provenance import CHANGED_BY
from ..store import (
    ENDED,
    RunReader,
    RunStore,
    ask_job,
    checkpoint_files,
    mark_branch,
    refuse_without_owner,
    submit,
)
from .edits import edited_config
from .jobs.requests import JobRequest
from .names import draw_name
from .owner import FINISH_STEP_WITHIN_S, RunOwner

SPEEDS = {"full": 0.0, "1 s/step": 1.0, "5 s/step": 5.0}
"""Minimum seconds per step, by display name."""


class Session:
    """A run on a background thread of this process."""

    def __init__(self, folder: Path, owner: RunOwner) -> None:
        self.folder = folder
        self.owner = owner
        owner.store.on_commit = _told
        # A daemon: `shutdown` joins it, and a thread stuck in a download must not keep the process from
        # ending.
        self.thread = threading.Thread(target=self._run, name=f"ppo-live {folder.name}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the run is live. One that has ended may still be freeing its models."""
        return self.thread.is_alive() and self.owner.state not in ENDED

    def _run(self) -> None:
        # transformers puts another module in its own place when its import ends: a thread that imports from
        # it meanwhile finds nothing.
        if _warming is not None:
            _warming.join()
        self.owner.run()


_lock = threading.Lock()
_current: Session | None = None
_warming: threading.Thread | None = None
_workers: dict[Path, subprocess.Popen[bytes]] = {}

OnRecord = Callable[[StepRecord], None]
_listeners: list[Callable[[], None]] = []


def listen(changed: Callable[[], None]) -> Callable[[], None]:
    """Has `changed` called, on the run's own thread, whenever this process's run has changed its store;
    returns what ends that.
    """
    _listeners.append(changed)
    return lambda: _listeners.remove(changed)


def _told() -> None:
    for changed in tuple(_listeners):
        changed()


_NEEDED = (
    "ppo_engine.session.replay",
    # what transformers imports once a model of that kind is loaded: most of the first start's time
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.distilbert.modeling_distilbert",
)


def _import_all() -> None:
    for name in _NEEDED:
        import_module(name)


def warm_up() -> None:
    """Imports what a run needs in the background, which saves the first start some seconds."""
    global _warming
    with _lock:
        if _warming is None:
            _warming = threading.Thread(target=_import_all, name="ppo-live warm-up", daemon=True)
            _warming.start()


def start(config: Config, preset: str, runs: Path) -> Session:
    """Starts a run on a background thread. Raises `RunBusyError`, naming the busy run, and `StoreError`."""
    return _begin(lambda: create(config, preset, runs))


def resume(folder: Path, accept_changed: bool = False) -> Session:
    """Resumes a run that stopped, failed or was interrupted. Raises `RunBusyError` and `StoreError`.

    accept_changed: continue although models or data changed since the run began. Without it such a run fails,
    and `RunReader.changed_sources` lists the changes.
    """

    # Under the lock that `_begin` holds, no session of this process is on: if one had this run, it has given
    # it up.
    def make() -> tuple[Path, RunOwner]:
        return reopen(
            folder,
            abandoned=_current is not None and _current.folder == folder,
            accept_changed=accept_changed,
        )

    return _begin(make)


def branch(
    parent: Path, step: int, changes: dict[str, Any], runs: Path, accept_changed: bool = False
) -> Session:
    """Starts a branch of `parent`, see `fork` and `resume`. Raises `ConfigError` and as `start`."""
    return _begin(lambda: fork(parent, step, changes, runs, accept_changed=accept_changed))


def _begin(make: Callable[[], tuple[Path, RunOwner]]) -> Session:
    global _current
    with _lock:
        if busy := running():
            raise RunBusyError(f"the run {RunReader(busy.folder).info().name} is running; stop it first")
        if _current is not None:
            _current.thread.join()  # has ended, and clears its models away before the next are loaded
        _current = Session(*make())
        _current.thread.start()
        return _current


def current() -> Session | None:
    """The most recent session of this process."""
    return _current


def running() -> Session | None:
    """The running session of this process, None if there is none."""
    return _current if _current is not None and _current.alive else None


def command(folder: Path, kind: str, issuer: str = "page", **payload: Any) -> int:
    """Submits a command to a run's owner, and wakes an owner in this process; returns its number. Raises
    `StoreError` if it can never be applied or another process owns the run, `ConfigError` for an invalid
    edit.
    """
    info = RunReader(folder).info()
    refuse_without_owner(info, kind)
    if not info.owner.is_this_process:
        raise StoreError(f"{info.name} is controlled by {info.owner.name}; it is read-only here")
    if kind == "edit":
        edited_config(info.config, payload["changes"], info.last_step)
    number = submit(folder, kind, issuer, **payload)
    _wake(folder)
    return number


def ask(folder: Path, request: JobRequest) -> int:
    """Requests a job on a run's models; returns its number. See `ensure_worker`."""
    number = ask_job(folder, request.kind, request.payload())
    _wake(folder)
    ensure_worker(folder)
    return number


def _wake(folder: Path) -> None:
    if _current is not None and _current.folder == folder:
        _current.owner.wake()


def ensure_worker(folder: Path) -> None:
    """Ensures that the run's jobs are processed: by its owner, or by a worker once it has ended."""
    if RunReader(folder).info().alive:
        return
    with _lock:
        worker = _workers.get(folder)
        if worker is None or worker.poll() is not None:
            _workers[folder] = subprocess.Popen(
                [sys.executable, "-m", "ppo_engine", "work", str(folder)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def shutdown(timeout_s: float = FINISH_STEP_WITHIN_S + 1.5) -> None:
    """Ends this process's run, cleanly if time allows, and its workers; called on server shutdown."""
    with _lock:
        if _current is not None:
            _current.owner.quit()
            _current.thread.join(timeout_s)
        for worker in _workers.values():
            worker.terminate()


def create(
    config: Config, preset: str, runs: Path, on_record: OnRecord = lambda record: None, attended: bool = True
) -> tuple[Path, RunOwner]:
    """Creates a run's folder, named by time and a random name, and the owner that will train it."""
    store = RunStore.create(*_new_home(runs), preset, config)
    return store.folder, RunOwner(store, on_record, attended)


def reopen(
    folder: Path,
    on_record: OnRecord = lambda record: None,
    attended: bool = True,
    abandoned: bool = False,
    accept_changed: bool = False,
) -> tuple[Path, RunOwner]:
    """The owner that will resume a run that stopped, failed or was interrupted.

    abandoned: see `RunStore`; accept_changed: see `resume`.
    """
    info = RunReader(folder).info()
    if info.last_step >= info.config.steps:
        raise ConfigError(
            [f"steps = {info.config.steps}: {info.name} has completed every step; branch it with more steps"]
        )
    return folder, RunOwner(RunStore.reopen(folder, abandoned), on_record, attended, accept_changed)


def fork(
    parent: Path,
    step: int,
    changes: dict[str, Any],
    runs: Path,
    on_record: OnRecord = lambda record: None,
    attended: bool = True,
    accept_changed: bool = False,
) -> tuple[Path, RunOwner]:
    """Creates a run from the checkpoint of `parent` at `step`, with changed settings, and its owner."""
    reader, config = RunReader(parent), branched_config(parent, step, changes)
    info = reader.info()
    found = next(one for one in checkpoint_files.list_checkpoints(parent) if one.step == step)
    found.verify()
    home, run_id, name = _new_home(runs)
    kept = _kept_fingerprints(reader.fingerprints(step), found.config, config)
    store = RunStore.create(home, run_id, name, info.preset, config, info.id, step, kept)
    try:
        checkpoint_files.copy_to(found, home)
        mark_branch(parent, step, run_id, name)
    except BaseException:
        store.close()
        shutil.rmtree(home, ignore_errors=True)
        raise
    return home, RunOwner(store, on_record, attended, accept_changed)


def _kept_fingerprints(recorded: dict[str, str], before: Config, after: Config) -> dict[str, str]:
    """The parent's fingerprints, except of what the branch changes on purpose."""
    new = [
        key
        for name, keys in CHANGED_BY.items()
        if getattr(before, name) != getattr(after, name)
        for key in keys
    ]
    return {key: value for key, value in recorded.items() if key not in new}


def branched_config(parent: Path, step: int, changes: dict[str, Any]) -> Config:
    """A branch's configuration: the parent's at that checkpoint, changed. Raises `ConfigError`."""
    there = {one.step: one for one in checkpoint_files.list_checkpoints(parent)}
    if step not in there:
        allowed = ", ".join(map(str, there)) or "none yet"
        raise ConfigError([f"step = {step}: no checkpoint at this step; available: {allowed}"])
    config = there[step].config
    wanted = config.changed(**changes)
    if wanted.model_name != config.model_name:
        raise ConfigError(
            [f"model_name = {wanted.model_name}: a branch keeps the parent's policy; start a new run"]
        )
    if wanted.steps <= step:
        raise ConfigError(
            [f"steps = {wanted.steps}: must be greater than {step}, the checkpoint the branch starts from"]
        )
    return wanted


def _new_home(runs: Path) -> tuple[Path, str, str]:
    name = draw_name()
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"[:-3] + f"-{name}"
    return Path(runs) / run_id, run_id, name


__all__ = [
    "ENDED",
    "SPEEDS",
    "OnRecord",
    "RunOwner",
    "Session",
    "ask",
    "branch",
    "branched_config",
    "command",
    "create",
    "current",
    "edited_config",
    "ensure_worker",
    "fork",
    "listen",
    "reopen",
    "resume",
    "running",
    "shutdown",
    "start",
    "warm_up",
]
