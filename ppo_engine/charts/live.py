"""The charts of a run, from its metrics. Usable from a notebook:

    from ppo_engine import RunReader
    from ppo_engine.charts import live_charts, metrics_frame

    for chart in live_charts(metrics_frame(RunReader("runs/...").steps())):
        chart.figure.show()

A chart is a plain description for plotly.js (`Chart.spec`): building a `go.Figure`, which validates every
property, takes forty times as long, too slow for a page that redraws nine charts at every step. Background,
font and grid colours are left unset, so that a page or a plotly template can fill them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..config import Config
from ..formatting import percent, signed, three_digits
from ..metrics import METRICS
from ..rewards import reward_words
from .drawing import CLIP, KL, POLICY, REFERENCE, VALUE, Chart, Drawing, band, curve, healthy, ribbon
from .series import Frame, Source, Spec, present, together
from .timeline import TimelineEntry

_NORMAL_95 = 1.96
"""Half-width of a 95% confidence interval, in standard errors."""

_FAR = 10**9
"""A step beyond every axis."""

_PHASES = ("time/sample", "time/score", "time/reference", "time/update", "time/record", "time/evaluate")
_PHASE_COLOURS = (POLICY, VALUE, REFERENCE, KL, CLIP, "#56B4E9")


def live_charts(
    metrics: Frame,
    config: Config | None = None,
    earlier: Frame | None = None,
    history: Sequence[TimelineEntry] = (),
) -> list[Chart]:
    """All charts of a run, in page order. earlier: a run drawn in grey behind; history: events to mark."""
    config = config or Config()
    draw = Drawing(metrics, earlier, history)
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


def _score(draw: Drawing, config: Config) -> Chart:
    words, (steps, means) = reward_words(config), present(draw.metrics, "env/reward_mean")
    y = {"range": [words.bounds[0] - 0.02, words.bounds[1] + 0.02]} if words.bounds else {}
    hover = f"%{{y:.3~g}} {words.unit}".rstrip()
    held_out = curve(
        Source("eval/reward_mean", error="eval/reward_se"),
        name="held-out score",
        mode="markers",
        error_y={"thickness": 1, "width": 3},
        marker={"color": POLICY, "size": 8, "symbol": "diamond-open", "line": {"width": 2}},
        hovertemplate=hover,
    )
    title = "The score appears after the first step"
    if len(means):
        began = f"from {signed(means[0])} at step {steps[0]}"
        title = f"The {words.title[0].lower()}{words.title[1:]} is {signed(means[-1])}, {began}"
    curves = [
        *ribbon("± 1 SD", "env/reward_mean", "env/reward_std", 1.0),
        *draw.line("env/reward_mean", "mean score", POLICY, hovertemplate=hover),
        held_out,
    ]
    metrics = ("env/reward_mean", "env/reward_std", "eval/reward_mean", "eval/reward_se")
    return draw.chart("score", title, metrics, curves, y=y)


def _kl(draw: Drawing, config: Config, history: Sequence[TimelineEntry]) -> Chart:
    coefficient = draw.line(
        "objective/kl_coef", "KL coefficient (right axis)", KL, dash="dot", width=1.5, yaxis="y2"
    )
    now, target, shapes = draw.last("objective/kl"), config.target, []
    title = "KL from the reference" if np.isnan(now) else f"KL is {three_digits(now)} nats"
    if config.adap_kl_ctrl:
        shapes = _targets(target, history)
        title += "" if np.isnan(now) else f", {'above' if now > target else 'below'} its target of {target:g}"
    return draw.chart(
        "kl",
        title,
        ("objective/kl", "objective/kl_coef"),
        [*draw.line("objective/kl", "KL", KL), *coefficient],
        shapes=shapes,
        y={"rangemode": "tozero"},
        y2={"rangemode": "tozero"},
    )


def _targets(target: float, history: Sequence[TimelineEntry]) -> list[Spec]:
    """A band around the KL target; after an edit, a band for each target while it held."""
    edits = [(one.step, one.undo["target"]) for one in history if one.undo and "target" in one.undo]
    if not edits:
        return [band(0.8 * target, 1.2 * target, KL, 0.12)]
    edges = [-_FAR, *(step for step, _ in edits), _FAR]
    held = [*(before for _, before in edits), target]
    return [
        {**band(0.8 * value, 1.2 * value, KL, 0.12), "xref": "x", "x0": begun, "x1": ended}
        for value, (begun, ended) in zip(held, pairwise(edges), strict=True)
    ]


def _clips(draw: Drawing) -> Chart:
    policy, value = draw.last("ppo/policy/clipfrac"), draw.last("ppo/val/clipfrac")
    title = "Clip fraction"
    if not np.isnan(policy):
        title = f"Clipped: {percent(policy)} of ratios, {percent(value)} of values"
    lines = [
        *draw.line("ppo/policy/clipfrac", "policy", CLIP),
        *draw.line("ppo/policy/clipfrac_after", "policy, after the update", CLIP, dash="dot", width=1.5),
        *draw.line("ppo/val/clipfrac", "value", CLIP, dash="dash", width=1.5),
    ]
    return draw.chart(
        "clips",
        title,
        ("ppo/policy/clipfrac", "ppo/policy/clipfrac_after", "ppo/val/clipfrac", "ppo/val/clipfrac_after"),
        lines,
        shapes=healthy("ppo/policy/clipfrac", CLIP),
        y={"rangemode": "tozero", "tickformat": ".0%"},
    )


def _losses(draw: Drawing) -> Chart:
    now = draw.last("ppo/loss/total")
    lines = [
        *draw.line("ppo/loss/policy", "policy", POLICY),
        *draw.line("ppo/loss/value", "value", VALUE),
        *draw.line("ppo/loss/total", "total", REFERENCE, dash="dot"),
    ]
    return draw.chart(
        "losses",
        "Losses" if np.isnan(now) else f"The total loss is {signed(now)}",
        ("ppo/loss/policy", "ppo/loss/value", "ppo/loss/total"),
        lines,
    )


def _entropy(draw: Drawing) -> Chart:
    now, (steps, values) = draw.last("ppo/policy/entropy"), present(draw.metrics, "ppo/policy/entropy")
    title = "Entropy"
    if len(values):
        title = (
            f"Entropy is {three_digits(now)} nats per token, from {three_digits(float(values[0]))} at step "
            f"{steps[0]}"
        )
    return draw.chart(
        "entropy",
        title,
        ("ppo/policy/entropy", "objective/entropy"),
        draw.line("ppo/policy/entropy", "entropy", POLICY),
        y={"rangemode": "tozero"},
    )


def _explained(draw: Drawing) -> Chart:
    now = draw.last("ppo/val/var_explained")
    title = (
        "Explained variance"
        if np.isnan(now)
        else f"The value head explains {percent(now)} of the return variance"
    )
    return draw.chart(
        "explained",
        title,
        ("ppo/val/var_explained", "ppo/val/bias", "ppo/val/error", "ppo/returns/var"),
        draw.line("ppo/val/var_explained", "explained variance", VALUE),
        shapes=healthy("ppo/val/var_explained", VALUE),
        y={"tickformat": ".0%"},
    )


def _values(draw: Drawing) -> Chart:
    now, expected = draw.last("ppo/returns/mean"), draw.last("ppo/val/mean")
    title = (
        "Returns and values"
        if np.isnan(now)
        else f"The mean return is {signed(now)}; the mean value is {signed(expected)}"
    )
    lines = [
        *draw.line("ppo/returns/mean", "mean return", VALUE),
        *draw.line("ppo/val/mean", "mean value", VALUE, dash="dash", width=1.5),
    ]
    return draw.chart("values", title, ("ppo/returns/mean", "ppo/val/mean"), lines)


def _move(draw: Drawing, config: Config) -> Chart:
    now, whole, epochs = (draw.last(f"ppo/policy/{name}") for name in ("k3", "k3_after", "epochs"))
    moved = now if np.isnan(whole) else whole
    title = "Policy change per update"
    if not np.isnan(moved):
        done = "" if np.isnan(epochs) else f" in {three_digits(epochs)} of {config.ppo_epochs} epochs"
        title = f"The update moved the policy by {three_digits(moved)} nats per token{done}"
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
        *draw.line("ppo/policy/k3_after", "KL of the whole update (k3)", KL),
        *draw.line("ppo/policy/k3", "mean over minibatches", KL, dash="dash", width=1.5),
    ]
    return draw.chart(
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
        lines,
        shapes=[limit] if config.target_kl else [],
        y={"rangemode": "tozero"},
    )


def _times(draw: Drawing) -> Chart:
    areas = [
        curve(
            Source(name, missing=0.0, first=1),
            name=METRICS[name].title.lower(),
            stackgroup="phases",
            stackgaps="interpolate",
            mode="lines",
            line={"color": colour, "width": 0.5},
        )
        for name, colour in zip(_PHASES, _PHASE_COLOURS, strict=True)
    ]
    steps, whole = present(draw.metrics, "time/step")
    has_trained = len(steps) > 0 and steps[-1] > 0
    title = f"A step takes {three_digits(whole[-1])} s" if has_trained else "Time per phase"
    metrics = ("time/step", *_PHASES)
    return draw.chart("times", title, metrics, areas, y={"rangemode": "tozero", "ticksuffix": " s"})


def _pinned(draw: Drawing) -> Chart:
    _, means, errors = together(draw.metrics, "eval/reward_mean", "eval/reward_se")
    title = "The pinned prompts' score"
    if len(means):
        title = f"The pinned prompts score {signed(means[-1])} ± {three_digits(_NORMAL_95 * errors[-1])}"
    curves = [
        *ribbon("95% confidence interval", "eval/reward_mean", "eval/reward_se", _NORMAL_95),
        *draw.line("eval/reward_mean", "mean score", POLICY),
    ]
    return draw.chart("pinned", title, ("eval/reward_mean", "eval/reward_se"), curves)


SHOWN: tuple[str, ...] = tuple(
    sorted(
        {
            name
            for chart in live_charts({name: np.zeros(0) for name in ("step", *METRICS)})
            for name in chart.used
        }
    )
)
"""Every metric that a chart draws or names in its title."""
