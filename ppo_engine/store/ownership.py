"""Who owns a run: the process that trains it. A run has one owner, and a new one only when the old one is dead."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from typing import Any

import psutil

SILENT_S = 60.0
"""An owner on another machine counts as dead after this long without a heartbeat."""
HEARTBEAT_S = 5.0
"""How often an owner says that it lives."""


@dataclass(frozen=True)
class Owner:
    """A process, told from others that get the same number later by its start time, and from other machines' by their name."""

    pid: int
    started: float
    host: str
    heartbeat: float

    @property
    def lives(self) -> bool:
        """Whether that very process is alive, as far as one can tell from here."""
        if self.host not in ("", platform.node()):
            return time.time() - self.heartbeat < SILENT_S
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) < 1.0)
        except psutil.Error:
            return False

    @property
    def is_this_process(self) -> bool:
        """Whether it is the process that asks."""
        return self.pid == os.getpid() and self.lives

    @property
    def name(self) -> str:
        """The owner in words."""
        return f"process {self.pid}" + (f" on {self.host}" if self.host not in ("", platform.node()) else "")


def myself() -> dict[str, Any]:
    """The columns of the run's row that make this process its owner."""
    return {
        "owner_pid": os.getpid(),
        "owner_started": psutil.Process().create_time(),
        "owner_host": platform.node(),
        "heartbeat": time.time(),
    }
