"""Where to look first in a batch: the tokens that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Array, Sample, TokenTable


@dataclass(frozen=True)
class Highlight:
    """A token that stands out. about: how it was found; number: the figure shown; unit: shown before it."""

    name: str
    about: str
    sample: int
    position: int
    number: float
    unit: str = ""


def highlights(tokens: TokenTable, samples: Sequence[Sample]) -> list[Highlight]:
    """Extreme scores, KL, advantages, ratios, value errors; the last two only for tokens the update saw."""
    if not len(tokens):
        return []
    last_of = dict(
        zip(tokens.sample[tokens.is_last].tolist(), tokens.position[tokens.is_last].tolist(), strict=True)
    )
    ranked = sorted((one for one in samples if one.index in last_of), key=lambda one: one.score)
    found = [
        Highlight(name, "The score of the whole text.", one.index, last_of[one.index], one.score)
        for name, one in (("Highest score", ranked[-1]), ("Lowest score", ranked[0]))
    ]
    kl, gain = tokens.column("kl"), tokens.advantage
    error = np.abs(tokens.at_last_epoch("new_value", float("nan")) - tokens.column("return"))
    for name, about, size, figure, unit in (
        ("Largest KL", "The token with the largest log-ratio to the reference.", np.abs(kl), kl, ""),
        ("Largest advantage", "The outcome furthest from its value estimate.", np.abs(gain), gain, ""),
        _most_clipped(tokens),
        ("Largest value error", "The value furthest from its return after the update.", error, error, ""),
    ):
        row = int(np.nan_to_num(size, nan=-1.0).argmax())
        if np.isfinite(figure[row]):
            found.append(
                Highlight(
                    name, about, int(tokens.sample[row]), int(tokens.position[row]), float(figure[row]), unit
                )
            )
    return found


def _most_clipped(tokens: TokenTable) -> tuple[str, str, Array, Array, str]:
    """Name, meaning, size, figure and unit of the most clipped token, else of the most extreme ratio."""
    ratio, clips = tokens.at_last_epoch("ratio", float("nan")), tokens.clip_epochs("policy_clip")
    far = np.abs(ratio - 1)
    if not clips.any():
        about = "The ratio furthest from 1. No policy clip binds in this batch."
        return "Most extreme ratio", about, far, ratio, "ratio"
    about = "The token clipped in the most epochs; among ties, the one with the ratio furthest from 1."
    return "Most clipped", about, clips + np.minimum(far, 0.999), ratio, "ratio"
