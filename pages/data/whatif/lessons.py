"""The What-if page's two lessons: lambda's trade-off, and the policy clip's effect on the batch's tokens."""

from __future__ import annotations

import numpy as np
import torch

from ppo_engine.analysis.what_if import (
    Outcome,
    WhatIfSettings,
    clipped_objective,
    gae_weights,
    lambda_sweep,
)
from ppo_engine.formatting import percent, three_digits
from ppo_engine.records import Array, TokenTable
from ppo_engine.targets import Targets

from ..payloads.whatif import Clip, ClipSide, Ladder, Rung, Sweep
from .batch import WhatIfBatch, estimators, sweep

_MOST_RUNGS = 24
_MOST_POINTS = 150
"""Tokens drawn on each branch of the clip lesson's curve: evenly along the ratio, the outermost always."""


def rungs(scene: WhatIfBatch, row: int, position: int, knobs: WhatIfSettings, now: Targets) -> Ladder:
    """The chosen token's k-step estimators, their weights with these settings and the run's own, and their
    sum, the advantage.

    For a long rest of a response, the first ones and the last: those between are one rung, with their weight
    and without a value.
    """
    count = int(scene.mask[row].sum()) - position
    steps = tuple(range(1, count + 1)) if count <= _MOST_RUNGS else (*range(1, _MOST_RUNGS), count)
    weights, own = (gae_weights(count, lam) for lam in (knobs.lam, scene.own.lam))
    found = estimators(scene, row, position, knobs.kl_coef, knobs.gamma, steps)
    made: list[Rung] = [
        {"k": k, "value": value, "weight": weights[k - 1], "own": own[k - 1]}
        for k, value in zip(steps, found, strict=True)
    ]
    if count > _MOST_RUNGS:
        between = slice(_MOST_RUNGS - 1, count - 1)
        made.insert(-1, {"k": None, "value": None, "weight": sum(weights[between]), "own": sum(own[between])})
    return {"rungs": made, "count": count, "sum": float(now.advantages[row, position])}


def bias_and_variance(scene: WhatIfBatch, knobs: WhatIfSettings) -> Sweep:
    """Along lambda over the whole batch, with the chosen gamma and KL coefficient."""
    made = sweep(scene, knobs.kl_coef, knobs.gamma)
    here = lambda_sweep(scene.rewards(knobs.kl_coef), scene.values, scene.mask, knobs.gamma, (knobs.lam,))
    variance, distance = three_digits(here.variance[0]), three_digits(here.distance[0])
    return {
        "key": "sweep",
        "title": (
            f"At lambda {knobs.lam:g} the variance is {variance} and the squared distance from lambda 1 is "
            f"{distance}"
        ),
        "lams": list(made.lams),
        "variance": list(made.variance),
        "distance": list(made.distance),
        "now": knobs.lam,
        "was": scene.own.lam,
    }


def clip(
    scene: WhatIfBatch, knobs: WhatIfSettings, now: Targets, outcome: Outcome | None, row: int, position: int
) -> Clip | None:
    """L_CLIP over the ratio for advantages +1 and -1, with this batch's tokens at their last epoch's ratio.

    None where there are no ratios: in the notebook's example, and where the update ended before it began.
    """
    if (
        outcome is None
        or scene.tokens is None
        or scene.recorded is None
        or not (scene.tokens.epochs_seen > 0).any()
    ):
        return None
    tokens, used = scene.tokens, scene.recorded.flat(now.whitened)
    reached, ratio = tokens.epochs_seen > 0, tokens.at_last_epoch("ratio", 1.0)
    last = scene.recorded.flat(outcome.policy_clips)[np.arange(len(tokens)), tokens.last_epoch.clip(0)]
    binds = last & reached
    low, high = _ends(ratio[reached], knobs.cliprange)
    corners = {low, high, max(low, 1 - knobs.cliprange), 1 + knobs.cliprange, 1.0}
    grid = torch.tensor(sorted(corners), dtype=torch.float64)
    seen = reached & (ratio >= low) & (ratio <= high)
    return {
        "key": "clip",
        "title": (
            f"The clip binds for {percent(float(binds[reached].mean()))} of the tokens in their last epoch"
        ),
        "grid": [round(float(x), 6) for x in grid],
        "sides": [
            _side(grid, seen & (np.sign(used) == sign), ratio, binds, sign, knobs.cliprange)
            for sign in (1.0, -1.0)
        ],
        "range": knobs.cliprange,
        "chosen": _chosen(tokens, reached, ratio, used, row, position, knobs.cliprange),
    }


def _ends(ratio: Array, cliprange: float) -> tuple[float, float]:
    """The range of ratios drawn: nearly all tokens, and the clip range with a margin."""
    low, high = (float(x) for x in np.quantile(ratio, (0.002, 0.998)))
    return max(0.0, min(low, 1 - 1.5 * cliprange)), max(high, 1 + 1.5 * cliprange)


def _side(
    grid: torch.Tensor, wanted: Array, ratio: Array, binds: Array, sign: float, cliprange: float
) -> ClipSide:
    where = np.flatnonzero(wanted)
    where = where[np.argsort(ratio[where], kind="stable")]
    kept = (
        where[np.unique(np.linspace(0, len(where) - 1, _MOST_POINTS).astype(int))]
        if len(where) > _MOST_POINTS
        else where
    )
    return {
        "curve": [round(float(y), 6) for y in clipped_objective(grid, sign, cliprange)],
        "x": [round(float(x), 5) for x in ratio[kept]],
        "y": [round(float(y), 5) for y in clipped_objective(torch.tensor(ratio[kept]), sign, cliprange)],
        "binds": binds[kept].tolist(),
        "tokens": len(where),
    }


def _chosen(
    tokens: TokenTable, reached: Array, ratio: Array, used: Array, row: int, position: int, cliprange: float
) -> list[float] | None:
    """The chosen token's place on the curve; None where the update never reached it."""
    found = np.flatnonzero((tokens.sample == row) & (tokens.position == position) & reached)
    if not len(found):
        return None
    at = torch.tensor(ratio[found])
    return [float(at), float(clipped_objective(at, float(np.sign(used[found[0]])) or 1.0, cliprange))]
