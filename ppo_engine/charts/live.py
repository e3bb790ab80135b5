"""Charts: a run's metrics in, plotly figures out. Usable from a notebook:

    from ppo_engine import RunReader
    from ppo_engine.charts import live_charts, metrics_frame

    for chart in live_charts(metrics_frame(RunReader("runs/...").steps())):
        chart.figure.show()

A chart is kept as the plain description that plotly.js draws (`Chart.spec`): making a `go.Figure`, which
checks every property, takes forty times as long, too long for a page that draws nine of them at every step.
Background, font and grid colours are left unset, so that a page or a plotly template can fill them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..config import Config
from ..formatting import percent, signed, three_digits
from ..metrics import METRICS
from ..rewards import reward_words
from ..store import StepRow
from .timeline import TimelineEntry, markers

Spec = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]

POLICY, REFERENCE, VALUE, KL, CLIP = "#0072B2", "#8c8c8c", "#009E73", "#E69F00", "#CC79A7"
"""One colour a quantity, everywhere: policy and score, reference and earlier runs, values and returns, KL,
clips.
"""

MOST_POINTS = 1000
"""A curve with more points is thinned to about this many, the extremes of each stretch kept."""

_GHOST = ", run before"
"""How the name of an earlier run's curve ends."""

_NORMAL_95 = 1.96
"""Standard errors to either side of a mean that hold it in 95 of 100 cases."""

_PHASES = ("time/sample", "time/score", "time/reference", "time/update", "time/record", "time/evaluate")
_PHASE_COLOURS = (POLICY, VALUE, REFERENCE, KL, CLIP, "#56B4E9")


@dataclass(frozen=True)
class Chart:
    """A figure, the statement above it, and the metrics whose definitions belong to it.

    spec: {"data": [...], "layout": {...}} of JSON's types alone, as plotly.js takes it.
    """

    key: str
    title: str
    metrics: tuple[str, ...]
    spec: Spec

    @cached_property
    def figure(self) -> go.Figure:
        """The same as a plotly figure, checked by plotly."""
        return go.Figure(self.spec)


def metrics_frame(rows: Sequence[StepRow]) -> pd.DataFrame:
    """A row a step, `step` and `wall_time` first, and a column for every metric there is; NaN where a step
    lacks one.
    """
    return pd.DataFrame(
        [{"step": row.step, "wall_time": row.wall_time, **row.metrics} for row in rows],
        columns=["step", "wall_time", *METRICS],
    )


def live_charts(
    metrics: pd.DataFrame,
    config: Config | None = None,
    earlier: pd.DataFrame | None = None,
    history: Sequence[TimelineEntry] = (),
) -> list[Chart]:
    """Every curve of a run, in the order of the page. earlier: another run's frame, drawn in grey behind;
    history: marked at its steps.
    """
    config = config or Config()
    draw = _Draw(metrics, earlier, history)
    return [
        _score(draw, config),
        _kl(draw, config, history),
        _clips(draw),
        _losses(draw),
        _entropy(draw),
        _explained(draw),
        _values(draw),
        _move(draw, config),
        _times(draw),
        _pinned(draw),
    ]


class _Draw:
    """Makes the traces of one run, of the one before it, and the marks of what happened."""

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
        """The metric's curve, and the earlier run's behind it."""
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
        """The newest value of a metric, NaN before there is one."""
        values = present(self.metrics, metric)[1]
        return float(values[-1]) if len(values) else float("nan")


def _own_range(traces: Sequence[Spec], axis: str) -> Spec:
    """Keeps plotly's own choice of range to the run's own curves; nothing where there is no earlier run's, or
    no own.
    """
    here = [trace for trace in traces if trace.get("yaxis", "y") == axis and not trace.get("stackgroup")]
    own = [trace for trace in here if not trace["name"].endswith(_GHOST)]
    ends = [float(end) for trace in own for end in _ends(trace)]
    if len(own) == len(here) or not ends:
        return {}
    low, high = min(ends), max(ends)
    spare = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return {"autorangeoptions": {"clipmin": low - spare, "clipmax": high + spare}}


def _ends(trace: Spec) -> list[float]:
    """The smallest and the largest of what a curve draws, error bars included."""
    y = np.array(trace["y"], float)
    bars = np.array(trace["error_y"]["array"], float) if "error_y" in trace else np.zeros_like(y)
    return [float((y - bars).min()), float((y + bars).max())] if len(y) else []


def scatter(steps: Array, values: Array, **more: Any) -> Spec:
    """A scatter trace, thinned and shortened to what a screen can show."""
    steps, values = thinned(steps, values)
    return {
        "type": "scatter",
        "x": steps.tolist(),
        "y": shortened(values),
        "hovertemplate": "%{y:.3~g}",
        **more,
    }


def shortened(values: Array, digits: int = 5) -> list[float]:
    """Floats with so many significant digits, which make short JSON."""
    with np.errstate(divide="ignore"):
        sizes = np.floor(np.log10(np.abs(values)))
    scale = 10.0 ** (digits - 1 - np.where(np.isfinite(sizes), sizes, 0))
    rounded: list[float] = (np.round(values * scale) / scale).tolist()
    return rounded


def shortened_or_none(values: Array, digits: int = 5) -> list[float | None]:
    """The same with None, which JSON can say, for NaN."""
    return [None if x != x else x for x in shortened(values.astype(float), digits)]


def present(frame: pd.DataFrame, name: str) -> tuple[Array, Array]:
    """(steps, values) of a metric where it has a finite value."""
    values = frame[name].to_numpy(dtype=float)
    there = np.isfinite(values)
    return frame["step"].to_numpy()[there], values[there]


def together(frame: pd.DataFrame, *names: str) -> tuple[Array, ...]:
    """(steps, values, values ...) of metrics where all of them have finite values: a step may lack one."""
    columns = frame[list(names)].to_numpy(dtype=float)
    there = np.isfinite(columns).all(1)
    return frame["step"].to_numpy()[there], *columns[there].T


def thinned(steps: Array, values: Array, limit: int = MOST_POINTS) -> tuple[Array, Array]:
    """At most about `limit` points: the smallest and the largest of each stretch, so that no peak is lost,
    and the ends.
    """
    if len(steps) <= limit:
        return steps, values
    stretches = np.array_split(np.arange(len(steps)), limit // 2)
    kept = {0, len(steps) - 1}
    for stretch in stretches:
        kept |= {stretch[0] + int(values[stretch].argmin()), stretch[0] + int(values[stretch].argmax())}
    order = np.array(sorted(kept))
    return steps[order], values[order]


def _score(draw: _Draw, config: Config) -> Chart:
    frame, words = draw.metrics, reward_words(config)
    known = words.low is not None and words.high is not None
    y = {"range": [words.low - 0.02, words.high + 0.02]} if known else {}  # type: ignore[operator]
    steps, means, spread = together(frame, "env/reward_mean", "env/reward_std")
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "hovertemplate": None}
    band = [
        scatter(steps, means - spread, showlegend=False, name="one standard deviation below", **edge),
        scatter(
            steps, means + spread, fill="tonexty", fillcolor="rgba(0,114,178,0.15)", name="± 1 SD", **edge
        ),
    ]
    evaluated, held_out_means, margins = together(frame, "eval/reward_mean", "eval/reward_se")
    held_out = scatter(
        evaluated,
        held_out_means,
        name="held out",
        mode="markers",
        error_y={"array": shortened(margins), "thickness": 1, "width": 3},
        marker={"color": POLICY, "size": 8, "symbol": "diamond-open", "line": {"width": 2}},
    )
    title = "The score appears here after the first step"
    if len(means):
        began = f"from {signed(means[0])} at step {steps[0]}"
        title = f"The {words.title[0].lower()}{words.title[1:]} is {signed(means[-1])}, {began}"
    return Chart(
        "score",
        title,
        ("env/reward_mean", "env/reward_std", "eval/reward_mean", "eval/reward_se"),
        draw.figure(*band, *draw.line("env/reward_mean", "mean score", POLICY), held_out, y=y),
    )


def _kl(draw: _Draw, config: Config, history: Sequence[TimelineEntry]) -> Chart:
    coefficient = draw.line("objective/kl_coef", "coefficient (right)", KL, dash="dot", width=1.5, yaxis="y2")
    now, target, shapes = draw.last("objective/kl"), config.target, []
    title = "KL from the reference" if np.isnan(now) else f"KL is {three_digits(now)} nats"
    if config.adap_kl_ctrl:
        shapes = _targets(target, history, draw.steps_shown)
        title += "" if np.isnan(now) else f", {'above' if now > target else 'below'} its target of {target:g}"
    return Chart(
        "kl",
        title,
        ("objective/kl", "objective/kl_coef"),
        draw.figure(
            *draw.line("objective/kl", "KL", KL),
            *coefficient,
            shapes=shapes,
            y={"rangemode": "tozero"},
            y2={"rangemode": "tozero"},
        ),
    )


def _targets(target: float, history: Sequence[TimelineEntry], steps_shown: Sequence[float]) -> list[Spec]:
    """A band around the KL target; where it was edited, a band for each target over the steps for which it
    held.
    """
    edits = [(one.step, one.undo["target"]) for one in history if one.undo and "target" in one.undo]
    if not edits:
        return [_band(0.8 * target, 1.2 * target, KL, 0.12)]
    edges = [steps_shown[0], *(step for step, _ in edits), steps_shown[1]]
    held = [*(before for _, before in edits), target]
    return [
        {**_band(0.8 * value, 1.2 * value, KL, 0.12), "xref": "x", "x0": begun, "x1": ended}
        for value, (begun, ended) in zip(held, pairwise(edges), strict=True)
    ]


def _clips(draw: _Draw) -> Chart:
    policy, value = draw.last("ppo/policy/clipfrac"), draw.last("ppo/val/clipfrac")
    title = "How often the clips bind"
    if not np.isnan(policy):
        title = f"The clips bind at {percent(policy)} of ratios, {percent(value)} of values"
    lines = [
        *draw.line("ppo/policy/clipfrac", "policy", CLIP),
        *draw.line("ppo/policy/clipfrac_after", "policy after", CLIP, dash="dot", width=1.5),
        *draw.line("ppo/val/clipfrac", "value", CLIP, dash="dash", width=1.5),
    ]
    return Chart(
        "clips",
        title,
        ("ppo/policy/clipfrac", "ppo/policy/clipfrac_after", "ppo/val/clipfrac", "ppo/val/clipfrac_after"),
        draw.figure(
            *lines,
            shapes=_healthy("ppo/policy/clipfrac", CLIP),
            y={"rangemode": "tozero", "tickformat": ".0%"},
        ),
    )


def _losses(draw: _Draw) -> Chart:
    now = draw.last("ppo/loss/total")
    lines = [
        *draw.line("ppo/loss/policy", "policy", POLICY),
        *draw.line("ppo/loss/value", "value", VALUE),
        *draw.line("ppo/loss/total", "total", REFERENCE, dash="dot"),
    ]
    return Chart(
        "losses",
        "Losses" if np.isnan(now) else f"The total loss is {signed(now)}",
        ("ppo/loss/policy", "ppo/loss/value", "ppo/loss/total"),
        draw.figure(*lines),
    )


def _entropy(draw: _Draw) -> Chart:
    now, (steps, values) = draw.last("ppo/policy/entropy"), present(draw.metrics, "ppo/policy/entropy")
    title = "Entropy"
    if len(values):
        title = (
            f"Entropy is {three_digits(now)} nats a token, from {three_digits(float(values[0]))} at step "
            f"{steps[0]}"
        )
    return Chart(
        "entropy",
        title,
        ("ppo/policy/entropy", "objective/entropy"),
        draw.figure(*draw.line("ppo/policy/entropy", "entropy", POLICY), y={"rangemode": "tozero"}),
    )


def _explained(draw: _Draw) -> Chart:
    now = draw.last("ppo/val/var_explained")
    title = (
        "Explained variance"
        if np.isnan(now)
        else f"The values explain {percent(now)} of the returns' variance"
    )
    return Chart(
        "explained",
        title,
        ("ppo/val/var_explained", "ppo/val/bias", "ppo/val/error", "ppo/returns/var"),
        draw.figure(
            *draw.line("ppo/val/var_explained", "explained variance", VALUE),
            shapes=_healthy("ppo/val/var_explained", VALUE),
            y={"tickformat": ".0%"},
        ),
    )


def _values(draw: _Draw) -> Chart:
    now, expected = draw.last("ppo/returns/mean"), draw.last("ppo/val/mean")
    title = (
        "Returns and values"
        if np.isnan(now)
        else f"The mean return is {signed(now)}; the values expected {signed(expected)}"
    )
    lines = [
        *draw.line("ppo/returns/mean", "mean return", VALUE),
        *draw.line("ppo/val/mean", "mean value", VALUE, dash="dash", width=1.5),
    ]
    return Chart("values", title, ("ppo/returns/mean", "ppo/val/mean"), draw.figure(*lines))


def _move(draw: _Draw, config: Config) -> Chart:
    now, whole, epochs = (draw.last(f"ppo/policy/{name}") for name in ("k3", "k3_after", "epochs"))
    moved = now if np.isnan(whole) else whole
    title = "How far each update moves"
    if not np.isnan(moved):
        done = "" if np.isnan(epochs) else f" in {three_digits(epochs)} of {config.ppo_epochs} epochs"
        title = f"The update moved the policy by {three_digits(moved)} nats a token{done}"
    limit = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": config.target_kl,
        "y1": config.target_kl,
        "line": {"color": KL, "width": 1, "dash": "dash"},
    }
    lines = [
        *draw.line("ppo/policy/k3_after", "move of the whole update (k3)", KL),
        *draw.line("ppo/policy/k3", "mean over its minibatches", KL, dash="dash", width=1.5),
    ]
    return Chart(
        "move",
        title,
        (
            "ppo/policy/k3",
            "ppo/policy/k3_after",
            "ppo/policy/ratio_after",
            "ppo/policy/first_ratio",
            "ppo/policy/approxkl",
            "ppo/policy/epochs",
            "ppo/policy/grad_norm",
        ),
        draw.figure(*lines, shapes=[limit] if config.target_kl else [], y={"rangemode": "tozero"}),
    )


def _times(draw: _Draw) -> Chart:
    trained = draw.metrics[draw.metrics["step"] > 0]
    steps = trained["step"].to_numpy()
    areas = [
        scatter(
            steps,
            trained[name].fillna(0).to_numpy(dtype=float),
            name=METRICS[name].title.lower(),
            stackgroup="phases",
            mode="lines",
            line={"color": colour, "width": 0.5},
        )
        for name, colour in zip(_PHASES, _PHASE_COLOURS, strict=True)
    ]
    title = f"A step takes {three_digits(draw.last('time/step'))} s" if len(trained) else "Time of each phase"
    return Chart(
        "times",
        title,
        ("time/step", *_PHASES),
        draw.figure(*areas, y={"rangemode": "tozero", "ticksuffix": " s"}),
    )


def _pinned(draw: _Draw) -> Chart:
    steps, means, errors = together(draw.metrics, "eval/reward_mean", "eval/reward_se")
    margin = _NORMAL_95 * errors
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "hovertemplate": None}
    band = [
        scatter(steps, means - margin, showlegend=False, name="lower", **edge),
        scatter(
            steps,
            means + margin,
            fill="tonexty",
            fillcolor="rgba(0,114,178,0.15)",
            name="95 % confidence",
            **edge,
        ),
    ]
    title = "The pinned prompts' score"
    if len(means):
        title = f"The pinned prompts score {signed(means[-1])} ± {three_digits(margin[-1])}"
    lines = draw.line("eval/reward_mean", "mean score", POLICY)
    return Chart("pinned", title, ("eval/reward_mean", "eval/reward_se"), draw.figure(*band, *lines))


def _healthy(metric: str, colour: str) -> list[Spec]:
    """The metric's healthy range as a quiet band, from 0 where it has no lower end; nothing where it has no
    upper.
    """
    low, high = METRICS[metric].low, METRICS[metric].high
    return [] if high is None else [_band(low or 0.0, high, colour, 0.08)]


def _band(low: float, high: float, colour: str, opacity: float) -> Spec:
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
