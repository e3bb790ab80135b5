"""A run's head: how it stands, and the events and metrics after a cursor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ppo_engine.charts.series import shortened_or_none
from ppo_engine.metrics import METRICS

from .asked import Asked
from .folder import EXAMPLE, info_of
from .payloads.common import LineAnswer
from .run_line import run_line
from .view import view_of

MOST_STEPS = 1000
"""Of one answer; a client that lacks more asks again."""
MOST_EVENTS = 1000
_DIGITS = 7


def head(asked: Asked) -> dict[str, Any]:
    """after: the newest step that the client has; events: the number of its newest event."""
    info, view = info_of(asked.folder), view_of(asked.folder)
    columns = view.reader.columns(list(METRICS), asked.whole("after", -1, least=-1))
    entries = [one for one in view.history() if one.number > asked.whole("events", 0)]
    return {
        "run": info.id,
        "name": info.name,
        "preset": info.preset,
        "state": info.state,
        "stage": info.stage if info.state == "loading" else "",
        "step": info.last_step,
        "steps": info.config.steps,
        "error": info.error,
        "config": info.config.model_dump(),
        "metrics": {
            name: _listed(name, column[:MOST_STEPS])
            for name, column in columns.items()
            if name == "step" or np.isfinite(column[:MOST_STEPS]).any()
        },
        "events": [
            {name: value for name, value in asdict(one).items() if name not in ("word", "undo")}
            for one in entries[:MOST_EVENTS]
        ],
        "more": len(columns["step"]) > MOST_STEPS or len(entries) > MOST_EVENTS,
    }


def line(asked: Asked) -> LineAnswer:
    """The top line of every page."""
    info, view = info_of(asked.folder), view_of(asked.folder)
    view.refresh()
    return {
        "run": run_line(info, view.recent, asked.folder == EXAMPLE),
        "step": info.last_step,
        "parent_step": info.parent_step,
    }


def _listed(name: str, column: Any) -> list[Any]:
    if name in ("step", "wall_time"):
        listed: list[Any] = column.tolist()
        return listed
    return shortened_or_none(column, _DIGITS)
