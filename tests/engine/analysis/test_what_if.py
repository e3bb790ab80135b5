"""What-if: at the run's own settings the run's own numbers, at batch 256; and what must hold whatever the
settings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ppo_engine import Config, StepRecord, Trainer, ppo
from ppo_engine.analysis.recorded_batch import RecordedBatch
from ppo_engine.analysis.tutorial_batch import tutorial_batch
from ppo_engine.analysis.what_if import (
    WhatIfSettings,
    clipped_objective,
    gae_weights,
    k_step_estimators,
    lambda_sweep,
    what_if,
)
from ppo_engine.records import TokenTable
from ppo_engine.targets import targets
from tests.engine.tables import floats, masks

EXACT = 1e-6
"""Relative: the trainer sums in float32, minibatch by minibatch."""


@dataclass(frozen=True)
class Recorded:
    """A step, and what it takes to ask it."""

    config: Config
    record: StepRecord
    tokens: TokenTable
    recorded: RecordedBatch
    knobs: WhatIfSettings

    def outcome(self, **changes: Any) -> Any:
        return what_if(
            self.recorded,
            replace(self.knobs, **changes),
            self.config,
            self.record.metrics["ppo/policy/entropy"],
        )


def recorded(config: Config) -> Recorded:
    *_, record = Trainer(config)
    assert record.tokens is not None
    return Recorded(
        config,
        record,
        record.tokens,
        RecordedBatch.of(record.tokens),
        WhatIfSettings.of(config, record.tokens),
    )


WIDE = {
    "batch_size": 256,
    "mini_batch_size": 64,
    "ppo_epochs": 4,
    "target_kl": 0.0,
    "steps": 2,
    "eval_every": 1000,
    "output_max_length": 16,
}


@pytest.fixture(scope="module")
def wide(tiny: Callable[..., Config]) -> Recorded:
    """Batch 256, four epochs, and steps so large that both clips bind."""
    return recorded(tiny(**WIDE, learning_rate=3e-3, ent_coef=0.01, gamma=0.97, lam=0.9))


def agrees(step: Recorded) -> None:
    """At the run's own settings: advantages, returns and clips to the last bit, figures within float32's
    summation error.
    """
    outcome, tokens, metrics = step.outcome(), step.tokens, step.record.metrics
    np.testing.assert_array_equal(step.recorded.flat(outcome.targets.rewards), tokens.column("reward"))
    np.testing.assert_array_equal(step.recorded.flat(outcome.targets.advantages), tokens.advantage)
    np.testing.assert_array_equal(step.recorded.flat(outcome.targets.returns), tokens.column("return"))
    np.testing.assert_array_equal(
        step.recorded.flat(outcome.policy_clips), tokens.policy_clip & tokens.entered
    )
    np.testing.assert_array_equal(step.recorded.flat(outcome.value_clips), tokens.value_clip & tokens.entered)
    assert outcome.policy_clipfrac == pytest.approx(metrics["ppo/policy/clipfrac"], rel=EXACT, abs=0)
    assert outcome.value_clipfrac == pytest.approx(metrics["ppo/val/clipfrac"], rel=EXACT, abs=0)
    assert outcome.policy_loss == pytest.approx(metrics["ppo/loss/policy"], rel=EXACT, abs=0)
    assert outcome.value_loss == pytest.approx(metrics["ppo/loss/value"], rel=EXACT, abs=0)
    assert outcome.total_loss == pytest.approx(metrics["ppo/loss/total"], rel=EXACT, abs=0)


def test_the_runs_own_settings_give_the_runs_own_numbers_at_batch_256(wide: Recorded) -> None:
    assert len(wide.recorded.mask) == 256 and wide.recorded.ratios.shape[2] == 4
    assert (
        wide.record.metrics["ppo/policy/clipfrac"] > 0.01 and wide.record.metrics["ppo/val/clipfrac"] > 0.01
    )
    agrees(wide)


def test_an_update_that_ended_early_counts_only_what_it_reached(tiny: Callable[..., Config]) -> None:
    step = recorded(tiny(**{**WIDE, "target_kl": 2e-3, "steps": 3}, learning_rate=3e-3))
    seen = step.tokens.epochs_seen
    assert 0 < step.recorded.entered.sum() < step.recorded.mask.sum() * 4 and seen.min() < seen.max()
    agrees(step)


def test_an_update_without_a_gradient_step_has_the_figures_of_its_one_minibatch(
    tiny: Callable[..., Config],
) -> None:
    """`target_kl` ends it before its first gradient step, at the rounding of a ratio of 1."""
    step = recorded(tiny(target_kl=1e-30))
    assert step.record.metrics["ppo/policy/epochs"] == 0 and "ppo/policy/grad_norm" not in step.record.metrics
    assert all(map(math.isfinite, step.record.metrics.values()))
    agrees(step)


def test_an_update_without_an_entry_has_no_figures_but_advantages(tiny: Callable[..., Config]) -> None:
    """As older records have it, where `target_kl` ended the update before its first gradient step."""
    step = recorded(tiny())
    unreached = replace(step.recorded, entered=torch.zeros_like(step.recorded.entered))
    step = replace(step, recorded=unreached)
    outcome = step.outcome()
    assert all(math.isnan(getattr(outcome, name)) for name in FIGURES)
    assert not outcome.policy_clips.any() and torch.equal(
        outcome.targets.advantages, step.recorded.advantages
    )


FIGURES = ("policy_clipfrac", "value_clipfrac", "policy_loss", "value_loss", "total_loss")


def test_responses_of_one_token_are_their_reward_minus_their_value(tiny: Callable[..., Config]) -> None:
    step = recorded(tiny(output_max_length=1))
    agrees(step)
    own = step.recorded.flat(step.outcome(gamma=0.3, lam=0.2).targets.advantages)
    np.testing.assert_array_equal(own, step.tokens.column("reward") - step.tokens.value)


def test_the_recorded_whitening_is_the_formulas_but_for_the_order_of_a_sum(wide: Recorded) -> None:
    again = ppo.masked_whiten(wide.outcome().targets.advantages, wide.recorded.mask)
    torch.testing.assert_close(again, wide.recorded.whitened, rtol=1e-5, atol=1e-6)
    assert torch.equal(wide.outcome().targets.whitened, wide.recorded.whitened)


def test_whitening_off_trains_towards_the_advantages_themselves(wide: Recorded) -> None:
    outcome = wide.outcome(whiten=False)
    assert torch.equal(outcome.targets.whitened, outcome.targets.advantages)
    assert (
        outcome.policy_loss != wide.outcome().policy_loss and outcome.value_loss == wide.outcome().value_loss
    )


def test_each_knob_moves_what_it_should_and_nothing_else(wide: Recorded) -> None:
    own = wide.outcome()
    assert (
        wide.outcome(cliprange=100.0).policy_clipfrac == 0 == wide.outcome(cliprange_value=1e6).value_clipfrac
    )
    assert wide.outcome(cliprange=0.01).policy_clipfrac > own.policy_clipfrac
    assert wide.outcome(cliprange_value=0.01).value_clipfrac > own.value_clipfrac
    assert wide.outcome(cliprange=0.01).value_loss == own.value_loss
    assert wide.outcome(cliprange_value=0.01).policy_loss == own.policy_loss
    free = wide.outcome(kl_coef=0.0).targets.rewards
    assert torch.equal(free.sum(1), wide.recorded.scores)
    for change in ({"gamma": 0.5}, {"lam": 0.1}, {"kl_coef": 1.0}):
        assert not torch.equal(wide.outcome(**change).targets.advantages, own.targets.advantages)


def test_gamma_and_lambda_one_give_the_rewards_to_come_minus_the_value(wide: Recorded) -> None:
    made = wide.outcome(gamma=1.0, lam=1.0).targets
    to_come = made.rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(
        made.advantages, (to_come - wide.recorded.values) * wide.recorded.mask, rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(made.returns, to_come * wide.recorded.mask, rtol=1e-5, atol=1e-5)


@st.composite
def responses(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and a mask of responses that all begin at the left and have a token or more."""
    mask = draw(masks(min_tokens=1))
    lengths = mask.sum(1).clamp(min=1)
    mask = torch.arange(mask.shape[1]) < lengths.unsqueeze(1)
    return draw(floats(mask)) * mask, draw(floats(mask)) * mask, mask


UNIT = st.floats(0, 1)
Table = tuple[Tensor, Tensor, Tensor]


@given(responses(), UNIT, UNIT, st.data())
def test_the_weighted_estimators_add_up_to_the_advantage(
    parts: Table, gamma: float, lam: float, data: Any
) -> None:
    row = data.draw(st.integers(0, len(parts[2]) - 1))
    position = data.draw(st.integers(0, int(parts[2][row].sum()) - 1))
    count = int(parts[2][row].sum()) - position
    estimators, weights = (
        k_step_estimators(*parts, row, position, gamma, range(1, count + 1)),
        gae_weights(count, lam),
    )
    assert len(estimators) == len(weights) == count
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    expected = ppo.gae(*parts, gamma, lam)[0][row, position]
    assert sum(a * w for a, w in zip(estimators, weights, strict=True)) == pytest.approx(
        float(expected), rel=1e-9, abs=1e-9
    )


def test_k_step_estimators_by_hand() -> None:
    """deltas: 1 + 2 - 0.5 = 2.5 and 3 - 2 = 1; A(1) = 2.5, A(2) = 2.5 + 1; with lam 0.25 the weights are 0.75
    and 0.25.
    """
    parts = (
        torch.tensor([[1.0, 3.0, 9.0]]),
        torch.tensor([[0.5, 2.0, 9.0]]),
        torch.tensor([[True, True, False]]),
    )
    assert k_step_estimators(*parts, 0, 0, 1.0, (1, 2)) == (2.5, 3.5)
    assert k_step_estimators(*parts, 0, 1, 1.0, (1,)) == (1.0,)
    assert (gae_weights(2, 0.25), gae_weights(1, 0.25), gae_weights(0, 0.25)) == ((0.75, 0.25), (1.0,), ())


@given(responses(), UNIT)
def test_the_sweep_ends_without_distance_from_what_is_sampled(parts: Table, gamma: float) -> None:
    sweep = lambda_sweep(*parts, gamma, (0.0, 0.5, 1.0))
    assert sweep.distance[-1] == 0 and min(sweep.variance) >= 0
    one_step = ppo.td_residuals(*parts, gamma)
    assert sweep.variance[0] == pytest.approx(float(ppo.masked_var(one_step, parts[2])), rel=1e-9, abs=1e-12)
    far = ppo.masked_mean((one_step - ppo.gae(*parts, gamma, 1.0)[0]) ** 2, parts[2])
    assert sweep.distance[0] == pytest.approx(float(far), rel=1e-9, abs=1e-12)


def test_the_clipped_objective_by_hand() -> None:
    ratios = torch.tensor([0.5, 1.0, 2.0])
    torch.testing.assert_close(clipped_objective(ratios, 1.0, 0.2), torch.tensor([0.5, 1.0, 1.2]))
    torch.testing.assert_close(clipped_objective(ratios, -1.0, 0.2), torch.tensor([-0.8, -1.0, -2.0]))


def test_rewards_are_the_scores_and_the_kl_penalty(wide: Recorded) -> None:
    np.testing.assert_array_equal(
        wide.recorded.flat(wide.recorded.rewards(wide.tokens.kl_coef)), wide.tokens.column("reward")
    )


PRINTED = json.loads((Path(__file__).parents[2] / "golden" / "notebook_tables.json").read_text())


def test_the_notebooks_example_gives_what_the_notebook_prints() -> None:
    """Tolerances as in test_notebook_tables: roundings of what is printed, and nothing else."""
    example, rounding = tutorial_batch(), 0.5e-4
    made = targets(example.rewards, example.values, example.mask, example.knobs.gamma, example.knobs.lam)
    for name, tensor, tolerance in (
        ("values", example.values, 1e-12),
        ("advantages", made.advantages, 1e-9),
        ("returns", made.returns, 3 * rounding + 1e-9),
        ("whitened_advantages", made.whitened, rounding + rounding / 1.477),
    ):
        printed = [
            [x for x, v in zip(row, values, strict=True) if v]
            for row, values in zip(PRINTED[name], PRINTED["values"], strict=True)
        ]
        for row, expected in enumerate(printed):
            assert tensor[row][example.mask[row]].tolist() == pytest.approx(expected, abs=tolerance, rel=0), (
                name
            )
    assert {
        name: getattr(example.knobs, name) for name in ("gamma", "lam", "cliprange", "cliprange_value")
    } == {name: PRINTED["settings"][name] for name in ("gamma", "lam", "cliprange", "cliprange_value")}
