"""What-if figures: other settings for a recorded step, beside the run's own, and the two lessons."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from ppo_engine.analysis.what_if import Outcome, WhatIfSettings
from ppo_engine.config import FIELDS
from ppo_engine.formatting import three_digits
from ppo_engine.metrics import METRICS
from ppo_engine.ppo import masked_mean, masked_var
from ppo_engine.records import Array
from ppo_engine.store import RunReader
from ppo_engine.targets import Targets

from ..asked import Asked
from ..payloads.whatif import (
    ComparedFigure,
    FigureKind,
    Histogram,
    HistogramKey,
    Slider,
    SliderName,
    WhatIfAnswer,
    WhatIfNumbers,
    WhatIfSample,
)
from ..steps import not_stored
from . import lessons as lessons
from .batch import WhatIfBatch, step_scene, tutorial_scene
from .view_state import CONFIG_FIELDS, ViewState, read_settings

_SLIDERS = {
    "gamma": (0, 1, 0.005),
    "lam": (0, 1, 0.01),
    "kl_coef": (0, 1, 0.005),
    "cliprange": (0.01, 1, 0.01),
    "cliprange_value": (0.01, 2, 0.01),
}
"""Each slider's ends and step; the field beside it takes whatever the setting allows."""

_NAMES = {
    "gamma": "Gamma",
    "lam": "Lambda",
    "kl_coef": "KL coefficient",
    "cliprange": "Policy clip range",
    "cliprange_value": "Value clip range",
}
_OUTCOMES: tuple[tuple[str, str, str, FigureKind], ...] = (
    ("Policy clip binds", "ppo/policy/clipfrac", "policy_clipfrac", "percent"),
    ("Value clip binds", "ppo/val/clipfrac", "value_clipfrac", "percent"),
    ("Policy loss", "ppo/loss/policy", "policy_loss", "signed"),
    ("Value loss", "ppo/loss/value", "value_loss", "number"),
    ("Total loss", "ppo/loss/total", "total_loss", "signed"),
)
"""Figures of the update: label, the run's metric, the outcome's field, format."""
_BINS = 40


def recorded(asked: Asked) -> WhatIfAnswer:
    """A recorded step. sample, token: the chosen ones; what: the changed settings."""
    step = asked.number("step")
    scene = step_scene(asked.folder, step)
    if scene is None:
        raise not_stored(step)
    return _answer(scene, asked)


def notebook(asked: Asked) -> WhatIfAnswer:
    """The tutorial notebook's batch."""
    return _answer(tutorial_scene(), asked)


def _answer(scene: WhatIfBatch, asked: Asked) -> WhatIfAnswer:
    turned, problems = read_settings(asked.word("what"))
    look = ViewState(None, asked.whole("sample", 0), asked.whole("token", 0), False, turned)
    return {"turned": dict(turned), "problems": problems, **_shown(scene, look)}


def scene_of(folder: Path, look: ViewState) -> WhatIfBatch | None:
    """The batch of the view; None where there is none."""
    if look.example:
        return tutorial_scene()
    step = look.step
    if step is None:
        step = max(RunReader(folder).steps_with_tokens(), default=None)
    return None if step is None else step_scene(folder, step)


def _shown(scene: WhatIfBatch, look: ViewState) -> WhatIfNumbers:
    knobs = look.knobs(scene.own)
    now, outcome = scene.turned(knobs)
    row = min(look.sample, len(scene.mask) - 1)
    length = int(scene.mask[row].sum())
    position = min(look.token, max(0, length - 1))
    return {
        "knobs": [_slider(name, scene, knobs) for name in get_args(SliderName)],
        "whiten": {"own": scene.own.whiten, "value": knobs.whiten},
        "figures": _figures(scene, now, outcome),
        "histograms": [
            _histogram("advantages", scene, scene.was.advantages, now.advantages),
            _histogram("returns", scene, scene.was.returns, now.returns),
        ],
        "sample": _sample(scene, row, position, now, outcome),
        "count": len(scene.mask),
        "length": length,
        "ladder": lessons.rungs(scene, row, position, knobs, now) if length else None,
        "sweep": lessons.bias_and_variance(scene, knobs),
        "clip": lessons.clip(scene, knobs, now, outcome, row, position),
    }


def _slider(name: SliderName, scene: WhatIfBatch, knobs: WhatIfSettings) -> Slider:
    setting, (low, high, stride) = FIELDS[CONFIG_FIELDS[name]], _SLIDERS[name]
    own = getattr(scene.own, name)
    about = "Penalty per nat of KL from the reference, on each token." if name == "kl_coef" else setting.help
    locked = ""
    if scene.recorded is None and name not in ("gamma", "lam"):
        locked = (
            "The notebook prints no KL for this batch."
            if name == "kl_coef"
            else "The notebook prints no ratios for this batch."
        )
    return {
        "name": name,
        "label": _NAMES[name],
        "about": f"{name}: {about} Allowed: {setting.allowed}.",
        "own": own,
        "value": getattr(knobs, name),
        "low": low,
        "high": max(high, math.ceil(own * 1.25)) if own > high else high,
        "stride": stride,
        "locked": locked,
    }


def _figures(scene: WhatIfBatch, now: Targets, outcome: Outcome | None) -> list[ComparedFigure]:
    """Rows of the table: label, the run's value, the value with these settings, format, definition."""
    rows: list[tuple[str, float, float, FigureKind, str]] = []
    for label, was, new, about in (
        (
            "Advantages",
            scene.was.advantages,
            now.advantages,
            "GAE advantages of the batch's tokens before whitening.",
        ),
        (
            "Returns",
            scene.was.returns,
            now.returns,
            "The value head's training target: advantage plus value.",
        ),
    ):
        rows.append((f"{label}, mean", _mean(was, scene), _mean(new, scene), "signed", about))
        rows.append(
            (f"{label}, standard deviation", _deviation(was, scene), _deviation(new, scene), "number", about)
        )
    for label, metric, figure, kind in _OUTCOMES:
        if outcome is not None and scene.metrics is not None:
            had, tip = scene.had(metric, figure), METRICS[metric].tooltip
            rows.append((label, had, getattr(outcome, figure), kind, tip))
    return [
        {"label": label, "was": _finite(before), "now": _finite(after), "kind": kind, "about": about}
        for label, before, after, kind, about in rows
    ]


def _mean(x: torch.Tensor, scene: WhatIfBatch) -> float:
    return float(masked_mean(x, scene.mask))


def _deviation(x: torch.Tensor, scene: WhatIfBatch) -> float:
    return math.sqrt(float(masked_var(x, scene.mask)))


def _histogram(key: HistogramKey, scene: WhatIfBatch, was: torch.Tensor, now: torch.Tensor) -> Histogram:
    """Counts in bins of a round width, so that the run's own stay in place while a slider moves."""
    both = [x[scene.mask].double().numpy() for x in (was, now)]
    low, high = min(x.min() for x in both), max(x.max() for x in both)
    width = _round_up(max(float(high - low), 1e-6) / _BINS)
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges = width * np.arange(first, last + 1)
    counts = [np.histogram(x, edges)[0].tolist() for x in both]
    spread = [three_digits(_deviation(x, scene)) for x in (was, now)]
    return {
        "key": key,
        "title": (
            f"{key.capitalize()}: standard deviation {spread[0]} in the run, {spread[1]} with these settings"
        ),
        "x": [round(float(x), 9) for x in edges[:-1]],
        "was": counts[0],
        "now": counts[1],
        "axis": key,
    }


def _round_up(x: float) -> float:
    """The next of ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ..."""
    size = 10 ** math.floor(math.log10(x))
    return next(float(step * size) for step in (1, 2, 5, 10) if step * size >= x)


def _sample(
    scene: WhatIfBatch, row: int, position: int, now: Targets, outcome: Outcome | None
) -> WhatIfSample:
    """The chosen sample's tokens: values in the run and now, and in how many epochs clips bind."""
    here = scene.mask[row]

    def pair(target: str) -> list[list[float | None]]:
        return [_column(getattr(one, target)[row][here].numpy()) for one in (scene.was, now)]

    made: WhatIfSample = {
        "index": row,
        "count": len(scene.mask),
        "token": position,
        "values": _column(scene.values[row][here].numpy()),
        "rewards": pair("rewards"),
        "advantages": pair("advantages"),
        "used": pair("whitened"),
        "returns": pair("returns"),
        "limit": scene.limit,
        "moved": _most_moved(scene, now),
        "query": "",
        "texts": [f"token {i + 1}" for i in range(int(here.sum()))],
        "digits": 4 if scene.recorded is None else 0,
    }
    if scene.tokens is None or outcome is None or scene.was_outcome is None or scene.recorded is None:
        return made
    own = scene.tokens.sample == row
    sample = scene.samples[row]
    return {
        **made,
        "query": sample.query,
        "score": sample.score,
        "texts": [text for text, is_own in zip(scene.tokens.text, own, strict=True) if is_own],
        "ratios": _column(scene.tokens.at_last_epoch("ratio", math.nan)[own]),
        "epochs": scene.tokens.epochs_seen[own].tolist(),
        "policy_clips": [
            one.policy_clips[row][here].sum(-1).tolist() for one in (scene.was_outcome, outcome)
        ],
        "value_clips": [one.value_clips[row][here].sum(-1).tolist() for one in (scene.was_outcome, outcome)],
    }


def _column(x: Array) -> list[float | None]:
    """Numbers for JSON: more digits than shown, None where not finite."""
    return [_finite(float(f"{value:.7g}")) for value in x.tolist()]


def _finite(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


def _most_moved(scene: WhatIfBatch, now: Targets) -> int | None:
    """The sample whose whitened advantages change most; None while none does."""
    by = ((now.whitened - scene.was.whitened).abs() * scene.mask).sum(1) / scene.mask.sum(1).clamp(min=1)
    return int(by.argmax()) if float(by.max()) > 1e-6 else None


def use_in_run(
    form: dict[str, Any], look: ViewState, scene: WhatIfBatch, on: bool = False
) -> tuple[dict[str, float], str]:
    """The form's settings to change, and the answer in words. form: the sidebar's values by name; on: whether
    they are an active run's.
    """
    knobs = look.knobs(scene.own)
    values = {field: getattr(knobs, name) for name, field in CONFIG_FIELDS.items() if name != "kl_coef"}
    left_out = []
    if scene.recorded is None:
        values = {name: values[name] for name in ("gamma", "lam")}
    elif not form.get("adap_kl_ctrl", True):
        values["init_kl_coef"] = knobs.kl_coef
    elif knobs.kl_coef != scene.own.kl_coef:
        left_out.append(
            "The KL coefficient is left out: the adaptive controller sets it. Switch the controller off in "
            "the sidebar to set it yourself."
        )
    if not knobs.whiten:
        left_out.append("Whitening is left out: training always whitens.")
    changes = {name: value for name, value in values.items() if form.get(name) != value}
    return changes, " ".join([_staged(changes, on), *left_out])


def _staged(changes: dict[str, float], on: bool) -> str:
    if not changes:
        return "The sidebar already has these values."
    words = ", ".join(f"{FIELDS[name].label} {value:g}" for name, value in changes.items())
    pending = f"Pending in the sidebar: {words}. Press Apply there to use them from the next step."
    return pending if on else f"Set in the sidebar for the next run: {words}. Press Start there."
