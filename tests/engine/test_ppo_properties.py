"""What must hold of the formulas whatever the numbers, and above all whatever stands in the padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from ppo_engine import ppo
from tests.engine.tables import floats, masks, with_junk

UNIT = st.floats(0, 1, allow_subnormal=False)


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


# Each takes tables and a mask, and gives everything that the formula gives.
FORMULAS: dict[str, tuple[int, Callable[..., Any]]] = {
    "masked_mean": (1, lambda x, mask: ppo.masked_mean(x, mask)),
    "masked_mean along time": (1, lambda x, mask: ppo.masked_mean(x, mask, dim=1)),
    "masked_var": (1, lambda x, mask: ppo.masked_var(x, mask)),
    "masked_whiten": (1, lambda x, mask: ppo.masked_whiten(x, mask)),
    "masked_whiten without shift": (1, lambda x, mask: ppo.masked_whiten(x, mask, shift_mean=False)),
    "token_rewards": (
        2,
        lambda x, y, mask: ppo.token_rewards(torch.ones(len(x), dtype=x.dtype), x, y, mask, 0.2),
    ),
    "td_residuals": (2, lambda x, y, mask: ppo.td_residuals(x, y, mask, 0.9)),
    "gae": (2, lambda x, y, mask: ppo.gae(x, y, mask, 0.9, 0.8)),
    "k_step_advantages": (2, lambda x, y, mask: ppo.k_step_advantages(x, y, mask, 0.9, 2)),
    "policy_loss": (3, lambda x, y, z, mask: ppo.policy_loss(x, y, z, mask, 0.2)),
    "value_loss": (3, lambda x, y, z, mask: ppo.value_loss(x, y, z, mask, 0.2)),
    "k3": (2, lambda x, y, mask: ppo.k3(x, y, mask)),
}


def outputs_and_gradients(
    formula: Callable[..., Any], tables: list[Tensor], mask: Tensor
) -> tuple[list[Tensor], list[Tensor | None]]:
    """The formula's outputs, and the gradients of their weighted sum in each table."""
    leaves = [table.clone().requires_grad_() for table in tables]
    result = formula(*leaves, mask)
    outputs = [result] if isinstance(result, Tensor) else list(result)
    smooth = [output for output in outputs if output.requires_grad]
    weights = [torch.arange(1.0, output.numel() + 1, dtype=output.dtype).view_as(output) for output in smooth]
    sum((output * weight).sum() for output, weight in zip(smooth, weights, strict=True)).backward()
    return [output.detach() for output in outputs], [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
def test_padding_never_changes_a_number_or_a_gradient(name: str, data: st.DataObject) -> None:
    """NaN, infinity or 1e30 in the padding: the same bits come out as with 0 there, and no
    gradient goes in.
    """
    count, formula = FORMULAS[name]
    mask = data.draw(masks())
    tables = [torch.where(mask, data.draw(floats(mask)), 0.0) for _ in range(count)]
    clean, clean_gradients = outputs_and_gradients(formula, tables, mask)
    spoiled, gradients = outputs_and_gradients(
        formula, [with_junk(data.draw, table, mask) for table in tables], mask
    )
    assert all(map(torch.equal, spoiled, clean))
    for gradient, clean_gradient in zip(gradients, clean_gradients, strict=True):
        assert (gradient is None) == (clean_gradient is None)
        if gradient is not None and clean_gradient is not None:
            assert torch.equal(gradient, clean_gradient)
            assert not gradient[~mask].any()


@pytest.mark.parametrize(
    "name",
    [
        "masked_whiten",
        "masked_whiten without shift",
        "token_rewards",
        "td_residuals",
        "gae",
        "k_step_advantages",
        "k3",
    ],
)
@given(data=st.data())
def test_tables_are_0_in_the_padding(name: str, data: st.DataObject) -> None:
    count, formula = FORMULAS[name]
    mask = data.draw(masks())
    result = formula(*(with_junk(data.draw, data.draw(floats(mask)), mask) for _ in range(count)), mask)
    for output in [result] if isinstance(result, Tensor) else result:
        assert not output[~mask].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_number_format_is_kept(name: str, dtype: torch.dtype) -> None:
    count, formula = FORMULAS[name]
    result = formula(*(torch.rand(2, 3).to(dtype) for _ in range(count)), torch.ones(2, 3, dtype=torch.bool))
    for output in [result] if isinstance(result, Tensor) else result:
        assert output.dtype in (dtype, torch.bool)


@given(data=st.data(), unbiased=st.booleans())
def test_fewer_than_two_counted_tokens_have_variance_0(data: st.DataObject, unbiased: bool) -> None:
    mask = data.draw(masks())
    cells = mask.nonzero()
    mask = torch.zeros_like(mask)
    if len(cells) and data.draw(st.booleans()):
        mask[tuple(cells[0])] = True
    assert ppo.masked_var(with_junk(data.draw, data.draw(floats(mask)), mask), mask, unbiased) == 0


@given(data=st.data())
def test_whitened_numbers_have_mean_0_and_variance_1(data: st.DataObject) -> None:
    mask = data.draw(masks(min_tokens=2))
    x = data.draw(floats(mask))
    # 1e-8 is added to the variance: 1 part in a million at most
    assume(mask.sum() > 1 and x[mask].var() > 1e-2)
    whitened = ppo.masked_whiten(x, mask)[mask]
    assert abs(whitened.mean()) < 1e-12
    assert abs(whitened.var() - 1) < 1e-6


@given(data=st.data(), gamma=UNIT)
def test_lambda_1_is_the_monte_carlo_return_minus_the_value(data: st.DataObject, gamma: float) -> None:
    mask = data.draw(masks())
    rewards, values = (torch.where(mask, data.draw(floats(mask)), 0.0) for _ in range(2))
    monte_carlo, running = [], torch.zeros(len(mask), dtype=rewards.dtype)
    for t in reversed(range(mask.shape[1])):
        running = rewards[:, t] + gamma * running
        monte_carlo.insert(0, running)
    returns = torch.where(mask, torch.stack(monte_carlo, dim=1), 0.0)
    advantages, estimated = ppo.gae(rewards, values, mask, gamma, lam=1.0)
    close(advantages, returns - values)
    close(estimated, returns)


@given(data=st.data(), gamma=UNIT)
def test_lambda_0_is_the_residual(data: st.DataObject, gamma: float) -> None:
    mask = data.draw(masks())
    rewards, values = (data.draw(floats(mask)) for _ in range(2))
    assert torch.equal(
        ppo.gae(rewards, values, mask, gamma, lam=0.0)[0], ppo.td_residuals(rewards, values, mask, gamma)
    )


@given(data=st.data(), gamma=UNIT)
def test_one_step_ahead_is_the_residual_and_all_steps_ahead_is_lambda_1(
    data: st.DataObject, gamma: float
) -> None:
    mask = data.draw(masks())
    rewards, values = (data.draw(floats(mask)) for _ in range(2))
    assert torch.equal(
        ppo.k_step_advantages(rewards, values, mask, gamma, 1), ppo.td_residuals(rewards, values, mask, gamma)
    )
    everything = ppo.gae(rewards, values, mask, gamma, lam=1.0)[0]
    longest = mask.shape[1]
    for k in (longest, longest + 3):
        close(ppo.k_step_advantages(rewards, values, mask, gamma, k), everything)


@given(data=st.data(), gamma=UNIT, lam=UNIT)
def test_gae_is_the_lambda_weighted_sum_of_the_k_step_estimates(
    data: st.DataObject, gamma: float, lam: float
) -> None:
    """(1 - λ) (A1 + λ A2 + λ² A3 + ...) (GAE, eq. 16); from k = T on all are alike, and share the remaining
    weight.
    """
    mask = data.draw(masks())
    rewards, values = (data.draw(floats(mask)) for _ in range(2))
    longest = mask.shape[1]
    total = lam ** (longest - 1) * ppo.k_step_advantages(rewards, values, mask, gamma, longest)
    for k in range(1, longest):
        total = total + (1 - lam) * lam ** (k - 1) * ppo.k_step_advantages(rewards, values, mask, gamma, k)
    close(total, ppo.gae(rewards, values, mask, gamma, lam)[0])


@given(data=st.data(), cliprange=st.floats(0.01, 1))
def test_ratio_1_is_the_plain_policy_gradient(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    logprobs, advantages = data.draw(floats(mask)), data.draw(floats(mask))
    result = ppo.policy_loss(logprobs, logprobs.clone(), advantages, mask, cliprange)
    assert torch.equal(result.ratio, torch.ones_like(logprobs))
    assert not result.clipped.any()
    assert result.clipfrac == result.approxkl == 0
    close(result.loss, -ppo.masked_mean(advantages, mask))


@given(data=st.data(), cliprange=st.floats(0.01, 1))
def test_a_clip_binds_in_the_two_cases_that_say_so(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    new, old, advantages = (data.draw(floats(mask)) for _ in range(3))
    result = ppo.policy_loss(new, old, advantages, mask, cliprange)
    # At the very edge, clipped and free loss can round to the same number: then neither is the greater.
    assume(
        ((result.ratio - 1).abs() - cliprange).abs().min() > 1e-9
        and not (advantages.abs() < 1e-9).logical_and(advantages != 0).any()
    )
    case = ppo.clip_case(result.ratio, advantages, cliprange)
    assert torch.equal(result.clipped, ((case == 3) | (case == 4)) & mask)
    assert result.clipfrac == ppo.masked_mean(result.clipped.double(), mask)


@given(data=st.data(), cliprange=st.floats(0.01, 1))
def test_a_zero_advantage_binds_nowhere(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    new, old = data.draw(floats(mask)), data.draw(floats(mask))
    result = ppo.policy_loss(new, old, torch.zeros_like(new), mask, cliprange)
    assert not result.clipped.any()
    assert not ppo.clip_case(result.ratio, torch.zeros_like(new), cliprange).any()


@given(data=st.data(), cliprange=st.floats(0.01, 1))
def test_clipping_never_lowers_a_loss(data: st.DataObject, cliprange: float) -> None:
    """The objective is a pessimistic bound (PPO, section 3)."""
    mask = data.draw(masks())
    x, y, z = (data.draw(floats(mask)) for _ in range(3))
    assert ppo.policy_loss(x, y, z, mask, cliprange).loss >= -ppo.masked_mean(z * (x - y).exp(), mask) - 1e-9
    value = ppo.value_loss(x, y, z, mask, cliprange)
    assert value.loss >= 0.5 * value.error - 1e-12


@given(data=st.data(), cliprange=st.floats(0.01, 10))
def test_values_that_did_not_move_are_not_clipped(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    values, returns = data.draw(floats(mask)), data.draw(floats(mask))
    result = ppo.value_loss(values, values.clone(), returns, mask, cliprange)
    assert result.clipfrac == 0
    close(result.loss, 0.5 * ppo.masked_mean((values - returns) ** 2, mask))


@given(data=st.data())
def test_k3_is_never_negative_and_0_where_nothing_moved(data: st.DataObject) -> None:
    mask = data.draw(masks())
    new, old = data.draw(floats(mask)), data.draw(floats(mask))
    assert (ppo.k3(new, old, mask) >= 0).all()
    assert not ppo.k3(new, new, mask).any()


def test_k3_estimates_the_kl_of_two_distributions() -> None:
    """Weighted by the old distribution, k3 is KL(old, new): here over 5 choices, exactly."""
    old, new = torch.log_softmax(
        torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    estimate = (old.exp() * ppo.k3(new[None], old[None], torch.ones(1, 5, dtype=torch.bool))[0]).sum()
    close(estimate, (old.exp() * (old - new)).sum(), 1e-14)


@given(st.floats(0.01, 5), st.floats(-50, 200), st.floats(0.1, 50), st.integers(1, 4096), st.floats(1, 1e6))
def test_the_controller_moves_towards_its_target_by_a_fifth_of_n_over_horizon_at_most(
    value: float, kl: float, target: float, n: int, horizon: float
) -> None:
    controller = ppo.AdaptiveKLController(value, target, horizon)
    controller.update(kl, n)
    step = controller.value / value - 1
    assert abs(step) <= 0.2 * n / horizon * (1 + 1e-9) + 1e-15
    if abs(kl / target - 1) > 1e-6 and n / horizon > 1e-6:
        assert (step > 0) == (kl > target)
