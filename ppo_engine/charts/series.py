"""A run's metrics as series fit for a screen: selected, thinned, rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..metrics import METRICS
from ..store import StepRow

Spec = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]

MOST_POINTS = 1000
"""A curve with more points is thinned to about this many, the extremes of each stretch kept."""


def metrics_frame(rows: Sequence[StepRow]) -> pd.DataFrame:
    """A row per step: `step`, `wall_time` and a column per metric, NaN where a step lacks it."""
    return pd.DataFrame(
        [{"step": row.step, "wall_time": row.wall_time, **row.metrics} for row in rows],
        columns=["step", "wall_time", *METRICS],
    )


def scatter(steps: Array, values: Array, **more: Any) -> Spec:
    """A scatter trace, thinned and rounded to screen resolution."""
    steps, values = thinned(steps, values)
    return {
        "type": "scatter",
        "x": steps.tolist(),
        "y": shortened(values),
        "hovertemplate": "%{y:.3~g}",
        **more,
    }


def shortened(values: Array, digits: int = 5) -> list[float]:
    """Floats rounded to that many significant digits, for short JSON."""
    with np.errstate(divide="ignore"):
        sizes = np.floor(np.log10(np.abs(values)))
    scale = 10.0 ** (digits - 1 - np.where(np.isfinite(sizes), sizes, 0))
    rounded: list[float] = (np.round(values * scale) / scale).tolist()
    return rounded


def shortened_or_none(values: Array, digits: int = 5) -> list[float | None]:
    """The same with None for NaN, which JSON lacks."""
    return [None if x != x else x for x in shortened(values.astype(float), digits)]


def present(frame: pd.DataFrame, name: str) -> tuple[Array, Array]:
    """A metric as (steps, values), finite values only."""
    values = frame[name].to_numpy(dtype=float)
    there = np.isfinite(values)
    return frame["step"].to_numpy()[there], values[there]


def together(frame: pd.DataFrame, *names: str) -> tuple[Array, ...]:
    """Metrics as (steps, values, values ...), at the steps where all are finite."""
    columns = frame[list(names)].to_numpy(dtype=float)
    there = np.isfinite(columns).all(1)
    return frame["step"].to_numpy()[there], *columns[there].T


def thinned(steps: Array, values: Array, limit: int = MOST_POINTS) -> tuple[Array, Array]:
    """At most about `limit` points: the ends, and the extremes of each stretch, so that no peak is lost."""
    if len(steps) <= limit:
        return steps, values
    stretches = np.array_split(np.arange(len(steps)), limit // 2)
    kept = {0, len(steps) - 1}
    for stretch in stretches:
        kept |= {stretch[0] + int(values[stretch].argmin()), stretch[0] + int(values[stretch].argmax())}
    order = np.array(sorted(kept))
    return steps[order], values[order]
