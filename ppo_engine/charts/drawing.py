"""What all charts share: colours, curves, bands and event markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..metrics import METRICS
from .series import Spec, present, scatter
from .timeline import TimelineEntry, markers

POLICY, REFERENCE, VALUE, KL, CLIP = "#0072B2", "#8c8c8c", "#009E73", "#E69F00", "#CC79A7"
"""One colour per quantity: policy and score, reference and earlier runs, values and returns, KL, clips."""

_GHOST = ", previous run"
"""Suffix of the names of an earlier run's curves."""


@dataclass(frozen=True)
class Chart:
    """A figure, its headline, and the metrics whose definitions it shows. spec: {"data": [...], "layout":
    {...}} in plain JSON types, as plotly.js takes it.
    """

    key: str
    title: str
    metrics: tuple[str, ...]
    spec: Spec

    @cached_property
    def figure(self) -> go.Figure:
        """The same as a plotly figure, validated by plotly."""
        return go.Figure(self.spec)


class Drawing:
    """Makes the traces of a run and of an earlier one, and the event markers."""

    def __init__(
        self, metrics: pd.DataFrame, earlier: pd.DataFrame | None, history: Sequence[TimelineEntry]
    ) -> None:
        self.metrics = metrics
        self.earlier = earlier
        self.marks, self.words = markers(history, REFERENCE)
        # The axes are the run's own: what the earlier one has beyond them is cut off, until there is nothing
        # else to show.
        frames = [frame for frame in (metrics, earlier) if frame is not None and len(frame)][:1]
        longest = max([11, *(int(frame["step"].iloc[-1]) + 1 for frame in frames)])
        self.steps_shown = [-0.02 * longest, 1.02 * (longest - 1)]

    def figure(
        self, *traces: Spec, shapes: Sequence[Spec] = (), y: Spec | None = None, y2: Spec | None = None
    ) -> Spec:
        layout = {
            "hovermode": "x unified",
            "uirevision": "kept",
            "showlegend": True,
            "height": 240,
            "margin": {"l": 44, "r": 12, "t": 28, "b": 34},
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1,
                "yanchor": "bottom",
                "font": {"size": 11},
                "traceorder": "normal",
                "itemwidth": 30,
            },
            "xaxis": {"title": {"text": "step", "standoff": 4}, "range": self.steps_shown, "zeroline": False},
            "yaxis": {"zeroline": False, "automargin": True, **_own_range(traces, "y"), **(y or {})},
            "shapes": [*shapes, *self.marks],
            "annotations": self.words,
        }
        if y2:
            own = _own_range(traces, "y2")
            layout["yaxis2"] = {
                "overlaying": "y",
                "side": "right",
                "showgrid": False,
                "zeroline": False,
                "automargin": True,
                **own,
                **y2,
            }
        return {"data": list(traces), "layout": layout}

    def line(
        self, metric: str, label: str, colour: str, dash: str = "solid", width: float = 2, **more: Any
    ) -> list[Spec]:
        """The metric's curve, with the earlier run's behind it."""
        curve = scatter(
            *present(self.metrics, metric),
            name=label,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            **more,
        )
        if self.earlier is None:
            return [curve]
        ghost = scatter(
            *present(self.earlier, metric),
            name=f"{label}{_GHOST}",
            mode="lines",
            opacity=0.45,
            showlegend=False,
            line={"color": REFERENCE, "dash": dash, "width": 1.5},
            **more,
        )
        return [ghost, curve]

    def last(self, metric: str) -> float:
        """The newest value of a metric; NaN if it has none."""
        values = present(self.metrics, metric)[1]
        return float(values[-1]) if len(values) else float("nan")


def _own_range(traces: Sequence[Spec], axis: str) -> Spec:
    """Fits the axis to the run's own curves when an earlier run is shown too."""
    here = [trace for trace in traces if trace.get("yaxis", "y") == axis and not trace.get("stackgroup")]
    own = [trace for trace in here if not trace["name"].endswith(_GHOST)]
    ends = [float(end) for trace in own for end in _ends(trace)]
    if len(own) == len(here) or not ends:
        return {}
    low, high = min(ends), max(ends)
    spare = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return {"autorangeoptions": {"clipmin": low - spare, "clipmax": high + spare}}


def _ends(trace: Spec) -> list[float]:
    """Minimum and maximum of what a curve draws, error bars included."""
    y = np.array(trace["y"], float)
    bars = np.array(trace["error_y"]["array"], float) if "error_y" in trace else np.zeros_like(y)
    return [float((y - bars).min()), float((y + bars).max())] if len(y) else []


def healthy(metric: str, colour: str) -> list[Spec]:
    """The metric's healthy range as a faint band, from 0 if it has no lower end; none without an upper."""
    low, high = METRICS[metric].low, METRICS[metric].high
    return [] if high is None else [band(low or 0.0, high, colour, 0.08)]


def band(low: float, high: float, colour: str, opacity: float) -> Spec:
    return {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": low,
        "y1": high,
        "fillcolor": colour,
        "opacity": opacity,
        "line": {"width": 0},
        "layer": "below",
    }
