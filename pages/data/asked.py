"""What a request asks for: a run of this server's folder, and numbers and words, each checked."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ppo_engine.store import list_runs

from .answers import RefusedError
from .folder import EXAMPLE, runs_folder

_DIGITS = 9  # no index has more
_SHOWN = 60
_LISTED_S = 1.0
"""How long a list of the folder counts while its time stays the same: a run's file comes after its folder."""


@dataclass(frozen=True)
class Asked:
    """run: its id, "" where the view is of none; path: the numbers in the address; query: what follows."""

    run: str
    folder: Path
    path: Mapping[str, str]
    query: Mapping[str, str]

    def number(self, name: str) -> int:
        """A whole number in the path."""
        return _whole(name, self.path[name])

    def whole(self, name: str, default: int, least: int = 0) -> int:
        """A whole number of the query."""
        return _whole(name, self.query[name], least) if name in self.query else default

    def word(self, name: str, default: str = "") -> str:
        return self.query.get(name, default)


def _whole(name: str, text: str, least: int = 0) -> int:
    sign = "-" if least < 0 and text.startswith("-") else ""
    digits = text.removeprefix(sign)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS) or int(text) < least:
        raise RefusedError(400, f"{name} = {text[:_SHOWN]}: must be a whole number, {least} or more")
    return int(text)


def check_names(query: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Refuses a parameter that the view does not have."""
    for name in query:
        if name not in allowed:
            there = f"allowed: {', '.join(allowed)}" if allowed else "there are none here"
            raise RefusedError(400, f"{name[:_SHOWN]}: no such parameter; {there}")


class Folder:
    """The runs by id: an id from outside is looked up here, and never becomes part of a path."""

    def __init__(self) -> None:
        self._listed: tuple[object, float, dict[str, Path]] = (None, 0.0, {})

    def find(self, run: str) -> Path:
        """The run's folder. Raises `RefusedError`."""
        folder = self._list().get(run)
        if folder is not None and folder.is_dir():
            return folder
        if run == EXAMPLE.name:
            return EXAMPLE
        raise RefusedError(404, f"run = {run[:_SHOWN]}: no such run in this server's folder")

    def _list(self) -> dict[str, Path]:
        folder, changed = runs_folder(), 0
        with suppress(OSError):
            changed = os.stat(folder).st_mtime_ns
        seen, when, runs = self._listed
        if seen != (folder, changed) or time.monotonic() - when > _LISTED_S:
            now, runs = time.monotonic(), {run.name: run for run in list_runs(folder)}
            self._listed = (folder, changed), now, runs  # all at once: several threads ask
        return runs


FOLDER = Folder()
"""The runs of this server."""
