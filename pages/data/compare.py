"""Runs side by side: settings that differ, curves of any metric, the same held-out openings."""

from __future__ import annotations

from typing import Any

from ppo_engine.charts.series import Source
from ppo_engine.metrics import METRICS
from ppo_engine.store import RunReader
from ppo_engine.store.catalog import differences, same_prompts

from .answers import RefusedError
from .asked import FOLDER, Asked

MOST_RUNS = 20
MOST_METRICS = 20
_DEFAULT = "eval/reward_mean,env/reward_mean,objective/kl"


def compared(asked: Asked) -> dict[str, Any]:
    """runs, metrics: ids and names with commas between; points: of a curve, at most about."""
    ids = list(dict.fromkeys(filter(None, asked.word("runs").split(","))))
    names = list(dict.fromkeys(asked.word("metrics", _DEFAULT).split(",")))
    if not 1 <= len(ids) <= MOST_RUNS:
        raise RefusedError(400, f"runs = {asked.word('runs')[:60]}: must be 1 to {MOST_RUNS} run ids")
    if len(names) > MOST_METRICS:
        raise RefusedError(400, f"metrics: must be {MOST_METRICS} at most")
    for name in names:
        if name not in METRICS:
            raise RefusedError(400, f"metrics = {name[:60]}: no such metric; the Metrics page lists all")
    folders = [FOLDER.find(run) for run in ids]
    points = min(max(2, asked.whole("points", 1000)), 4000)
    return {
        "runs": ids,
        "settings": differences(folders),
        "curves": {
            name: [Source(name).drawn(RunReader(folder).columns([name]), points) for folder in folders]
            for name in names
        },
        "openings": same_prompts(folders).to_dict("list"),
    }
