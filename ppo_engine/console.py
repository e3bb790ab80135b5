"""The command line's process: signals, output and exit. Light, as it precedes all imports."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

FAILED = 1
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
LOADER = "ppo-live loading"
"""Name of the threads that load sources; they may be stuck when a run ends."""


class _Asked:
    """Whether a signal asked this process to end during `holding`, and the function to call then."""

    def __init__(self) -> None:
        self.noted = False
        self.tell: Callable[[], None] | None = None


_asked: _Asked | None = None


def begin() -> None:
    """From now on this process ends cleanly on a signal, and its output never fails."""
    _listen()
    sys.stdout, sys.stderr = Steady(sys.stdout), Steady(sys.stderr)


@contextmanager
def holding() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Defers signals: instead of ending the process, they call the function passed to the yielded one."""
    global _asked
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    mine = _asked = _Asked()

    def hand_over(tell: Callable[[], None]) -> None:
        mine.tell = tell
        if mine.noted:
            tell()

    _listen()
    try:
        yield hand_over
    finally:
        _asked = None
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen() -> None:
    """Handles the signals that end a process; an ignored one, as under nohup, stays ignored."""
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _heed)


def _heed(number: int, _: object) -> None:
    """A second signal ends the process, even if it is stuck."""
    signal.signal(number, signal.SIG_DFL)
    if _asked is None:
        with suppress(OSError):
            os.write(2, b"\nppo_engine: stopped\n")
        os._exit(FAILED)
    _asked.noted = True
    if _asked.tell is not None:
        _asked.tell()


def end(code: int) -> None:
    """Exits with that code, at once if an abandoned load still holds a thread."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if any(thread.name == LOADER for thread in threading.enumerate()):
        os._exit(code)
    with suppress(OSError):  # what cannot be written is not tried again by the interpreter, with a complaint
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            if getattr(stream, "broken", False):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    sys.exit(code)


class Steady:
    """A text stream that escapes what its encoding lacks, and ignores a closed pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.broken = False
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """As a text stream does; never fails."""
        try:
            if not self.broken:
                self._stream.write(text)
        except (OSError, ValueError):
            self.broken = True
        return len(text)

    def flush(self) -> None:
        """As a text stream does; never fails."""
        try:
            if not self.broken:
                self._stream.flush()
        except (OSError, ValueError):
            self.broken = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
