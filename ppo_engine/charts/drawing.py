"""What all charts share: colours, curves, bands and event markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..metrics import METRICS
from .series import MOST_POINTS, Frame, Source, Spec, present
from .timeline import TimelineEntry, markers

POLICY, REFERENCE, VALUE, KL, CLIP = "#0072B2", "#8c8c8c", "#009E73", "#E69F00", "#CC79A7"
"""One colour per quantity: policy and score, reference and earlier runs, values and returns, KL, clips."""

_GHOST = ", previous run"
"""Suffix of the names of an earlier run's curves."""


@dataclass(frozen=True)
class Chart:
    """A figure, its headline, and the metrics whose definitions it shows.

    traces: plotly's, without their numbers; sources: what each shows; layout: plotly's, without the ranges of
    its axes; ranges: those, by axis, as plotly takes them; frames: a trace's numbers; ghosts: whether they
    are an earlier run's.
    """

    key: str
    title: str
    metrics: tuple[str, ...]
    traces: tuple[Spec, ...]
    sources: tuple[Source, ...]
    layout: Spec
    ranges: dict[str, Spec]
    frames: tuple[Frame, ...]
    ghosts: tuple[bool, ...]

    def numbers(self, limit: int = MOST_POINTS) -> list[Spec]:
        """Each trace's points: {"x": [...], "y": [...]}, and "error" where it has bars."""
        pairs = zip(self.sources, self.frames, strict=True)
        return [source.drawn(frame, limit) for source, frame in pairs]

    @property
    def used(self) -> set[str]:
        """The metrics that it draws or defines."""
        return {name for source in self.sources for name in source.metrics} | set(self.metrics)

    @property
    def spec(self) -> Spec:
        """{"data": [...], "layout": {...}} in plain JSON types, as plotly.js takes it."""
        layout = {**self.layout, **{axis: {**self.layout[axis], **own} for axis, own in self.ranges.items()}}
        pairs = zip(self.traces, self.numbers(), strict=True)
        return {"data": [with_numbers(trace, numbers) for trace, numbers in pairs], "layout": layout}

    @cached_property
    def figure(self) -> go.Figure:
        """The same as a plotly figure, validated by plotly."""
        return go.Figure(self.spec)


def with_numbers(trace: Spec, numbers: Spec) -> Spec:
    """The trace with its points."""
    if "error" not in numbers:
        return {**trace, "x": numbers["x"], "y": numbers["y"]}
    bars = {**trace["error_y"], "array": numbers["error"]}
    return {**trace, "x": numbers["x"], "y": numbers["y"], "error_y": bars}


@dataclass(frozen=True)
class Curve:
    """A trace without its numbers, and where they come from."""

    trace: Spec
    source: Source
    is_ghost: bool = False


class Drawing:
    """Makes the curves of a run and of an earlier one, and the event markers."""

    def __init__(self, metrics: Frame, earlier: Frame | None, history: Sequence[TimelineEntry]) -> None:
        self.metrics = metrics
        self.earlier = earlier
        self.marks, self.words = markers(history, REFERENCE)
        # The axes are the run's own: what the earlier one has beyond them is cut off, until there is nothing
        # else to show.
        lengths = [np.asarray(frame["step"]) for frame in (metrics, earlier) if frame is not None]
        longest = max([11, *[int(steps[-1]) + 1 for steps in lengths if len(steps)][:1]])
        self.steps_shown = [-0.02 * longest, 1.02 * (longest - 1)]

    def chart(
        self,
        key: str,
        title: str,
        metrics: tuple[str, ...],
        curves: Sequence[Curve],
        shapes: Sequence[Spec] = (),
        y: Spec | None = None,
        y2: Spec | None = None,
    ) -> Chart:
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
            "xaxis": {"title": {"text": "step", "standoff": 4}, "zeroline": False},
            "yaxis": {"zeroline": False, "automargin": True, **(y or {})},
            "shapes": [*shapes, *self.marks],
            "annotations": self.words,
        }
        if y2:
            plain = {"overlaying": "y", "side": "right", "showgrid": False, "zeroline": False}
            layout["yaxis2"] = {**plain, "automargin": True, **y2}
        ranges = {"xaxis": {"range": self.steps_shown}, "yaxis": self._own_range(curves, "y")}
        if y2:
            ranges["yaxis2"] = self._own_range(curves, "y2")
        return Chart(
            key,
            title,
            metrics,
            tuple(curve.trace for curve in curves),
            tuple(curve.source for curve in curves),
            layout,
            {axis: own for axis, own in ranges.items() if own},
            tuple(self._frame(curve) for curve in curves),
            tuple(curve.is_ghost for curve in curves),
        )

    def _frame(self, curve: Curve) -> Frame:
        return self.earlier if curve.is_ghost and self.earlier is not None else self.metrics

    def line(
        self, metric: str, label: str, colour: str, dash: str = "solid", width: float = 2, **more: Any
    ) -> list[Curve]:
        """The metric's curve, with the earlier run's behind it."""
        style = {"color": colour, "dash": dash, "width": width}
        own = curve(Source(metric), name=label, mode="lines", line=style, **more)
        if self.earlier is None:
            return [own]
        style = {"color": REFERENCE, "dash": dash, "width": 1.5}
        trace = {"opacity": 0.45, "showlegend": False, "line": style, **more}
        ghost = curve(Source(metric), name=f"{label}{_GHOST}", mode="lines", **trace)
        return [replace(ghost, is_ghost=True), own]

    def last(self, metric: str) -> float:
        """The newest value of a metric; NaN if it has none."""
        values = present(self.metrics, metric)[1]
        return float(values[-1]) if len(values) else float("nan")

    def _own_range(self, curves: Sequence[Curve], axis: str) -> Spec:
        """Fits the axis to the run's own curves when an earlier run is shown too."""
        here = [
            one for one in curves if one.trace.get("yaxis", "y") == axis and not one.trace.get("stackgroup")
        ]
        own = [found for one in here if not one.is_ghost and (found := one.source.ends(self.metrics))]
        if not any(one.is_ghost for one in here) or not own:
            return {}
        low, high = min(low for low, _ in own), max(high for _, high in own)
        spare = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
        return {"autorangeoptions": {"clipmin": low - spare, "clipmax": high + spare}}


def curve(source: Source, **trace: Any) -> Curve:
    """A curve of that source, drawn as plotly's trace says."""
    return Curve({"type": "scatter", "hovertemplate": "%{y:.3~g}", **trace}, source)


def ribbon(name: str, y: str, plus: str, times: float) -> list[Curve]:
    """A band around a metric: y ± times · plus, two curves and what lies between them."""
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "hovertemplate": None}
    below = curve(Source(y, plus, -times), showlegend=False, name=f"{name}, lower end", **edge)
    filled = {"fill": "tonexty", "fillcolor": "rgba(0,114,178,0.15)"}
    return [below, curve(Source(y, plus, times), name=name, **filled, **edge)]


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
