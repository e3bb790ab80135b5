"""Which run a page shows, and its data as read so far: one copy a server, however many look on."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from ppo_engine import session
from ppo_engine.builtin import ASSETS
from ppo_engine.charts.series import metrics_frame
from ppo_engine.charts.timeline import TimelineEntry, timeline_entries
from ppo_engine.errors import StoreError
from ppo_engine.records import Sample, TokenTable
from ppo_engine.store import DATABASE, Event, RunInfo, RunReader, StepRow, list_runs
from ppo_engine.store.catalog import TRASH
from ppo_engine.store.checkpoint_files import list_checkpoints

TAKEN_UP = ("stopped", "failed", "interrupted")
"""States from which a run can be resumed."""

EXAMPLE = ASSETS / "example"
"""A recorded run, shown before the first."""


def runs_folder() -> Path:
    """Where this server keeps its runs: $PPO_LIVE_RUNS, else runs/ where it was started."""
    return Path(os.environ.get("PPO_LIVE_RUNS", "runs")).expanduser().resolve()


def shown_run() -> Path | None:
    """The run that the address names, else the newest that can be read; None before the first."""
    runs = list_runs(runs_folder())
    wanted = st.query_params.get("run", "")
    return next((run for run in runs if run.name == wanted), None) or newest_run()


def newest_run() -> Path | None:
    """The newest run that can be read; None before the first."""
    return next((run for run in list_runs(runs_folder()) if not _why_unreadable(run)), None)


def is_mine(run: Path, info: RunInfo) -> bool:
    """Whether that run is active in this process and can be controlled here. A copy of its folder is not."""
    here = session.running()
    return here is not None and here.folder == run and info.alive and info.owner.is_this_process


def failed_early(info: RunInfo) -> bool:
    """Whether the run failed without a step or a parent's checkpoint, so that it can only be corrected."""
    return info.state == "failed" and info.last_step < 0 and not info.parent


def can_go_on(info: RunInfo) -> bool:
    """Whether the run can be resumed: ended with steps left, and not by failing before its first."""
    return info.state in TAKEN_UP and info.last_step < info.config.steps and not failed_early(info)


def from_where(run: Path | None) -> str:
    """Where an ended run resumes from, in words."""
    if run is None or list_checkpoints(run):
        return "from its last checkpoint"
    return "from the start, since it has no checkpoint"


def keep_run(page: str) -> None:
    """Keeps the address's run where a link to another page names none. To be called first in the script."""
    turned = page != st.session_state.get("page", page)
    st.session_state.page = page
    kept = st.session_state.get("run_kept")
    if turned and kept and "run" not in st.query_params:
        st.query_params["run"] = kept
    st.session_state.run_kept = st.query_params.get("run")


def run_trouble() -> str:
    """Why the run shown is not the one in the address, or not the newest; "" where it is."""
    runs, wanted, instead = list_runs(runs_folder()), st.query_params.get("run", ""), newest_run()
    shown = f"Showing {info_of(instead).name}, the newest run." if instead else "Showing a recorded example."
    if wanted and wanted not in [run.name for run in runs]:
        in_trash = any(run.name == wanted for run in list_runs(runs_folder() / TRASH))
        return (
            f"The address names the run {wanted[:80]}, which "
            f"{'is in the trash' if in_trash else 'does not exist'}. {shown}"
        )
    if wanted and (reason := _why_unreadable(runs_folder() / wanted)):
        return f"The run {wanted[:80]} cannot be shown. {reason}"
    if not wanted and runs and runs[0] != instead:
        shown = shown.replace("the newest", "the newest readable")
        return f"The newest run, {runs[0].name}, cannot be shown. {_why_unreadable(runs[0])}. {shown}"
    return ""


def _why_unreadable(run: Path) -> str:
    try:
        info_of(run)
    except StoreError as error:
        return str(error)
    return ""


def info_of(run: Path) -> RunInfo:
    """The run's row, with the failure that its owner here could not record."""
    info, here = RunReader(run).info(), session.current()
    if info.alive and here is not None and here.folder == run and here.owner.failure_unrecorded:
        return replace(info, state="failed", error=here.owner.error_text)
    return info


def earlier_run(run: Path) -> Path | None:
    """The newest earlier run of the same reward that has a step: the ghost behind the curves."""
    older = [other for other in list_runs(runs_folder()) if other.name < run.name]
    reward = info_of(run).config.reward
    return next((other for other in older if _has_trained(other, reward)), None)


def ancestry(info: RunInfo) -> pd.DataFrame | None:
    """The metrics of a branch's ancestors up to the branching; None without a parent, or if it is deleted."""
    parts: list[pd.DataFrame] = []
    while info.parent and (runs_folder() / info.parent / DATABASE).is_file():
        view = view_of(runs_folder() / info.parent)
        frame = view.refresh()[1]
        parts.insert(0, frame[frame["step"] <= info.parent_step])
        info = view.reader.info()
    return pd.concat(parts, ignore_index=True) if parts else None


def _has_trained(run: Path, reward: str) -> bool:
    try:
        info = RunReader(run).info()
        return info.last_step > 0 and info.config.reward == reward
    except StoreError:
        return False


class RunView:
    """A run's steps as read so far; `refresh` reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self.reader = RunReader(folder)
        self._rows: list[StepRow] = []
        self._frame = metrics_frame([])
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def refresh(self) -> tuple[list[StepRow], pd.DataFrame]:
        """Every step's row, and the metrics as a frame. Both are to be read, not changed."""
        with self._lock:
            known = self._rows[:-1]  # the last is read again: stopping a run adds its evaluation later
            new = self.reader.steps(after=known[-1].step if known else -1)
            if [(row.step, row.metrics.keys()) for row in new] != [
                (row.step, row.metrics.keys()) for row in self._rows[-1:]
            ]:
                self._rows = [*known, *new]
                self._frame = metrics_frame(self._rows)
            return self._rows, self._frame

    def history(self) -> list[TimelineEntry]:
        """What happened so far, oldest first."""
        with self._lock:
            self._events += self.reader.events(after=self._events[-1].number if self._events else 0)
            return timeline_entries(self._events)


_views: dict[Path, RunView] = {}
_views_lock = threading.Lock()
_MOST_VIEWS = 16


def view_of(folder: Path) -> RunView:
    """The one view of that run in this process."""
    with _views_lock:
        if folder not in _views and len(_views) >= _MOST_VIEWS:
            _views.pop(next(iter(_views)))
        if folder not in _views:
            _views[folder] = RunView(folder)
        return _views[folder]


def batch_of(reader: RunReader, step: int) -> tuple[TokenTable, list[Sample]] | None:
    """A step's tokens and samples; None without stored tokens. Raises `StoreError` if samples are missing."""
    tokens, samples = reader.tokens(step), reader.samples(step)
    if tokens is None:
        return None
    if set(tokens.sample.tolist()) - {one.index for one in samples}:
        raise StoreError(
            f"step {step} of {reader.folder.name}: some of its samples are missing; choose another step or "
            "run"
        )
    return tokens, samples
