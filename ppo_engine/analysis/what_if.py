"""A recorded step under different settings: advantages, clips and losses, recomputed from its rollout.

Ratios and new values come from the record: other settings would have trained a different policy, which is not
computed here. The question answered is narrower and exact: the outcome of these settings on the very same
tokens. The formulas are all `ppo`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import ppo
from ..config import Config
from ..records import TokenTable
from ..targets import Targets, score_targets
from .recorded_batch import RecordedBatch


@dataclass(frozen=True)
class WhatIfSettings:
    """The adjustable settings. kl_coef: score per nat; cliprange_value: score."""

    gamma: float
    lam: float
    kl_coef: float
    cliprange: float
    cliprange_value: float
    whiten: bool = True

    @classmethod
    def of(cls, config: Config, tokens: TokenTable) -> WhatIfSettings:
        """The run's settings at that step. config: the step's; the KL coefficient is the table's."""
        return cls(tokens.gamma, config.lam, tokens.kl_coef, config.cliprange, config.cliprange_value)


@dataclass(frozen=True)
class Outcome:
    """Targets, and the clips and losses that follow.

    policy_clips, value_clips: (batch, response, epochs) bool, where a clip binds. The figures are means over
    all counted tokens of all epochs, like the trainer's metrics; NaN where the update had no entry.
    """

    targets: Targets
    policy_clips: Tensor
    value_clips: Tensor
    policy_clipfrac: float
    value_clipfrac: float
    policy_loss: float
    value_loss: float
    total_loss: float


def targets_of(recorded: RecordedBatch, knobs: WhatIfSettings) -> Targets:
    """The step's training targets under `knobs`."""
    _, made = score_targets(
        recorded.scores,
        recorded.old_logprobs,
        recorded.ref_logprobs,
        recorded.values,
        recorded.mask,
        kl_coef=knobs.kl_coef,
        gamma=knobs.gamma,
        lam=knobs.lam,
        kl_estimator=recorded.kl_estimator,
        whiten=knobs.whiten,
    )
    if knobs.whiten and torch.equal(made.advantages, recorded.advantages):
        # The last digits of a sum hang on its order, which the run's device chose: what it whitened is taken
        # as it was.
        return replace(made, whitened=recorded.whitened)
    return made


def what_if(recorded: RecordedBatch, knobs: WhatIfSettings, config: Config, entropy: float) -> Outcome:
    """The outcome under `knobs`. config: for the loss weights; entropy: `ppo/policy/entropy`."""
    made = targets_of(recorded, knobs)
    surrogate, policy_clips = ppo.clipped_surrogate(
        recorded.ratios, made.whitened.unsqueeze(-1), recorded.entered, knobs.cliprange
    )
    squares, value_clips = ppo.clipped_squares(
        recorded.new_values,
        recorded.values.unsqueeze(-1),
        made.returns.unsqueeze(-1),
        recorded.entered,
        knobs.cliprange_value,
    )
    policy, value = _mean(surrogate, recorded.entered), 0.5 * _mean(squares, recorded.entered)
    total = ppo.total_loss(
        policy, value, torch.tensor(entropy, dtype=torch.float64), config.vf_coef, config.ent_coef
    )
    return Outcome(
        targets=made,
        policy_clips=policy_clips,
        value_clips=value_clips,
        policy_clipfrac=float(_mean(policy_clips, recorded.entered)),
        value_clipfrac=float(_mean(value_clips, recorded.entered)),
        policy_loss=float(policy),
        value_loss=float(value),
        total_loss=float(total),
    )


def _mean(x: Tensor, entered: Tensor) -> Tensor:
    """The mean over the update's entries, summed in float64; NaN where there are none."""
    if not entered.any():
        return torch.tensor(torch.nan, dtype=torch.float64)
    return ppo.masked_mean(x.double(), entered)


def k_step_estimators(
    rewards: Tensor, values: Tensor, mask: Tensor, row: int, position: int, gamma: float, steps: Sequence[int]
) -> tuple[float, ...]:
    """A token's A(k) for each k of `steps` (GAE, eq. 11 to 14). rewards, values, mask: (batch, response)."""
    rest = slice(position, position + int(mask[row, position:].sum()))
    parts = rewards[row : row + 1, rest], values[row : row + 1, rest], mask[row : row + 1, rest]
    return tuple(float(ppo.k_step_advantages(*parts, gamma, k)[0, 0]) for k in steps)


def gae_weights(count: int, lam: float) -> tuple[float, ...]:
    """Weights of A(1) to A(count) in a token's GAE advantage, `count` tokens before the end (GAE, eq. 16).

    (1 - lam) lam^(k-1). The last estimator covers the rest of the response, as would all longer ones, so it
    takes their weight too: lam^(count-1). The weights sum to 1, and the weighted estimators to the advantage.
    """
    return (*((1 - lam) * lam ** (k - 1) for k in range(1, count)), *([lam ** (count - 1)] * (count > 0)))


@dataclass(frozen=True)
class Sweep:
    """Bias against variance over a batch: for each lambda, the variance of the advantages and their distance
    from lambda = 1.

    distance: mean squared difference from the advantages with lambda = 1, which use only sampled rewards and
    the token's own value, not the value head's estimates of later tokens.
    """

    lams: tuple[float, ...]
    variance: tuple[float, ...]
    distance: tuple[float, ...]


def lambda_sweep(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lams: Sequence[float]) -> Sweep:
    """The sweep over `lams`. rewards, values, mask: (batch, response)."""
    unbiased = ppo.gae(rewards, values, mask, gamma, 1.0)[0]
    found = [ppo.gae(rewards, values, mask, gamma, lam)[0] for lam in lams]
    return Sweep(
        tuple(lams),
        tuple(float(ppo.masked_var(advantages, mask)) for advantages in found),
        tuple(float(ppo.masked_mean((advantages - unbiased) ** 2, mask)) for advantages in found),
    )


def clipped_objective(ratios: Tensor, advantage: float, cliprange: float) -> Tensor:
    """L_CLIP at each of `ratios` (any shape): min(r A, clip(r, 1 - eps, 1 + eps) A) (PPO, figure 1)."""
    everywhere = torch.ones_like(ratios, dtype=torch.bool)
    return -ppo.clipped_surrogate(ratios, torch.full_like(ratios, advantage), everywhere, cliprange)[0]
