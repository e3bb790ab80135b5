"""Why the update changed a token: its record, arranged so that each number follows from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from .. import ppo
from ..columns import names
from ..config import Config
from ..records import Array, TokenTable
from .recorded_batch import RecordedBatch


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
class TokenTrace:
    """A token's path through a step, in the order of the algorithm.

    columns: all its recorded numbers, by token column: reward = kl_penalty + score_share; kl_penalty =
    -kl_coef * kl_estimate; delta = reward + gamma * next_value - value; advantage = the sum of the terms'
    parts; whitened = (advantage - mean) / spread, over the batch; return = advantage + value.
    """

    text: str
    columns: Mapping[str, float]
    kl_coef: float
    next_value: float
    gamma: float
    lam: float
    terms: tuple[Term, ...]
    mean: float
    spread: float
    epochs: tuple[Epoch, ...]


def token_trace(tokens: TokenTable, config: Config, sample: int, position: int) -> TokenTrace:
    """A token's trace. config: the step's. Raises `LookupError` for an unknown token."""
    found = np.flatnonzero((tokens.sample == sample) & (tokens.position == position))
    if not len(found):
        raise LookupError(f"sample {sample} has no token at position {position}")
    row = int(found[0])
    mean, spread = _moments(tokens)
    return TokenTrace(
        text=tokens.text[row],
        columns={name: float(tokens.column(name)[row]) for name in names(per_epoch=False, kinds=("float",))},
        kl_coef=tokens.kl_coef,
        next_value=0.0 if tokens.is_last[row] else float(tokens.value[row + 1]),
        gamma=tokens.gamma,
        lam=config.lam,
        terms=_terms(tokens, config.lam, row),
        mean=mean,
        spread=spread,
        epochs=_epochs(tokens, config.cliprange, row),
    )


def _moments(tokens: TokenTable) -> tuple[float, float]:
    """Mean and standard deviation of the batch's advantages, as whitening uses them."""
    frozen = RecordedBatch.of(tokens)
    mean = ppo.masked_mean(frozen.advantages, frozen.mask)
    return float(mean), float((ppo.masked_var(frozen.advantages, frozen.mask) + 1e-8).sqrt())


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
    """(tokens,) each token's `ppo.CLIP_CASES` index in an epoch from 0; -1 where never reached."""
    cases = ppo.clip_case(torch.tensor(tokens.ratio[:, epoch]), torch.tensor(tokens.whitened), cliprange)
    reached: Array = np.where(tokens.epochs_seen > epoch, cases.numpy(), -1)
    return reached
