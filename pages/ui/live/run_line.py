"""The top line: the run, its state, progress, time left, and device."""

from __future__ import annotations

import statistics
from itertools import pairwise

from ppo_engine.formatting import duration, gigabytes
from ppo_engine.store import RunInfo, StepRow

from ..payloads.common import RunLine, TopPayload


def top_payload(info: RunInfo | None, rows: list[StepRow], example: bool = False) -> TopPayload:
    """The top line alone."""
    return {"only": "top", "run": run_line(info, rows, example)}


def run_line(info: RunInfo | None, rows: list[StepRow], example: bool) -> RunLine:
    if info is None:
        return {
            "id": "",
            "name": "ppo-live",
            "preset": "",
            "state": "no run yet",
            "step": "",
            "share": 0,
            "left": "",
            "machine": "",
            "example": True,
        }
    done, steps = max(0, info.last_step, info.parent_step or 0), info.config.steps
    pace = _seconds_per_step(rows)
    left = f"{duration((steps - done) * pace)} left" if info.alive and done and pace == pace else ""
    machine = ", ".join(
        part for part in (info.device, gigabytes(info.memory_bytes) if info.memory_bytes else "") if part
    )
    state = (
        "example"
        if example
        else f"loading: {info.stage.removeprefix('loading ')}"
        if info.state == "loading"
        else info.state
    )
    return {
        "id": info.id,
        "name": info.name,
        "preset": info.preset,
        "state": state,
        "step": f"step {done} of {steps}",
        "share": done / steps,
        "left": left,
        "machine": machine,
        "example": example,
    }


def _seconds_per_step(rows: list[StepRow]) -> float:
    """Median wall-clock time of recent steps; waits for the chosen speed count, a single pause doesn't."""
    recent = [row.wall_time for row in rows[-6:]]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(recent)]
    return statistics.median(gaps) if gaps else float("nan")
