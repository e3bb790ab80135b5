"""A run's metrics as series fit for a screen: selected, thinned, rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..metrics import METRICS
from ..store import StepRow

Spec = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]
Frame = Mapping[str, Any]
"""A run's metrics, a row a step: `step` and a column per metric, NaN where a step lacks it. A pandas data
frame, or arrays by name.
"""

MOST_POINTS = 1000
"""A curve with more points is thinned to about this many, the extremes of each stretch kept."""


def metrics_frame(rows: Sequence[StepRow]) -> pd.DataFrame:
    """A row per step: `step`, `wall_time` and a column per metric, NaN where a step lacks it."""
    return pd.DataFrame(
        [{"step": row.step, "wall_time": row.wall_time, **row.metrics} for row in rows],
        columns=["step", "wall_time", *METRICS],
    )


@dataclass(frozen=True)
class Source:
    """What a curve shows: the metric y, or y + times · plus. error: the metric of its error bars; missing:
    what counts where a step lacks y, None to leave the step out; first: its first step.
    """

    y: str
    plus: str | None = None
    times: float = 1.0
    error: str | None = None
    missing: float | None = None
    first: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(name for name in (self.y, self.plus, self.error) if name)

    def as_data(self) -> Spec:
        """As the browser gets it, which computes new points by itself."""
        return {
            name: value for name, value in asdict(self).items() if value is not None and value != _PLAIN[name]
        }

    def points(self, frame: Frame) -> tuple[Array, Array, Array | None]:
        """Steps, values and error bars, at the steps where all are finite."""
        steps, y = np.asarray(frame["step"]), np.asarray(frame[self.y], float)
        if self.missing is not None:
            y = np.where(np.isnan(y), self.missing, y)
        if self.plus is not None:
            y = y + self.times * np.asarray(frame[self.plus], float)
        there = np.isfinite(y) & (steps >= self.first)
        if self.error is None:
            return steps[there], y[there], None
        error = np.asarray(frame[self.error], float)
        there &= np.isfinite(error)
        return steps[there], y[there], error[there]

    def drawn(self, frame: Frame, limit: int = MOST_POINTS) -> Spec:
        """The same thinned and rounded, as plotly takes it."""
        steps, y, error = self.points(frame)
        kept = thinning(y, limit)
        shown: Spec = {"x": steps[kept].astype(int).tolist(), "y": shortened(y[kept])}
        return shown if error is None else {**shown, "error": shortened(error[kept])}

    def ends(self, frame: Frame) -> tuple[float, float] | None:
        """Minimum and maximum of what is drawn, error bars included; None where nothing is."""
        _, y, error = self.points(frame)
        bars = np.zeros_like(y) if error is None else error
        return (float((y - bars).min()), float((y + bars).max())) if len(y) else None


_PLAIN = asdict(Source(""))


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


def present(frame: Frame, name: str) -> tuple[Array, Array]:
    """A metric as (steps, values), finite values only."""
    steps, values, _ = Source(name).points(frame)
    return steps, values


def together(frame: Frame, *names: str) -> tuple[Array, ...]:
    """Metrics as (steps, values, values ...), at the steps where all are finite."""
    columns = np.stack([np.asarray(frame[name], float) for name in names])
    there = np.isfinite(columns).all(0)
    return np.asarray(frame["step"])[there], *columns[:, there]


def thinning(values: Array, limit: int = MOST_POINTS) -> Array:
    """Indices of at most about `limit` values: the ends, and the extremes of each stretch, so that no peak is
    lost.
    """
    count = len(values)
    if count <= limit:
        return np.arange(count)
    stretches = max(1, limit // 2 - 1)
    long = count // stretches
    whole = values[: long * stretches].reshape(stretches, long)
    begins = long * np.arange(stretches)
    rest = values[long * stretches :]
    ends = [0, count - 1]
    if len(rest):
        ends += [count - len(rest) + int(rest.argmin()), count - len(rest) + int(rest.argmax())]
    return np.unique(np.concatenate([begins + whole.argmin(1), begins + whole.argmax(1), ends]))
