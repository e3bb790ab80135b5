"""The files of a live run: SQLite keeps the last commits in `run.sqlite-wal` before `run.sqlite`."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from .ownership import file_identity
from .schema import DATABASE

NOTE = "README.txt"
NOTE_TEXT = """This folder is one run of ppo-live. Copy, move or delete it as a whole.

run.sqlite      the record: settings, steps, samples, tokens, journal
run.sqlite-wal, run.sqlite-shm
                present during the run: the latest part of run.sqlite. Do not delete them.
checkpoints/    saved models, to resume or branch from
reserve         space held back so that a run can report a full disk

Stop or pause a live run before copying it, or use `python -m ppo_engine export`.
A copy of a live run is readable and shown as interrupted.
"""
LOG_REMOVED = (
    "run.sqlite-wal was removed or replaced during the run. It is part of run.sqlite. No step was lost;"
    " commands sent at that moment may have been."
)


class OpenFiles:
    """Which files a connection works on, so that a removed one is noticed before the next commit."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / DATABASE
        self.log = folder / f"{DATABASE}-wal"
        self._database_id = file_identity(self.database)
        self._log_id = ""

    def log_is_gone(self) -> bool:
        """Whether the write-ahead log was replaced. Raises `StoreError` where the run's file itself was."""
        if _identity(self.database) != self._database_id:
            raise StoreError(
                f"{self.database}: removed or replaced during the run; the steps recorded since are lost"
            )
        if not self._log_id:
            self._log_id = _identity(self.log)
        return bool(self._log_id) and _identity(self.log) != self._log_id


def _identity(path: Path) -> str:
    try:
        return file_identity(path)
    except OSError:
        return ""


def write_anew(connection: sqlite3.Connection, folder: Path) -> None:
    """Writes all that the connection sees into a new file in the place of the old one, and closes the
    connection.

    What another may have written meanwhile into a new log over the old file fits neither, and is dropped.
    """
    aside = folder / f"{DATABASE}.new"
    aside.unlink(missing_ok=True)
    connection.execute("vacuum into ?", (str(aside),))
    connection.close()
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(folder / f"{DATABASE}{suffix}")
    os.replace(aside, folder / DATABASE)
