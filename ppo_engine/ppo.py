"""PPO for language models, as pure functions on tensors: one function per formula, no model or settings.

Every function takes (batch, time) tensors over response tokens; `mask` is True where a token counts. The
contents of the padding, NaN and infinity included, affect neither results nor gradients: they are replaced by
0 first.

Sources: Schulman et al. 2017, "Proximal Policy Optimization Algorithms" (PPO); Schulman et al. 2016,
"High-Dimensional Continuous Control Using Generalized Advantage Estimation" (GAE); Ziegler et al. 2019,
"Fine-Tuning Language Models from Human Preferences" (token rewards, KL controller); Schulman 2020,
"Approximating KL Divergence" (k3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

CLIP_CASES = (
    "none",
    "ratio below, advantage positive",
    "ratio inside, advantage positive",
    "ratio above, advantage positive",
    "ratio below, advantage negative",
    "ratio inside, advantage negative",
    "ratio above, advantage negative",
)
"""Names of the cases that `clip_case` returns."""

LARGEST_LOG_RATIO = 20.0
"""Log-ratios are clamped to this before exp: e^20 is far outside any clip range; e^89 overflows float32."""

BINDING_CASES = (3, 4)
"""The cases in which the clip binds."""


class TokenRewards(NamedTuple):
    """Token rewards. All (batch, time), 0 outside the mask. kl: the estimate used in the penalty."""

    rewards: Tensor
    kl: Tensor
    kl_penalty: Tensor


class PolicyLoss(NamedTuple):
    """The clipped surrogate. loss, clipfrac, approxkl: scalars; ratio (1 in padding), clipped: per token."""

    loss: Tensor
    ratio: Tensor
    clipped: Tensor
    clipfrac: Tensor
    approxkl: Tensor


class ValueLoss(NamedTuple):
    """The clipped value loss. loss, clipfrac, error (MSE, unclipped): scalars; clipped: (batch, time)."""

    loss: Tensor
    clipped: Tensor
    clipfrac: Tensor
    error: Tensor


def _zeroed(x: Tensor, mask: Tensor) -> Tensor:
    """`x` with 0 outside the mask. `where`, not a product: NaN times 0 is NaN."""
    return torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))


def masked_mean(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of `x` where `mask` is True, over everything or along `dim`. An empty mask gives 0."""
    kept = _zeroed(x, mask)
    count = mask.sum() if dim is None else mask.sum(dim)
    total = kept.sum() if dim is None else kept.sum(dim)
    return total / count.clamp(min=1)


def masked_var(x: Tensor, mask: Tensor, unbiased: bool = True) -> Tensor:
    """Variance of `x` where `mask` is True; `unbiased` divides by n - 1. Fewer than two counted tokens: 0."""
    count = mask.sum()
    centred = _zeroed(x - masked_mean(x, mask), mask)
    divisor = count - 1 if unbiased else count
    return torch.where(count > 1, (centred**2).sum() / divisor.clamp(min=1), torch.zeros_like(centred.sum()))


def explained_variance(returns: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) over the mask: 1 is perfect, 0 no better than a constant. NaN
    for constant returns. values: (batch, time), from before the update, so that what the critic learned from
    these returns does not count (as in OpenAI baselines).
    """
    variance = masked_var(returns, mask)
    explained = 1 - masked_var(_zeroed(returns, mask) - _zeroed(values, mask), mask) / variance
    return torch.where(variance > 0, explained, torch.full_like(variance, torch.nan))


def masked_whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """`x` scaled to variance 1 and, with `shift_mean`, shifted to mean 0 over the mask; 0 outside it.

    (x - mean) / sqrt(var + 1e-8), over the whole tensor: over the rollout batch, never a minibatch.
    """
    mean, var = masked_mean(x, mask), masked_var(x, mask)
    whitened = (_zeroed(x, mask) - mean) * torch.rsqrt(var + 1e-8)
    return _zeroed(whitened if shift_mean else whitened + mean, mask)


def logprobs_from_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each label: log softmax(logits)[labels].

    logits: (batch, time, vocabulary), already divided by the temperature; labels: (batch, time) token ids.
    Returns (batch, time). The full log softmax is never materialised: a gather and a logsumexp suffice.
    """
    chosen = logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return chosen - torch.logsumexp(logits, dim=-1)


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Softmax entropy in nats: logsumexp(l) - sum p l. (batch, time, vocabulary) to (batch, time)."""
    probabilities = torch.softmax(logits, dim=-1)
    # A logit of -inf has probability 0 and adds nothing; 0 * -inf would be NaN.
    finite = torch.where(logits == -torch.inf, torch.zeros_like(logits), logits)
    return torch.logsumexp(logits, dim=-1) - (probabilities * finite).sum(-1)


def token_rewards(
    scores: Tensor,
    logprobs: Tensor,
    ref_logprobs: Tensor,
    mask: Tensor,
    kl_coef: float,
    kl_estimator: KLEstimator = "k1",
) -> TokenRewards:
    """r_t = -kl_coef * kl_t, plus the sample's score at its last response token (Ziegler 2019, 2.2).

    scores: (batch,); logprobs, ref_logprobs, mask: (batch, time). kl_t is the estimate: with k1, logprob_t -
    ref_logprob_t. A row with an empty mask gets 0.
    """
    kl = KL_ESTIMATORS[kl_estimator](logprobs, ref_logprobs, mask)
    kl_penalty = -kl_coef * kl
    rewards = kl_penalty + torch.where(last_token(mask), scores.unsqueeze(1), torch.zeros_like(kl_penalty))
    return TokenRewards(rewards, kl, kl_penalty)


KLEstimator = Literal["k1", "k2", "k3"]


def _k1(logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor) -> Tensor:
    """log(policy / reference): unbiased, but negative for about half of all tokens."""
    return _zeroed(logprobs, mask) - _zeroed(ref_logprobs, mask)


def _k2(logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor) -> Tensor:
    """Half its square: biased, never negative."""
    return 0.5 * _k1(logprobs, ref_logprobs, mask) ** 2


KL_ESTIMATORS: dict[KLEstimator, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "k1": _k1,
    "k2": _k2,
    "k3": lambda logprobs, ref_logprobs, mask: k3(ref_logprobs, logprobs, mask),
}
"""Per-token estimates of KL(policy, reference) on text sampled by the policy (Schulman 2020)."""


def last_token(mask: Tensor) -> Tensor:
    """(batch, time) mask of each row's last counted token."""
    later = mask.flip(1).cumsum(1).flip(1)
    return mask & (later == 1)


def td_residuals(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """delta_t = r_t + gamma V_{t+1} - V_t, with V = 0 after the last token (GAE, eq. 10). 0 outside mask."""
    rewards, values = _zeroed(rewards, mask), _zeroed(values, mask)
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    return _zeroed(rewards + gamma * following - values, mask)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimates and returns: A_t = delta_t + gamma lam A_{t+1}, return_t = A_t + V_t
    (GAE, eq. 16).

    rewards, values, mask: (batch, time). Both results are 0 outside the mask.
    """
    deltas = td_residuals(rewards, values, mask, gamma)
    running = torch.zeros_like(deltas[:, 0])
    backwards = []
    for t in reversed(range(deltas.shape[1])):
        running = deltas[:, t] + gamma * lam * running
        backwards.append(running)
    advantages = _zeroed(torch.stack(backwards[::-1], dim=1), mask)
    return advantages, _zeroed(advantages + _zeroed(values, mask), mask)


def k_step_advantages(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, k: int) -> Tensor:
    """A(k)_t = delta_t + gamma delta_{t+1} + ... + gamma^(k-1) delta_{t+k-1}, cut at the end (GAE, 14)."""
    if k < 1:
        raise ValueError(f"k = {k}: an advantage looks at least one step ahead; allowed: k >= 1")
    deltas = td_residuals(rewards, values, mask, gamma)
    total, shifted = torch.zeros_like(deltas), deltas
    for step in range(min(k, deltas.shape[1])):
        total = total + gamma**step * shifted
        shifted = torch.cat([shifted[:, 1:], torch.zeros_like(shifted[:, :1])], dim=1)
    return _zeroed(total, mask)


def policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, cliprange: float
) -> PolicyLoss:
    """The clipped surrogate, to be minimised: mean of max(-A ratio, -A clip(ratio, 1 - eps, 1 + eps)) (PPO,
    eq. 7).

    A clip binds where the clipped term is strictly greater: only there does it change the loss, and zero the
    gradient. `approxkl` is half the mean squared difference of the log-probabilities.
    """
    log_ratio = _zeroed(logprobs, mask) - _zeroed(old_logprobs, mask)
    ratio = torch.exp(log_ratio.clamp(max=LARGEST_LOG_RATIO))
    surrogate, clipped = clipped_surrogate(ratio, advantages, mask, cliprange)
    return PolicyLoss(
        loss=masked_mean(surrogate, mask),
        ratio=ratio,
        clipped=clipped,
        clipfrac=masked_mean(clipped.to(ratio.dtype), mask),
        approxkl=0.5 * masked_mean(log_ratio**2, mask),
    )


def clipped_surrogate(
    ratio: Tensor, advantages: Tensor, mask: Tensor, cliprange: float
) -> tuple[Tensor, Tensor]:
    """Each token's max(-A ratio, -A clip(ratio, 1 - eps, 1 + eps)), and where it binds (PPO, eq. 7)."""
    ratio, advantages = _zeroed(ratio, mask), _zeroed(advantages, mask)
    unclipped = -advantages * ratio
    held = -advantages * ratio.clamp(1 - cliprange, 1 + cliprange)
    return _zeroed(torch.maximum(unclipped, held), mask), (held > unclipped) & mask


def value_loss(
    vpreds: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, cliprange_value: float
) -> ValueLoss:
    """Half the mean of max((V - R)^2, (V_clipped - R)^2), V_clipped within cliprange_value of the old value.

    As in Ziegler et al.'s code (lm-human-preferences, `train_policy.py`). The clip binds where its term is
    strictly greater.
    """
    greater, clipped = clipped_squares(vpreds, old_values, returns, mask, cliprange_value)
    return ValueLoss(
        loss=0.5 * masked_mean(greater, mask),
        clipped=clipped,
        clipfrac=masked_mean(clipped.to(greater.dtype), mask),
        error=masked_mean((_zeroed(vpreds, mask) - _zeroed(returns, mask)) ** 2, mask),
    )


def clipped_squares(
    vpreds: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, cliprange_value: float
) -> tuple[Tensor, Tensor]:
    """Each token's max((V - R)^2, (V_clipped - R)^2), 0 outside the mask, and where the clip binds."""
    vpreds, old_values, returns = _zeroed(vpreds, mask), _zeroed(old_values, mask), _zeroed(returns, mask)
    held = torch.clamp(vpreds, old_values - cliprange_value, old_values + cliprange_value)
    squared, squared_held = (vpreds - returns) ** 2, (held - returns) ** 2
    return torch.maximum(squared, squared_held), (squared_held > squared) & mask


def total_loss(
    policy_loss: Tensor, value_loss: Tensor, entropy: Tensor, vf_coef: float, ent_coef: float
) -> Tensor:
    """policy_loss + vf_coef * value_loss - ent_coef * entropy (PPO, eq. 9, with the sign of a loss)."""
    return policy_loss + vf_coef * value_loss - ent_coef * entropy


def k3(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> Tensor:
    """(batch, time) estimate of KL(old, new): ratio - 1 - log ratio, never negative (Schulman 2020)."""
    log_ratio = (_zeroed(logprobs, mask) - _zeroed(old_logprobs, mask)).clamp(max=LARGEST_LOG_RATIO)
    return torch.expm1(log_ratio) - log_ratio


def clip_case(ratio: Tensor, advantages: Tensor, cliprange: float) -> Tensor:
    """Each token's index into `CLIP_CASES` (PPO, figure 1): 0 for a zero advantage; edges are inside."""
    side = 1 + (ratio > 1 + cliprange).long() - (ratio < 1 - cliprange).long()
    case = torch.where(advantages > 0, 1 + side, 4 + side)
    return torch.where(advantages == 0, torch.zeros_like(case), case)


class FixedKLController:
    """A fixed KL coefficient."""

    def __init__(self, kl_coef: float) -> None:
        self.value = kl_coef

    def update(self, kl: float, n: int) -> None:
        """Does nothing: the coefficient is fixed."""


class AdaptiveKLController:
    """Moves the KL coefficient towards the one that holds `objective/kl` at `target` (Ziegler 2019, 2.2).

    error = clip(kl / target - 1, -0.2, 0.2);  value *= 1 + error * min(n / horizon, 1)

    The paper's factor turns negative for batches of more than five horizons; with the minimum it stays
    between 0.8 and 1.2.
    """

    def __init__(self, init_kl_coef: float, target: float, horizon: float) -> None:
        self.value = init_kl_coef
        self.target = target
        self.horizon = horizon

    def update(self, kl: float, n: int) -> None:
        """kl: the step's `objective/kl` in nats per sample; n: its number of samples."""
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.value *= 1 + error * min(n / self.horizon, 1.0)
