"""What changes in the runs folder, noticed once for all who look on.

One thread a server: this process's run tells it of each commit; of other processes' runs it looks at the
files' times, and into the store only where they have changed. While nobody looks on, it sleeps.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ppo_engine import session
from ppo_engine.errors import StoreError
from ppo_engine.store import DATABASE, Pulse, read_pulse

from .folder import EXAMPLE, newest_run, runs_folder

_log = logging.getLogger(__name__)
_LOOK_S = 0.25
"""Between two looks at the files of runs."""
_OWNER_LOOK_S = 2.0
"""Between two looks whether a run's owner lives: it may die without a word."""
_REMEMBERED_S = 10.0
"""How long a run is watched after somebody asked for it once."""
_SHORTEST_S = 0.03
"""Between two tellings, however fast a run goes."""


@dataclass(frozen=True)
class Change:
    """How a run stands; run is "" for none. version: differs where anything of the run does; stamp: differs
    where a page has to be made anew: there is another state, an answer to a command, another run.
    """

    run: str
    version: str
    step: int
    state: str
    stamp: str


Listener = Callable[[Change], None]


class Watcher:
    """See the module. Every method may be called from any thread; a listener is called on the watcher's."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Listener]] = {}
        self._asked: dict[str, float] = {}
        self._known: dict[str, tuple[object, float, Change]] = {}
        self._thread: threading.Thread | None = None
        self._ended = False

    def start(self) -> None:
        """Begins to watch."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="ppo-live watcher", daemon=True)
        self._unlisten = session.listen(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and waits for that."""
        self._ended = True
        self._unlisten()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def listen(self, run: str, listener: Listener) -> Callable[[], None]:
        """Has `listener` told of each change of that run; returns what ends that."""
        with self._lock:
            self._listeners.setdefault(run, set()).add(listener)
        self._wake.set()

        def end() -> None:
            with self._lock:
                self._listeners.get(run, set()).discard(listener)

        return end

    def now(self, run: str) -> Change:
        """How the run stands, from memory while it is watched. Asking has it watched for a while."""
        with self._lock:
            self._asked[run] = time.monotonic()
            known = self._known.get(run)
        if known is not None and self._thread is not None and self._thread.is_alive():
            return known[2]
        self._wake.set()
        return self._look(run)

    def _watched(self) -> set[str]:
        """The runs that somebody looks on. What is known of others is forgotten: nobody keeps it true."""
        with self._lock:
            recent = time.monotonic() - _REMEMBERED_S
            self._asked = {run: when for run, when in self._asked.items() if when > recent}
            self._listeners = {run: here for run, here in self._listeners.items() if here}
            watched = {*self._asked, *self._listeners}
            self._known = {run: known for run, known in self._known.items() if run in watched}
            return watched

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(_LOOK_S if self._watched() else None)
            self._wake.clear()
            for run in self._watched():
                try:
                    self._look_and_tell(run)
                except Exception:  # whatever it is, those who look on at other runs go on being told
                    _log.exception("the run %r could not be looked at", run)
            if not self._ended:
                time.sleep(_SHORTEST_S)

    def _look_and_tell(self, run: str) -> None:
        before = self._known.get(run)
        change = self._look(run)
        if before is None or before[2] != change:
            self._tell(run, change)

    def _tell(self, run: str, change: Change) -> None:
        with self._lock:
            listeners = tuple(self._listeners.get(run, ()))
        for listener in listeners:
            listener(change)

    def _look(self, run: str) -> Change:
        folder = _folder(run)
        here = session.running()
        seen = (_files(folder), here and here.folder)
        known = self._known.get(run)
        now = time.monotonic()
        if known is not None and known[0] == seen and now - known[1] < _OWNER_LOOK_S:
            return known[2]
        change = read_change(run)
        with self._lock:
            self._known[run] = seen, now, change
        return change


def read_change(run: str) -> Change:
    """How the run stands now, read from its store; "" for no run."""
    folder = _folder(run)
    pulse, newest, trouble = None, None, ""
    try:
        newest = newest_run()
        pulse = None if folder is None else read_pulse(folder)
    except StoreError as error:
        trouble = str(error)
    current, running = session.current(), session.running()
    unrecorded = current is not None and current.folder == folder and current.owner.failure_unrecorded
    around = (trouble, unrecorded, newest and newest.name, running and running.folder.name)
    drawn = None
    if pulse is not None and folder != EXAMPLE:
        drawn = replace(pulse, stage="", step=min(pulse.step, 1), events=0)
    return Change(
        run,
        _digest(pulse, trouble, unrecorded),
        pulse.step if pulse else -1,
        _state(pulse, unrecorded),
        _digest(drawn, around),
    )


def _state(pulse: Pulse | None, unrecorded: bool) -> str:
    if pulse is None:
        return ""
    return "failed" if unrecorded else pulse.state


def _folder(run: str) -> Path | None:
    if not run:
        return None
    folder = runs_folder() / run
    return EXAMPLE if run == EXAMPLE.name and not (folder / DATABASE).exists() else folder


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _files(folder: Path | None) -> tuple[object, ...]:
    """What tells that a store, or which runs there are, may have changed: times and sizes of files."""
    own = () if folder is None else (folder / DATABASE, folder / f"{DATABASE}-wal")
    found: list[object] = []
    for path in (runs_folder(), *own):
        with suppress(OSError):
            there = os.stat(path)
            found.append((path.name, there.st_mtime_ns, there.st_size, there.st_ino))
    return tuple(found)
