"""From scores to targets, in one place: by hand, and as its parts."""

from __future__ import annotations

import pytest
import torch

from ppo_engine import ppo
from ppo_engine.targets import score_targets, targets

MASK = torch.tensor([[True, True], [True, False]])


def test_targets_by_hand() -> None:
    """Values 0, gamma 0.5, lambda 1: A_t = r_t + 0.5 A_{t+1}, so 1 + 0.5 x 2 = 2, 2 and 4; returns the same.

    Whitened by their mean 8/3 and unbiased variance 4/3.
    """
    rewards = torch.tensor([[1.0, 2.0], [4.0, 0.0]])
    made = targets(rewards, torch.zeros(2, 2), MASK, gamma=0.5, lam=1.0)
    assert made.advantages.tolist() == [[2.0, 2.0], [4.0, 0.0]] == made.returns.tolist()
    spread = (4 / 3 + 1e-8) ** 0.5
    wanted = [[(2 - 8 / 3) / spread] * 2, [(4 - 8 / 3) / spread, 0.0]]
    assert torch.allclose(made.whitened, torch.tensor(wanted), atol=1e-6)
    plain = targets(rewards, torch.zeros(2, 2), MASK, gamma=0.5, lam=1.0, whiten=False)
    assert torch.equal(plain.whitened, plain.advantages)


@pytest.mark.parametrize("estimator", ppo.KL_ESTIMATORS)
def test_from_scores_by_way_of_the_token_rewards(estimator: ppo.KLEstimator) -> None:
    generator = torch.Generator().manual_seed(0)
    logprobs, reference, values = (torch.randn(2, 2, generator=generator) for _ in range(3))
    scores = torch.tensor([1.0, -2.0])
    rewards, made = score_targets(
        scores, logprobs, reference, values, MASK, kl_coef=0.3, gamma=0.9, lam=0.8, kl_estimator=estimator
    )
    assert torch.equal(rewards.rewards, made.rewards)
    own = ppo.token_rewards(scores, logprobs, reference, MASK, 0.3, estimator)
    advantages, returns = ppo.gae(own.rewards, values, MASK, 0.9, 0.8)
    assert torch.equal(made.advantages, advantages) and torch.equal(made.returns, returns)
    assert torch.equal(made.whitened, ppo.masked_whiten(advantages, MASK))
