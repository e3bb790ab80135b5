"""Where to look first in a batch: the tokens that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Array, Sample, TokenTable


@dataclass(frozen=True)
class Highlight:
    """A token that stands out. name: why; about: the comparison; number: its figure; unit: before it."""

    name: str
    about: str
    sample: int
    position: int
    number: float
    unit: str = ""


def highlights(tokens: TokenTable, samples: Sequence[Sample]) -> list[Highlight]:
    """Where to look first: extreme scores, KL, advantages, ratios and value errors. What the update never
    came to is left out.
    """
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
        (
            "Largest KL",
            "The token whose log-probability is farthest from the reference's.",
            np.abs(kl),
            kl,
            "",
        ),
        (
            "Largest advantage",
            "The token that did best or worst against what the values expected.",
            np.abs(gain),
            gain,
            "",
        ),
        _most_clipped(tokens),
        (
            "Worst value",
            "The token whose value is farthest from its return after the update.",
            error,
            error,
            "",
        ),
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
    """Name, meaning, size, figure and unit of the most clipped token, else of the farthest ratio."""
    ratio, clips = tokens.at_last_epoch("ratio", float("nan")), tokens.clip_epochs("policy_clip")
    far = np.abs(ratio - 1)
    if not clips.any():
        return (
            "Farthest ratio",
            "No policy clip binds in this batch. The token whose ratio went farthest from 1.",
            far,
            ratio,
            "ratio",
        )
    about = "The token that the policy clip held in most epochs; of those, the one whose ratio went farthest."
    return "Most clipped", about, clips + np.minimum(far, 0.999), ratio, "ratio"
