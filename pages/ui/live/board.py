"""The live board's payload, part by part; static/live draws it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import cast

from ppo_engine.charts.live import live_charts
from ppo_engine.charts.timeline import TimelineEntry
from ppo_engine.metrics import METRICS
from ppo_engine.store import RunInfo
from ppo_engine.store.checkpoint_files import list_checkpoints

from ..payloads.live import Batch, Chart, ChartSpec, HistoryList, LivePayload, Pairs
from ..run_view import ancestry, view_of
from .batch import batch_payload
from .headline import headline
from .held_out import pinned_prompts, then_and_now
from .notice import notice
from .run_line import run_line


def board_payload(
    folder: Path,
    info: RunInfo,
    earlier: Path | None,
    pinned: tuple[int, int] | None,
    example: bool,
    prompt: int = 0,
    problem: str = "",
) -> LivePayload:
    """Everything the live page shows of a run. pinned: the chosen step and sample, -1 for no sample, None to
    follow the newest step; prompt: the pinned prompt whose continuations are listed; problem: why the last
    command was refused.
    """
    view = view_of(folder)
    rows, frame = view.refresh()
    step, sample = pinned or (info.last_step, -1)
    history = view.history()
    charts, pairs, batch, kept = _slow_parts(folder, earlier, len(rows), len(history), step)
    return {
        "run": run_line(info, rows, example),
        "notice": notice(folder, info, frame, example),
        "headline": headline(frame, info),
        "charts": charts,
        "pairs": pairs,
        "prompts": pinned_prompts(folder, len(rows), len(history), prompt),
        "history": {**_history(info, history, kept, example), "problem": problem},
        "batch": (
            None
            if batch is None
            else {**batch, "pinned": None if pinned is None else {"step": batch["step"], "sample": sample}}
        ),
    }


@lru_cache(maxsize=32)
def _slow_parts(
    folder: Path, earlier: Path | None, _rows: int, _events: int, step: int
) -> tuple[list[Chart], Pairs, Batch | None, set[int]]:
    """What changes only with a step or an event, computed once for all viewers."""
    view = view_of(folder)
    frame, info = view.refresh()[1], view.reader.info()
    ghost = ancestry(info)
    if ghost is None and earlier:
        ghost = view_of(earlier).refresh()[1]
    charts: list[Chart] = [
        {
            "key": chart.key,
            "title": chart.title,
            "spec": cast(ChartSpec, chart.spec),
            "about": "\n\n".join(METRICS[name].tooltip for name in chart.metrics),
        }
        for chart in live_charts(frame, info.config, ghost, view.history())
    ]
    return (
        charts,
        then_and_now(view),
        batch_payload(view, step),
        {one.step for one in list_checkpoints(folder)},
    )


def _history(info: RunInfo, told: list[TimelineEntry], kept: set[int], example: bool) -> HistoryList:
    """The timeline, newest first, with what can be undone. kept: the steps whose checkpoints still exist."""

    def text(one: TimelineEntry) -> str:
        gone = one.kind == "checkpoint" and one.step not in kept and not example
        return f"{one.text} Deleted since, to save disk space." if gone else one.text

    return {
        "title": "History: edits, pauses, notes, checkpoints",
        "step": max(0, info.last_step),
        "writable": not example,
        "items": [
            {
                "number": one.number,
                "step": one.step,
                "kind": one.kind,
                "text": text(one),
                "undo": bool(one.undo and info.alive),
            }
            for one in reversed(told)
        ],
    }
