"""What was read of a run's files, kept for as long as they stay as they were.

For what follows from the files alone. Whether an owner lives does not: it may die without writing.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from .schema import DATABASE

T = TypeVar("T")
Version = tuple[tuple[int, ...], ...]

SETTLED_NS = 2_000_000_000
"""A younger file may change again without a later time: some file systems count in steps of two seconds."""


class Unchanged(Generic[T]):
    """`read`, but once for each version of a run's files. At most so many runs are remembered."""

    def __init__(self, read: Callable[[Path], T], lasts: Callable[[T], bool], most: int) -> None:
        """lasts: whether what was read holds until the files change."""
        self._read, self._lasts, self._most = read, lasts, most
        self._kept: OrderedDict[Path, tuple[Version, T]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, folder: Path) -> T:
        """What `read` gives of the files as they are now. What it raises is raised again at the next call."""
        now, before = time.time_ns(), version_of(folder)
        with self._lock:
            kept = self._kept.get(folder)
            if kept is not None and kept[0] == before:
                self._kept.move_to_end(folder)
                return kept[1]
        found = self._read(folder)
        if self._lasts(found) and _is_settled(before, now):
            self._keep(folder, before, found)  # what changed since has another version
        return found

    def _keep(self, folder: Path, version: Version, found: T) -> None:
        with self._lock:
            self._kept[folder] = version, found
            self._kept.move_to_end(folder)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def version_of(folder: Path) -> Version:
    """What changes with every change of a run's file or of its log."""
    return tuple(_identity(f"{folder}/{DATABASE}{suffix}") for suffix in ("", "-wal"))


def _identity(path: str) -> tuple[int, ...]:
    """Its times, size and number; empty where there is none. A file put back with its old time of writing
    still has a new time of change.
    """
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _is_settled(version: Version, now: int) -> bool:
    return all(now - max(identity[:2]) > SETTLED_NS for identity in version if identity)
