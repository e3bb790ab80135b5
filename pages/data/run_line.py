"""The top line: the run, its state, progress, time left, and device."""

from __future__ import annotations

import numpy as np

from ppo_engine.formatting import duration, gigabytes
from ppo_engine.records import Array
from ppo_engine.store import RunInfo

from .payloads.common import RunLine


def run_line(info: RunInfo | None, recent: Array, example: bool) -> RunLine:
    """recent: seconds since 1970 at the ends of the newest steps."""
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
    pace = _seconds_per_step(recent)
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


def _seconds_per_step(recent: Array) -> float:
    """Median wall-clock time of recent steps; waits for the chosen speed count, a single pause doesn't."""
    return float(np.median(np.diff(recent))) if len(recent) > 1 else float("nan")
