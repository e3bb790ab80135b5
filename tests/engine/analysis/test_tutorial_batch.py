"""The numbers that the notebook prints, reproduced. They are rounded to 4 decimals, so each may be off by
0.00005.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ppo_engine import ppo

NOTEBOOK: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "notebook_tables.json").read_text()
)
ROUNDING = 0.5e-4
GAMMA, LAM = NOTEBOOK["settings"]["gamma"], NOTEBOOK["settings"]["lam"]


def table(name: str) -> Tensor:
    return torch.tensor(NOTEBOOK[name], dtype=torch.float64)


VALUES, ADVANTAGES, RETURNS, WHITENED = map(table, ("values", "advantages", "returns", "whitened_advantages"))
MASK = VALUES != 0


def shifted(x: Tensor) -> Tensor:
    return torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)


def within(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual[MASK], expected[MASK], rtol=0, atol=tolerance)


def test_the_mask_is_that_of_the_responses() -> None:
    assert MASK.sum(1).tolist() == NOTEBOOK["response_lengths"]


def test_advantages() -> None:
    """The rewards are not printed; they follow from the printed numbers, token by token. No rounding comes
    between.
    """
    rewards = ADVANTAGES - GAMMA * LAM * shifted(ADVANTAGES) - GAMMA * shifted(VALUES) + VALUES
    advantages, _ = ppo.gae(rewards, VALUES, MASK, GAMMA, LAM)
    within(advantages, ADVANTAGES, 1e-12)


def test_returns() -> None:
    """Advantage, value and return are each rounded: three roundings."""
    rewards = ADVANTAGES - GAMMA * LAM * shifted(ADVANTAGES) - GAMMA * shifted(VALUES) + VALUES
    _, returns = ppo.gae(rewards, VALUES, MASK, GAMMA, LAM)
    within(returns, RETURNS, 3 * ROUNDING + 1e-9)


def test_advantages_from_the_returns() -> None:
    """Another way in, through the printed returns: three roundings again."""
    within(RETURNS - VALUES, ADVANTAGES, 3 * ROUNDING + 1e-9)


def test_whitening() -> None:
    """One rounding of the printed result, and one of each advantage, divided by the standard deviation of
    1.477.

    The mean's and the deviation's own errors are averages of 35 roundings, a few 1e-6, and are left no room.
    """
    within(ppo.masked_whiten(ADVANTAGES, MASK), WHITENED, ROUNDING + ROUNDING / 1.477)


def test_whitening_is_over_the_responses_alone() -> None:
    """The notebook prints a whitened 0 in the padding: minus the mean over the deviation, 0.4024. Ours is 0
    there.
    """
    padding = ~MASK & (ADVANTAGES == 0)
    mean, deviation = ppo.masked_mean(ADVANTAGES, MASK), ppo.masked_var(ADVANTAGES, MASK).sqrt()
    torch.testing.assert_close(
        WHITENED[padding], (-mean / deviation).expand(int(padding.sum())), rtol=0, atol=ROUNDING + 1e-5
    )
    assert not ppo.masked_whiten(ADVANTAGES, MASK)[~MASK].any()


FIRST = NOTEBOOK["first_pass"]


@pytest.fixture
def first_pass_mask() -> Tensor:
    """The responses of the first pass end at the printed positions; where they start does not matter here."""
    positions = torch.arange(FIRST["sequence_length"])
    return positions <= torch.tensor(FIRST["score_position"]).unsqueeze(1)


def test_first_pass_rewards(first_pass_mask: Tensor) -> None:
    """Policy and reference are the same: 0 at every token but the last, which has the score."""
    logprobs = -torch.rand(
        first_pass_mask.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    scores = torch.tensor(FIRST["scores"], dtype=torch.float64)
    result = ppo.token_rewards(scores, logprobs, logprobs, first_pass_mask, kl_coef=0.2)
    expected = torch.zeros_like(logprobs)
    for sample, (position, score) in enumerate(zip(FIRST["score_position"], FIRST["scores"], strict=True)):
        expected[sample, position] = score
    assert torch.equal(result.rewards, expected)


def test_first_pass_losses() -> None:
    """Ratios are 1 and the whitened advantages have mean 0, so the policy loss is 0: total = 0.1 · 10.9744 =
    1.0974.
    """
    logprobs = -torch.rand(MASK.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = ppo.policy_loss(logprobs, logprobs, ppo.masked_whiten(ADVANTAGES, MASK), MASK, cliprange=0.2)
    assert abs(result.loss) < 1e-15
    assert result.clipfrac == result.approxkl == 0
    total = ppo.total_loss(
        result.loss, torch.tensor(10.9744, dtype=torch.float64), torch.tensor(5.0), vf_coef=0.1, ent_coef=0.0
    )
    assert float(total) == pytest.approx(1.0974, abs=ROUNDING)
