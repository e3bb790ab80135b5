"""Why a token moved: everything that a step's record says of one token, put together so that each number
follows from the others.

Also where to look first in a batch: `finds` names the tokens that stand out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .. import ppo
from ..columns import names
from ..config import Config
from ..records import Array, Sample, TokenTable
from .recorded_batch import Frozen

_COLUMNS = [name for name in names(per_epoch=False, kinds=("float",)) if name != "return"]
"""What a story says of a token as the record has it; `return` is a word of Python's."""


@dataclass(frozen=True)
class Term:
    """One term of a GAE sum: the later token's delta, its weight (gamma lam)^k, and their product."""

    position: int
    text: str
    delta: float
    weight: float
    part: float


@dataclass(frozen=True)
class Epoch:
    """A token in one epoch of the update. case: an index into `ppo.CLIP_CASES`; policy_clip, value_clip:
    whether the clip bound, so that the token gave that loss no gradient.
    """

    new_logprob: float
    ratio: float
    case: int
    policy_clip: bool
    new_value: float
    value_clip: bool


@dataclass(frozen=True)
class Story:
    """A token's way through a step, in the order of the algorithm. Log-probabilities and KL in nats, the rest
    in the score's unit.

    reward = kl_penalty + score_share; kl_penalty = -kl_coef * kl; delta = reward + gamma * next_value -
    value; advantage = sum of the terms' parts; whitened = (advantage - mean) / spread, over the batch;
    returned = advantage + value.
    """

    text: str
    old_logprob: float
    ref_logprob: float
    kl: float
    kl_coef: float
    kl_penalty: float
    score_share: float
    reward: float
    value: float
    next_value: float
    gamma: float
    lam: float
    delta: float
    terms: tuple[Term, ...]
    advantage: float
    mean: float
    spread: float
    whitened: float
    returned: float
    epochs: tuple[Epoch, ...]


def story(tokens: TokenTable, config: Config, sample: int, position: int) -> Story:
    """The story of the token at `position` of `sample`. config: the one in force at that step. Raises
    `LookupError` for no such token.
    """
    found = np.flatnonzero((tokens.sample == sample) & (tokens.position == position))
    if not len(found):
        raise LookupError(f"sample {sample} has no token at position {position}")
    row = int(found[0])
    mean, spread = _moments(tokens)
    last = bool(tokens.is_last[row])
    terms = _terms(tokens, config.lam, row)
    return Story(
        text=tokens.text[row],
        kl_coef=tokens.kl_coef,
        next_value=0.0 if last else float(tokens.value[row + 1]),
        gamma=tokens.gamma,
        lam=config.lam,
        terms=terms,
        mean=mean,
        spread=spread,
        returned=float(tokens.column("return")[row]),
        epochs=_epochs(tokens, config.cliprange, row),
        **{name: float(tokens.column(name)[row]) for name in _COLUMNS},
    )


def _moments(tokens: TokenTable) -> tuple[float, float]:
    """Mean and standard deviation of the batch's advantages, as whitening uses them."""
    frozen = Frozen.of(tokens)
    mean, var = (
        ppo.masked_mean(frozen.advantages, frozen.mask),
        ppo.masked_var(frozen.advantages, frozen.mask),
    )
    return float(mean), float((var + 1e-8).sqrt())


def _terms(tokens: TokenTable, lam: float, row: int) -> tuple[Term, ...]:
    """A_t = delta_t + gamma lam delta_{t+1} + ..., to the response's end (GAE, eq. 16)."""
    end = row + 1 + int(np.argmax(tokens.is_last[row:]))
    weights = (tokens.gamma * lam) ** np.arange(end - row)
    deltas = tokens.column("delta")[row:end].astype(np.float64)
    return tuple(
        Term(
            int(tokens.position[row + k]),
            tokens.text[row + k],
            float(deltas[k]),
            float(weights[k]),
            float(weights[k] * deltas[k]),
        )
        for k in range(end - row)
    )


def _epochs(tokens: TokenTable, cliprange: float, row: int) -> tuple[Epoch, ...]:
    seen = int(tokens.epochs_seen[row])
    ratios = torch.tensor(tokens.ratio[row, :seen])
    cases = ppo.clip_case(ratios, torch.full_like(ratios, float(tokens.whitened[row])), cliprange).tolist()
    return tuple(
        Epoch(
            float(tokens.new_logprob[row, epoch]),
            float(tokens.ratio[row, epoch]),
            cases[epoch],
            bool(tokens.policy_clip[row, epoch]),
            float(tokens.new_value[row, epoch]),
            bool(tokens.value_clip[row, epoch]),
        )
        for epoch in range(seen)
    )


def clip_cases(tokens: TokenTable, cliprange: float, epoch: int) -> Array:
    """(tokens,) which of `ppo.CLIP_CASES` each token was in at that epoch (0 is the first); -1 where the
    update never came to it.
    """
    cases = ppo.clip_case(
        torch.tensor(tokens.ratio[:, epoch]), torch.tensor(tokens.whitened), cliprange
    ).numpy()
    reached: Array = np.where(tokens.epochs_seen > epoch, cases, -1)
    return reached


@dataclass(frozen=True)
class Find:
    """A token that stands out. name: what for; about: what is compared; number: its figure, always finite;
    unit: a word before it.
    """

    name: str
    about: str
    sample: int
    position: int
    number: float
    unit: str = ""


def finds(tokens: TokenTable, samples: Sequence[Sample]) -> list[Find]:
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
        Find(name, "The classifier's score of the whole text.", one.index, last_of[one.index], one.score)
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
                Find(
                    name, about, int(tokens.sample[row]), int(tokens.position[row]), float(figure[row]), unit
                )
            )
    return found


def _most_clipped(tokens: TokenTable) -> tuple[str, str, Array, Array, str]:
    """Name, meaning, size, figure and unit of the token that the policy clip held most; where it held none,
    of the farthest ratio.
    """
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
