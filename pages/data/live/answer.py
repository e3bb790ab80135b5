"""What the Live page shows of a run: what is new at every step, and parts that change now and then.

A part is sent where the browser's key of it is not the newest.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from ppo_engine.charts.drawing import Chart
from ppo_engine.charts.live import live_charts
from ppo_engine.charts.series import Frame, shortened_or_none
from ppo_engine.charts.timeline import TimelineEntry
from ppo_engine.metrics import METRICS
from ppo_engine.records import EVAL
from ppo_engine.store import RunInfo, list_runs
from ppo_engine.store.checkpoint_files import list_checkpoints

from ..asked import Asked
from ..folder import EXAMPLE, earlier_run, info_of, runs_folder
from ..payloads.live import ChartPart, Curve, Curves, HistoryList, LiveAnswer, LivePart, PartName, Source
from ..run_line import run_line
from ..view import ancestry, view_of
from .headline import headline
from .held_out import then_and_now
from .notice import notice

_MOST_ROWS = 200
"""New steps that are sent one by one; a browser that lacks more asks for the curves anew."""
_MOST_ITEMS = 200
"""Lines of the history: the newest."""
POINTS = 240
"""Of a curve, unless the browser asks for more."""
_MOST_POINTS = 4000


def live(asked: Asked) -> LiveAnswer:
    """after: the newest step that the browser has; have: its keys of the parts, with dots between."""
    folder, info = asked.folder, info_of(asked.folder)
    view = view_of(folder)
    frame, history = view.refresh(), view.history()
    charts = _charts(folder, info, frame, history)
    names = _names(charts)
    parts: dict[str, Any] = {
        "charts": {"charts": [_part(chart) for chart in charts], "names": names},
        "history": _history(folder, info, history),
        "pairs": then_and_now(view),
    }
    keys = {cast(PartName, name): _key(part) for name, part in parts.items()}
    held = asked.word("have").split(".")
    steps, evaluated = view.reader.steps_with_tokens(), view.reader.steps_with_samples(EVAL)
    return {
        "run": run_line(info, view.recent, folder == EXAMPLE),
        "step": info.last_step,
        "notice": notice(folder, info, frame, folder == EXAMPLE),
        "headline": headline(frame, info),
        "now": [{"title": chart.title, "ranges": chart.ranges} for chart in charts],
        "rows": _rows(frame, names, asked.whole("after", -1, least=-1)),
        "keys": keys,
        "parts": cast(LivePart, {name: parts[name] for name, key in keys.items() if key not in held}),
        "evaluated": evaluated[-1] if evaluated else None,
        "kept": steps[-1] if steps else None,
    }


def curves(asked: Asked) -> Curves:
    """The charts' points between two steps, thinned to about so many a curve."""
    folder, info = asked.folder, info_of(asked.folder)
    frame = view_of(folder).refresh()
    first, last = asked.whole("from", 0), asked.whole("to", 10**9)
    points = min(max(2, asked.whole("points", POINTS)), _MOST_POINTS)
    charts = _charts(folder, info, _between(frame, first, last), (), (first, last))
    return {
        "upto": int(frame["step"][-1]) if len(frame["step"]) else -1,
        "charts": [[cast(Curve, numbers) for numbers in chart.numbers(points)] for chart in charts],
    }


def _charts(
    folder: Path,
    info: RunInfo,
    frame: Frame,
    history: list[TimelineEntry] | tuple[()],
    within: tuple[int, int] | None = None,
) -> list[Chart]:
    ghost = ancestry(info)
    if ghost is None and (earlier := _ghost_of(folder)) is not None:
        ghost = view_of(earlier).refresh()
    if ghost is not None and within is not None:
        ghost = _between(ghost, *within)
    return live_charts(frame, info.config, ghost, history)


def _ghost_of(folder: Path) -> Path | None:
    if folder == EXAMPLE:
        return None
    return _earlier(folder, tuple(run.name for run in list_runs(runs_folder())))


@lru_cache(maxsize=32)
def _earlier(folder: Path, _names: tuple[str, ...]) -> Path | None:
    """Looked for once, until other runs are there."""
    return earlier_run(folder)


def _between(frame: Frame, first: int, last: int) -> Frame:
    begin, end = np.searchsorted(frame["step"], [first, last + 1])
    return {name: column[begin:end] for name, column in frame.items()}


def _names(charts: list[Chart]) -> list[str]:
    """The metrics that the run's own curves are drawn from."""
    return sorted({name for chart in charts for source in chart.sources for name in source.metrics})


def _part(chart: Chart) -> ChartPart:
    return {
        "key": chart.key,
        "about": "\n\n".join(METRICS[name].tooltip for name in chart.metrics),
        "traces": list(chart.traces),
        "sources": [
            None if is_ghost else cast(Source, source.as_data())
            for source, is_ghost in zip(chart.sources, chart.ghosts, strict=True)
        ],
        "layout": chart.layout,
    }


def _rows(frame: Frame, names: list[str], after: int) -> list[list[float | None]] | None:
    """The later steps: the step, then a number per name; None where they are too many."""
    begin = int(np.searchsorted(frame["step"], after + 1))
    steps = frame["step"][begin:].tolist()
    if len(steps) > _MOST_ROWS:
        return None
    columns = [shortened_or_none(np.asarray(frame[name][begin:], float)) for name in names]
    return [[step, *row] for step, *row in zip(steps, *columns, strict=True)]


def _history(folder: Path, info: RunInfo, told: list[TimelineEntry]) -> HistoryList:
    """The newest lines of the timeline, newest first, with what can be undone."""
    kept = {one.step for one in list_checkpoints(folder)}
    example = folder == EXAMPLE

    def text(one: TimelineEntry) -> str:
        gone = one.kind == "checkpoint" and one.step not in kept and not example
        return f"{one.text} Deleted since, to save disk space." if gone else one.text

    return {
        "title": "History: edits, pauses, notes, checkpoints",
        "writable": not example,
        "earlier": max(0, len(told) - _MOST_ITEMS),
        "items": [
            {
                "number": one.number,
                "step": one.step,
                "kind": one.kind,
                "text": text(one),
                "undo": bool(one.undo and info.alive),
            }
            for one in reversed(told[-_MOST_ITEMS:])
        ],
    }


def _key(part: Any) -> str:
    return hashlib.blake2b(json.dumps(part).encode(), digest_size=6).hexdigest()
