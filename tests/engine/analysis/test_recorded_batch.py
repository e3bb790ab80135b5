"""Recorded steps as tensors: what goes in comes out, and the trainer's own arithmetic gives the trainer's own
numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ppo_engine import Config, Trainer, ppo
from ppo_engine.analysis.recorded_batch import RecordedBatch
from ppo_engine.records import TokenTable


@pytest.fixture(scope="module")
def recorded(tiny: Callable[..., Config]) -> tuple[Config, TokenTable]:
    """A step whose update moved the policy far enough for clips to bind."""
    config = tiny(steps=2, batch_size=8, mini_batch_size=4, ppo_epochs=3, learning_rate=3e-3, target_kl=0.0)
    *_, record = Trainer(config)
    assert record.tokens is not None
    return config, record.tokens


def test_every_column_comes_back_in_the_tables_order(recorded: tuple[Config, TokenTable]) -> None:
    _, tokens = recorded
    frozen = RecordedBatch.of(tokens)
    assert frozen.mask.sum() == len(tokens)
    for name, column in (
        ("old_logprobs", "old_logprob"),
        ("values", "value"),
        ("ratios", "ratio"),
        ("entered", "entered"),
    ):
        np.testing.assert_array_equal(frozen.flat(getattr(frozen, name)), getattr(tokens, column))


def test_the_formulas_give_the_recorded_numbers_to_the_last_bit(recorded: tuple[Config, TokenTable]) -> None:
    config, tokens = recorded
    frozen = RecordedBatch.of(tokens)
    rewards = ppo.token_rewards(
        frozen.scores, frozen.old_logprobs, frozen.ref_logprobs, frozen.mask, tokens.kl_coef
    ).rewards
    advantages, returns = ppo.gae(rewards, frozen.values, frozen.mask, config.gamma, config.lam)
    np.testing.assert_array_equal(frozen.flat(rewards), tokens.column("reward"))
    np.testing.assert_array_equal(frozen.flat(advantages), tokens.advantage)
    np.testing.assert_array_equal(frozen.flat(returns), tokens.column("return"))
    _, clipped = ppo.clipped_surrogate(
        frozen.ratios, frozen.whitened.unsqueeze(-1), frozen.entered, config.cliprange
    )
    np.testing.assert_array_equal(frozen.flat(clipped), tokens.policy_clip & tokens.entered)
    assert clipped.any()


def test_a_table_without_tokens_is_no_error(recorded: tuple[Config, TokenTable]) -> None:
    _, tokens = recorded
    assert RecordedBatch.of(tokens.head(0)).mask.shape == (0, 0)
    assert torch.equal(
        RecordedBatch.of(tokens).mask,
        RecordedBatch.of(tokens).entered.any(-1) | RecordedBatch.of(tokens).mask,
    )
