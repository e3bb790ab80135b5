"""A run's data as read so far: one copy a server, however many look on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np

from ppo_engine.charts.live import SHOWN
from ppo_engine.charts.series import Array, Frame
from ppo_engine.charts.timeline import TimelineEntry, timeline_entries
from ppo_engine.errors import StoreError
from ppo_engine.records import Sample, TokenTable
from ppo_engine.store import DATABASE, RunInfo, RunReader

from .folder import runs_folder

_RECENT = 6
"""Steps whose time of day is kept, for the pace."""


class RunView:
    """A run's metrics and journal as read so far; `refresh` reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self.reader = RunReader(folder)
        self.recent: Array = np.zeros(0)  # seconds since 1970 at the ends of the newest steps
        self._table = _Table()
        self._trained = False
        self._entries: list[TimelineEntry] = []
        self._lock = threading.Lock()

    def refresh(self) -> Frame:
        """The metrics that charts show, by name, one entry a step."""
        with self._lock:
            # the last is read again: stopping a run adds its evaluation later
            new = self.reader.columns(SHOWN, after=self._table.before_last)
            self._table.take(new)
            again = min(len(new["wall_time"]), 1) if len(self.recent) else 0
            self.recent = np.append(self.recent[: len(self.recent) - again], new["wall_time"])[-_RECENT:]
            return self._table.frame

    def history(self) -> list[TimelineEntry]:
        """What happened so far, oldest first."""
        with self._lock:
            if new := self.reader.events(after=self._entries[-1].number if self._entries else 0):
                self._entries = [*self._entries, *timeline_entries(new, self._trained)]
                self._trained |= any(
                    event.kind == "state" and event.payload["state"] == "running" for event in new
                )
            return self._entries


class _Table:
    """Columns that grow: room for twice as many steps whenever it is full."""

    def __init__(self) -> None:
        self._count = 0
        self._columns = {name: np.zeros(0, np.float32) for name in SHOWN} | {"step": np.zeros(0, np.int64)}

    @property
    def frame(self) -> Frame:
        return {name: column[: self._count] for name, column in self._columns.items()}

    @property
    def before_last(self) -> int:
        """The step before the last, -1 for none."""
        return int(self._columns["step"][self._count - 2]) if self._count > 1 else -1

    def take(self, new: Frame) -> None:
        """Takes steps in, in place of the last one."""
        begin = max(0, self._count - 1)
        end = begin + len(new["step"])
        for name, column in self._columns.items():
            if end > len(column):
                column = np.concatenate([column[:begin], np.zeros(max(256, 2 * end) - begin, column.dtype)])
                self._columns[name] = column
            column[begin:end] = new[name]
        self._count = end


def ancestry(info: RunInfo) -> Frame | None:
    """The metrics of a branch's ancestors up to the branching; None without a parent, or if it is deleted."""
    parts: list[Frame] = []
    while info.parent and (runs_folder() / info.parent / DATABASE).is_file():
        view = view_of(runs_folder() / info.parent)
        frame = view.refresh()
        kept = frame["step"] <= info.parent_step
        parts.insert(0, {name: column[kept] for name, column in frame.items()})
        info = view.reader.info()
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else None


_views: OrderedDict[Path, RunView] = OrderedDict()
_views_lock = threading.Lock()
_MOST_VIEWS = 16


def view_of(folder: Path) -> RunView:
    """The one view of that run in this process; the least recently used are dropped."""
    with _views_lock:
        if folder not in _views:
            _views[folder] = RunView(folder)
        view = _views[folder]
        _views.move_to_end(folder)
        if len(_views) > _MOST_VIEWS:
            _views.popitem(last=False)
        return view


def batch_of(reader: RunReader, step: int) -> tuple[TokenTable, list[Sample]] | None:
    """A step's tokens and samples; None without stored tokens. Raises `StoreError` if samples are missing."""
    with reader.snapshot() as moment:  # old batches are thinned while a run goes on
        tokens, samples = moment.tokens(step), moment.samples(step)
    if tokens is None:
        return None
    if set(tokens.sample.tolist()) - {one.index for one in samples}:
        raise StoreError(
            f"step {step} of {reader.folder.name}: some of its samples are missing; choose another step or "
            "run"
        )
    return tokens, samples
