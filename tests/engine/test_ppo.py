"""The formulas against numbers worked by hand; the arithmetic stands beside each."""

from __future__ import annotations

import math

import pytest
import torch

from ppo_engine import ppo

NAN = float("nan")


def row(*numbers: float) -> torch.Tensor:
    """(1, time) float64."""
    return torch.tensor([numbers], dtype=torch.float64)


def marks(text: str) -> torch.Tensor:
    """(1, time) mask from "xx.": x counts."""
    return torch.tensor([[letter == "x" for letter in text]])


def close(actual: object, expected: object) -> bool:
    torch.testing.assert_close(
        torch.as_tensor(actual, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=0,
        atol=1e-12,
    )
    return True


def test_masked_mean() -> None:
    assert close(ppo.masked_mean(row(1, 2, 6, NAN), marks("xxx.")), 3)  # (1 + 2 + 6) / 3


def test_masked_mean_along_a_dimension() -> None:
    x = torch.tensor([[1.0, 3.0, NAN], [NAN, NAN, NAN], [5.0, NAN, 7.0]], dtype=torch.float64)
    assert close(ppo.masked_mean(x, ~x.isnan(), dim=1), [2, 0, 6])  # (1 + 3) / 2; nothing; (5 + 7) / 2
    assert close(ppo.masked_mean(x, ~x.isnan(), dim=0), [3, 3, 7])  # (1 + 5) / 2; 3; 7


def test_masked_var() -> None:
    # mean of 1, 2, 6 is 3; squares 4 + 1 + 9 = 14; 14 / 2 and 14 / 3
    assert close(ppo.masked_var(row(1, 2, NAN, 6), marks("xx.x")), 7)
    assert close(ppo.masked_var(row(1, 2, NAN, 6), marks("xx.x"), unbiased=False), 14 / 3)


@pytest.mark.parametrize("mask", ["...", ".x."])
@pytest.mark.parametrize("unbiased", [True, False])
def test_fewer_than_two_counted_tokens_have_variance_0(mask: str, unbiased: bool) -> None:
    assert ppo.masked_var(row(5, 7, 9), marks(mask), unbiased=unbiased) == 0


def test_masked_whiten() -> None:
    # mean of 1, 2, 6 is 3 and the variance 7: (1 - 3) / √7, (2 - 3) / √7, (6 - 3) / √7; padding is 0
    root = math.sqrt(7 + 1e-8)
    assert close(ppo.masked_whiten(row(1, 2, NAN, 6), marks("xx.x")), [[-2 / root, -1 / root, 0, 3 / root]])
    assert close(
        ppo.masked_whiten(row(1, 2, NAN, 6), marks("xx.x"), shift_mean=False),
        [[3 - 2 / root, 3 - 1 / root, 0, 3 + 3 / root]],
    )


def test_one_token_whitens_to_0() -> None:
    assert close(ppo.masked_whiten(row(5, 7), marks("x.")), [[0, 0]])


def test_logprobs_from_logits() -> None:
    # softmax of (0, ln 3) is (1/4, 3/4)
    logits = torch.tensor([[[0, math.log(3)], [0, math.log(3)]]], dtype=torch.float64)
    assert close(
        ppo.logprobs_from_logits(logits, torch.tensor([[1, 0]])), [[math.log(3 / 4), math.log(1 / 4)]]
    )


def test_entropy_from_logits() -> None:
    # four equal choices: ln 4; two equal ones and two impossible ones: ln 2; (1/4, 3/4): ¼ ln 4 + ¾ ln 4/3
    impossible = -math.inf
    logits = torch.tensor(
        [[[7, 7, 7, 7], [1, 1, impossible, impossible], [0, math.log(3), impossible, impossible]]],
        dtype=torch.float64,
    )
    expected = [[math.log(4), math.log(2), math.log(4) / 4 + 3 * math.log(4 / 3) / 4]]
    assert close(ppo.entropy_from_logits(logits), expected)


def test_token_rewards() -> None:
    # kl = -1 + 1.5, -2 + 1; penalty = -0.2 kl = -0.1, 0.2; the score 2 comes with the last counted token: 0.2
    # + 2
    result = ppo.token_rewards(
        torch.tensor([2.0], dtype=torch.float64), row(-1, -2, NAN), row(-1.5, -1, NAN), marks("xx."), 0.2
    )
    assert close(result.kl, [[0.5, -1, 0]])
    assert close(result.kl_penalty, [[-0.1, 0.2, 0]])
    assert close(result.rewards, [[-0.1, 2.2, 0]])


def test_a_row_without_tokens_earns_nothing() -> None:
    result = ppo.token_rewards(
        torch.tensor([2.0], dtype=torch.float64), row(-1, -2), row(-3, -4), marks(".."), 0.2
    )
    assert close(result.rewards, [[0, 0]])


@pytest.mark.parametrize(
    ("mask", "last"), [("xxx", "..x"), ("xx.", ".x."), (".xx.", "..x."), ("x..", "x.."), ("...", "...")]
)
def test_last_token(mask: str, last: str) -> None:
    assert torch.equal(ppo.last_token(marks(mask)), marks(last))


REWARDS, VALUES = row(0, 0, 1, NAN), row(0.5, 0.25, 0.75, NAN)


def test_td_residuals() -> None:
    # 0 + 0.9 · 0.25 - 0.5;  0 + 0.9 · 0.75 - 0.25;  1 + 0 - 0.75, since nothing follows the last token
    assert close(ppo.td_residuals(REWARDS, VALUES, marks("xxx."), gamma=0.9), [[-0.275, 0.425, 0.25, 0]])


def test_gae() -> None:
    # gamma lam = 0.45: A2 = 0.25;  A1 = 0.425 + 0.45 · 0.25 = 0.5375;  A0 = -0.275 + 0.45 · 0.5375 =
    # -0.033125 return = A + V: -0.033125 + 0.5, 0.5375 + 0.25, 0.25 + 0.75
    advantages, returns = ppo.gae(REWARDS, VALUES, marks("xxx."), gamma=0.9, lam=0.5)
    assert close(advantages, [[-0.033125, 0.5375, 0.25, 0]])
    assert close(returns, [[0.466875, 0.7875, 1, 0]])


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, [-0.275, 0.425, 0.25, 0]),  # the residuals themselves
        (2, [0.1075, 0.65, 0.25, 0]),  # -0.275 + 0.9 · 0.425;  0.425 + 0.9 · 0.25;  0.25
        (3, [0.31, 0.65, 0.25, 0]),  # 0.81 · 1 - 0.5 = 0.31
        (9, [0.31, 0.65, 0.25, 0]),  # no further than the end
    ],
)
def test_k_step_advantages(k: int, expected: list[float]) -> None:
    assert close(ppo.k_step_advantages(REWARDS, VALUES, marks("xxx."), gamma=0.9, k=k), [expected])


def test_no_advantage_looks_less_than_one_step_ahead() -> None:
    with pytest.raises(ValueError, match="k = 0"):
        ppo.k_step_advantages(REWARDS, VALUES, marks("xxx."), gamma=0.9, k=0)


def test_policy_loss() -> None:
    # ratios 1.5, 0.5, 1.1, 1.5, 0.5 with advantages 1, -1, 2, -1, 1; the band is 0.8 to 1.2
    # max(-1.5, -1.2) = -1.2 binds;  max(0.5, 0.8) = 0.8 binds;  -2.2;  max(1.5, 1.2) = 1.5;  max(-0.5, -0.8)
    # = -0.5
    ratios = [1.5, 0.5, 1.1, 1.5, 0.5]
    logs = [math.log(ratio) for ratio in ratios]
    result = ppo.policy_loss(
        row(*logs, NAN), row(0, 0, 0, 0, 0, NAN), row(1, -1, 2, -1, 1, NAN), marks("xxxxx."), 0.2
    )
    assert close(result.ratio, [[*ratios, 1]])
    assert result.clipped.tolist() == [[True, True, False, False, False, False]]
    assert close(result.loss, (-1.2 + 0.8 - 2.2 + 1.5 - 0.5) / 5)
    assert close(result.clipfrac, 2 / 5)
    assert close(result.approxkl, 0.5 * sum(log**2 for log in logs) / 5)


def test_the_clipped_surrogate_has_no_gradient_where_its_clip_binds() -> None:
    # free tokens: d/dlogprob of -A ratio / n = -A ratio / n, here -2 · 1.1 / 3; bound ones: 0
    logprobs = row(math.log(1.5), math.log(0.5), math.log(1.1)).requires_grad_()
    ppo.policy_loss(logprobs, row(0, 0, 0), row(1, -1, 2), marks("xxx"), 0.2).loss.backward()
    assert close(logprobs.grad, [[0, 0, -2.2 / 3]])


def test_value_loss() -> None:
    # old value 0, band -0.2 to 0.2
    # V 1, R 2: 1 and (0.2 - 2)² = 3.24, binds;  V 1, R 0: 1 and 0.04;  V 0.1, R 1: 0.81 twice
    result = ppo.value_loss(row(1, 1, 0.1, NAN), row(0, 0, 0, NAN), row(2, 0, 1, NAN), marks("xxx."), 0.2)
    assert result.clipped.tolist() == [[True, False, False, False]]
    assert close(result.loss, 0.5 * (3.24 + 1 + 0.81) / 3)
    assert close(result.error, (1 + 1 + 0.81) / 3)
    assert close(result.clipfrac, 1 / 3)


def test_explained_variance() -> None:
    # returns 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 3 = 14/3; returns - values 1, 0, 1, 2: mean 1,
    # variance 2/3
    returns, values = row(1, 2, 3, 6, NAN), row(0, 2, 2, 4, NAN)
    assert close(ppo.explained_variance(returns, values, marks("xxxx.")), 1 - (2 / 3) / (14 / 3))
    assert close(ppo.explained_variance(returns, values + 5, marks("xxxx.")), 6 / 7), (
        "a bias is not its business"
    )
    assert math.isnan(ppo.explained_variance(row(2, 2), row(0, 1), marks("xx")))


def test_a_ratio_is_a_number_however_far_the_policy_went() -> None:
    far = ppo.policy_loss(row(0.0), row(-1000.0), row(-1.0), marks("x"), 0.2)
    assert close(far.ratio, [[math.exp(20)]]) and math.isfinite(far.loss)
    assert math.isfinite(ppo.k3(row(0.0), row(-1000.0), marks("x")).sum())


def test_total_loss() -> None:
    parts = (torch.tensor(x, dtype=torch.float64) for x in (1, 2, 3))
    assert close(ppo.total_loss(*parts, vf_coef=0.1, ent_coef=0.01), 1.17)  # 1 + 0.1 · 2 - 0.01 · 3


def test_k3() -> None:
    # log ratio ln 2: 2 - 1 - ln 2;  -ln 2: 1/2 - 1 + ln 2;  0: 0
    result = ppo.k3(row(math.log(2), -math.log(2), 1, NAN), row(0, 0, 1, NAN), marks("xxx."))
    assert close(result, [[1 - math.log(2), math.log(2) - 0.5, 0, 0]])


@pytest.mark.parametrize(
    ("ratio", "advantage", "case"),
    [
        (0.7, 1, "ratio below, advantage positive"),
        (1.0, 1, "ratio inside, advantage positive"),
        (1.3, 1, "ratio above, advantage positive"),
        (0.7, -1, "ratio below, advantage negative"),
        (1.0, -1, "ratio inside, advantage negative"),
        (1.3, -1, "ratio above, advantage negative"),
        (0.7, 0, "none"),
        (1.0, 0, "none"),
        (1.3, 0, "none"),
        (1.25, 1, "ratio inside, advantage positive"),  # the edge counts as inside
        (0.75, -1, "ratio inside, advantage negative"),
    ],
)
def test_clip_case(ratio: float, advantage: float, case: str) -> None:
    # 0.75 and 1.25 are exact in binary
    assert ppo.CLIP_CASES[ppo.clip_case(row(ratio), row(advantage), 0.25)] == case


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.6, 0.2 * (1 + 0.1 * 256 / 10_000)),  # 10 % above the target: error 0.1
        (9.0, 0.2 * (1 + 0.2 * 256 / 10_000)),  # 50 % above, held at 0.2
        (6.0, 0.2),
        (5.4, 0.2 * (1 - 0.1 * 256 / 10_000)),
        (0.0, 0.2 * (1 - 0.2 * 256 / 10_000)),  # held at -0.2
        (-3.0, 0.2 * (1 - 0.2 * 256 / 10_000)),  # sampled KL can be negative
    ],
)
def test_adaptive_controller(kl: float, expected: float) -> None:
    controller = ppo.AdaptiveKLController(0.2, target=6, horizon=10_000)
    controller.update(kl, n=256)
    assert controller.value == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("kl", "factor"), [(60, 1.2), (-60, 0.8), (0, 0.8), (6.6, 1.1)])
@pytest.mark.parametrize("n", [100, 101, 1024, 10**9])
def test_a_batch_beyond_the_horizon_moves_the_coefficient_by_a_fifth_and_never_turns_its_sign(
    kl: float, factor: float, n: int
) -> None:
    # 1 - 0.2 · 1024 / 100 would be -1.048
    controller = ppo.AdaptiveKLController(0.2, target=6, horizon=100)
    controller.update(kl, n=n)
    assert controller.value == pytest.approx(0.2 * factor, rel=1e-14)


def test_the_adaptive_controller_compounds() -> None:
    # twice 20 % of 5000 / 10 000 on top: 0.2 · 1.1 · 1.1
    controller = ppo.AdaptiveKLController(0.2, target=6, horizon=10_000)
    for _ in range(2):
        controller.update(60, n=5000)
    assert controller.value == pytest.approx(0.242, rel=1e-14)


def test_fixed_controller() -> None:
    controller = ppo.FixedKLController(0.2)
    controller.update(1000, n=256)
    assert controller.value == 0.2


def test_kl_estimators_by_hand() -> None:
    """Log-ratios ln 2 and -ln 4. k1 is the log-ratio r; k2 = r^2 / 2; k3 = e^-r - 1 + r."""
    two, four = math.log(2), math.log(4)
    logprobs, reference = torch.tensor([[0.0, -four, 9.0]]), torch.tensor([[-two, 0.0, math.nan]])
    mask, scores = torch.tensor([[True, True, False]]), torch.tensor([1.0])
    expected = {
        "k1": [two, -four],
        "k2": [two**2 / 2, four**2 / 2],
        "k3": [0.5 - 1 + two, 4 - 1 - four],
    }
    assert set(expected) == set(ppo.KL_ESTIMATORS)
    for estimator, kl in expected.items():
        earned = ppo.token_rewards(scores, logprobs, reference, mask, 0.5, estimator)  # type: ignore[arg-type]
        assert earned.kl[0].tolist() == pytest.approx([*kl, 0.0], abs=1e-6), estimator
        assert earned.rewards[0].tolist() == pytest.approx([-0.5 * kl[0], -0.5 * kl[1] + 1, 0.0], abs=1e-6)
