"""The owner of a run: the one process that trains it, until that process is dead."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SILENT_S = 60.0
"""An owner on another machine counts as dead after this long without a heartbeat."""
HEARTBEAT_S = 5.0
"""How often an owner says that it lives."""


@dataclass(frozen=True)
class Owner:
    """A process, identified also by its start time and its machine: numbers are reused."""

    pid: int
    started: float
    host: str
    heartbeat: float

    @property
    def lives(self) -> bool:
        """Whether that very process is alive, as far as one can tell from here."""
        if not self.is_here:
            return time.time() - self.heartbeat < SILENT_S
        return _started(self.pid) == self.started

    @property
    def is_this_process(self) -> bool:
        """Whether it is the process that asks."""
        return self.is_here and self.pid == os.getpid() and self.lives

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host in ("", platform.node())

    @property
    def name(self) -> str:
        """The owner in words."""
        return f"process {self.pid}" + ("" if self.is_here else f" on {self.host}")


def _started(pid: int) -> float | None:
    """When a living process began; None where there is none. Never moved by a clock that is set while it
    runs.

    On Linux in seconds since the machine started: psutil adds that to a time of day which moves with the
    clock.
    """
    if sys.platform == "linux":
        try:
            state, *fields = (
                Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
            )
        except OSError:
            return None
        return None if state in "ZX" else int(fields[18]) / os.sysconf("SC_CLK_TCK")
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def file_identity(path: Path) -> str:
    """Tells a file from any copy of it, even once moved; "" where the file system cannot."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}" if found.st_ino else ""


def owns(owner: Owner, owner_file: str, database: Path) -> bool:
    """Whether that owner works on this very file, not on the one it was copied from."""
    if not owner_file or not owner.is_here:
        return True
    return file_identity(database) in ("", owner_file)


def myself(database: Path) -> dict[str, Any]:
    """The columns that make this process the owner. database: the run's file, at any name."""
    return {
        "owner_file": file_identity(database),
        "owner_pid": os.getpid(),
        "owner_started": _started(os.getpid()),
        "owner_host": platform.node(),
        "heartbeat": time.time(),
    }
