"""Every formula against the independent loops, in float64: they differ by the order of additions alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ppo_engine import ppo
from tests.engine import reference_loops as loops
from tests.engine.tables import floats, masks, with_junk

COEFFICIENT = st.floats(0, 1, allow_subnormal=False)


def same(actual: Tensor, expected: Any) -> None:
    """float64 sums of a few dozen numbers below 100 agree to some 1e-13."""
    torch.testing.assert_close(
        actual.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-11, atol=1e-11
    )


@given(st.data())
def test_masked_statistics(data: st.DataObject) -> None:
    mask = data.draw(masks())
    x = with_junk(data.draw, data.draw(floats(mask)), mask)
    same(ppo.masked_mean(x, mask), loops.masked_mean(x.tolist(), mask.tolist()))
    same(
        ppo.masked_mean(x, mask, dim=1),
        [loops.masked_mean([xs], [ms]) for xs, ms in zip(x.tolist(), mask.tolist(), strict=True)],
    )
    for unbiased in (True, False):
        same(ppo.masked_var(x, mask, unbiased), loops.masked_var(x.tolist(), mask.tolist(), unbiased))


@given(st.data())
@pytest.mark.parametrize("shift_mean", [True, False])
def test_masked_whiten(shift_mean: bool, data: st.DataObject) -> None:
    mask = data.draw(masks())
    x = with_junk(data.draw, data.draw(floats(mask)), mask)
    expected = torch.tensor(loops.masked_whiten(x.tolist(), mask.tolist(), shift_mean), dtype=torch.float64)
    # Nearly equal numbers are scaled up by at most 1 / √1e-8 = 1e4, and their rounding error of 1e-15 with
    # them.
    torch.testing.assert_close(ppo.masked_whiten(x, mask, shift_mean), expected, rtol=1e-11, atol=1e-10)


@given(st.data())
def test_logprobs_and_entropy(data: st.DataObject) -> None:
    mask = data.draw(masks())
    logits = torch.stack([data.draw(floats(mask, -30, 30)) for _ in range(5)], dim=-1)
    labels = torch.arange(mask.numel()).view_as(mask.long()) % 5
    same(
        ppo.logprobs_from_logits(logits, labels), loops.logprobs_from_logits(logits.tolist(), labels.tolist())
    )
    same(ppo.entropy_from_logits(logits), loops.entropy_from_logits(logits.tolist()))


@given(st.data(), COEFFICIENT)
def test_token_rewards(data: st.DataObject, kl_coef: float) -> None:
    mask = data.draw(masks())
    logprobs, ref = (with_junk(data.draw, data.draw(floats(mask, -9, 0)), mask) for _ in range(2))
    scores = data.draw(floats(mask))[:, 0]
    expected = loops.token_rewards(scores.tolist(), logprobs.tolist(), ref.tolist(), mask.tolist(), kl_coef)
    for actual, wanted in zip(ppo.token_rewards(scores, logprobs, ref, mask, kl_coef), expected, strict=True):
        same(actual, wanted)


@given(st.data(), COEFFICIENT, COEFFICIENT, st.integers(1, 9))
def test_advantages(data: st.DataObject, gamma: float, lam: float, k: int) -> None:
    mask = data.draw(masks())
    rewards, values = (with_junk(data.draw, data.draw(floats(mask)), mask) for _ in range(2))
    tables = (rewards.tolist(), values.tolist(), mask.tolist())
    same(ppo.td_residuals(rewards, values, mask, gamma), loops.td_residuals(*tables, gamma))
    same(ppo.k_step_advantages(rewards, values, mask, gamma, k), loops.k_step_advantages(*tables, gamma, k))
    advantages, returns = loops.gae(*tables, gamma, lam)
    same(ppo.gae(rewards, values, mask, gamma, lam)[0], advantages)
    same(ppo.gae(rewards, values, mask, gamma, lam)[1], returns)


@given(st.data(), st.floats(0.01, 1))
def test_policy_loss_k3_and_clip_case(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    new, old, advantages = (with_junk(data.draw, data.draw(floats(mask)), mask) for _ in range(3))
    result = ppo.policy_loss(new, old, advantages, mask, cliprange)
    for name, expected in loops.policy_loss(
        new.tolist(), old.tolist(), advantages.tolist(), mask.tolist(), cliprange
    ).items():
        if name not in (
            "clipped",
            "clipfrac",
        ):  # within a rounding error of the edge either answer is right; see the properties
            same(getattr(result, name), expected)
    same(ppo.k3(new, old, mask), loops.k3(new.tolist(), old.tolist(), mask.tolist()))
    cases = ppo.clip_case(result.ratio, advantages.nan_to_num(), cliprange)
    names = [[ppo.CLIP_CASES[case] for case in row] for row in cases.tolist()]
    assert names == loops.clip_case(result.ratio.tolist(), advantages.nan_to_num().tolist(), cliprange)


@given(st.data(), st.floats(0.01, 10))
def test_value_loss(data: st.DataObject, cliprange: float) -> None:
    mask = data.draw(masks())
    new, old, returns = (with_junk(data.draw, data.draw(floats(mask)), mask) for _ in range(3))
    result = ppo.value_loss(new, old, returns, mask, cliprange)
    for name, expected in loops.value_loss(
        new.tolist(), old.tolist(), returns.tolist(), mask.tolist(), cliprange
    ).items():
        same(getattr(result, name), expected)


def test_clipped_tokens_of_a_fixed_batch() -> None:
    """Far from the edges the two must agree on every token, not only on the loss."""
    generator = torch.Generator().manual_seed(0)
    new, old, advantages = (torch.randn(20, 10, generator=generator, dtype=torch.float64) for _ in range(3))
    mask = torch.arange(10) < torch.arange(20).unsqueeze(1) % 11
    result = ppo.policy_loss(new, old, advantages, mask, 0.2)
    expected = loops.policy_loss(new.tolist(), old.tolist(), advantages.tolist(), mask.tolist(), 0.2)
    same(result.clipped, expected["clipped"])
    same(result.clipfrac, expected["clipfrac"])
    assert 0.2 < result.clipfrac < 0.8


@given(*(st.floats(-9, 9) for _ in range(5)))
def test_total_loss(policy: float, value: float, entropy: float, vf_coef: float, ent_coef: float) -> None:
    tensors = (torch.tensor(x, dtype=torch.float64) for x in (policy, value, entropy))
    same(
        ppo.total_loss(*tensors, vf_coef, ent_coef),
        loops.total_loss(policy, value, entropy, vf_coef, ent_coef),
    )


@given(st.floats(0.01, 5), st.floats(-20, 90), st.floats(0.1, 50), st.integers(1, 4096), st.floats(10, 1e6))
def test_adaptive_controller(value: float, kl: float, target: float, n: int, horizon: float) -> None:
    controller = ppo.AdaptiveKLController(value, target, horizon)
    controller.update(kl, n)
    assert controller.value == pytest.approx(loops.adaptive_kl_coef(value, kl, target, n, horizon), rel=1e-14)
