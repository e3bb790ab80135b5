"""The runs of this server's folder: which there are, and how each stands."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ppo_engine import session
from ppo_engine.builtin import ASSETS
from ppo_engine.errors import StoreError
from ppo_engine.store import RunInfo, RunReader, list_runs
from ppo_engine.store.catalog import glance
from ppo_engine.store.checkpoint_files import list_checkpoints

TAKEN_UP = ("stopped", "failed", "interrupted")
"""States from which a run can be resumed."""

EXAMPLE = ASSETS / "example"
"""A recorded run, shown before the first."""


def runs_folder() -> Path:
    """Where this server keeps its runs: $PPO_LIVE_RUNS, else runs/ where it was started."""
    return Path(os.environ.get("PPO_LIVE_RUNS", "runs")).expanduser().resolve()


def newest_run() -> Path | None:
    """The newest run that can be read; None before the first."""
    return next((run for run in list_runs(runs_folder()) if not why_unreadable(run)), None)


def why_unreadable(run: Path) -> str:
    """Why a run cannot be read; "" where it can."""
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


def earlier_run(run: Path) -> Path | None:
    """The newest earlier run of the same reward that has a step: the ghost behind the curves."""
    older = [other for other in list_runs(runs_folder()) if other.name < run.name]
    reward = info_of(run).config.reward
    return next((other for other in older if _has_trained(other, reward)), None)


def _has_trained(run: Path, reward: str) -> bool:
    try:
        one = glance(run)
        return one.steps > 0 and one.reward == reward
    except StoreError:
        return False
