"""From scores to what the update is trained towards: token rewards, GAE and whitening, in the one place that
trainer, update trace and what-if share. The formulas are all `ppo`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from . import ppo


@dataclass(frozen=True)
class Targets:
    """All (batch, response) float32, 0 outside the mask.

    advantages: by GAE; whitened: what the policy loss uses, which is the advantages where whitening is off;
    returns: what the value head is trained towards.
    """

    rewards: Tensor
    advantages: Tensor
    returns: Tensor
    whitened: Tensor


def targets(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float, whiten: bool = True
) -> Targets:
    """GAE and whitening of token rewards, once over the whole batch. All tensors (batch, response)."""
    advantages, returns = ppo.gae(rewards, values, mask, gamma, lam)
    whitened = ppo.masked_whiten(advantages, mask) if whiten else advantages
    return Targets(rewards, advantages, returns, whitened)


def score_targets(
    scores: Tensor,
    logprobs: Tensor,
    ref_logprobs: Tensor,
    values: Tensor,
    mask: Tensor,
    *,
    kl_coef: float,
    gamma: float,
    lam: float,
    kl_estimator: ppo.KLEstimator = "k1",
    whiten: bool = True,
) -> tuple[ppo.TokenRewards, Targets]:
    """The same from the scores, (batch,), by way of the token rewards."""
    rewards = ppo.token_rewards(scores, logprobs, ref_logprobs, mask, kl_coef, kl_estimator)
    return rewards, targets(rewards.rewards, values, mask, gamma, lam, whiten)
