"""The seam of rewards: what a kind has to bring, and the second kind that proves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ppo_engine import Config, ConfigError, Trainer
from ppo_engine.rewards import allowed, find_kind, reward_kinds, reward_words
from ppo_engine.rewards.kinds.contains import ContainsWord

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (" a good film", 1.0),
        (" Good!", 1.0),
        (" goodness", 0.0),
        (" not-good.", 1.0),
        ("", 0.0),
        (" feelgood", 0.0),
    ],
)
def test_a_word_is_found_whole_and_in_any_case(response: str, found: float) -> None:
    assert ContainsWord("good", CPU).score(["a good query"], [response]).total.tolist() == [found]


def test_a_word_of_signs_is_taken_as_it_is() -> None:
    assert ContainsWord("!", CPU).score(["", ""], ["great!", "great"]).total.tolist() == [1.0, 0.0]
    assert ContainsWord("a.b", CPU).score(["", ""], ["a.b", "axb"]).total.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "value", ["sentimental", "contains", "contains:", "contains: ", "sentiment:x", "kinds", "Sentiment"]
)
def test_what_is_no_reward_is_refused_with_those_there_are(value: str) -> None:
    with pytest.raises(ConfigError, match=f"reward = {value}: must be one of contains:WORD, sentiment"):
        Config(reward=value)


@pytest.mark.parametrize("name", reward_kinds())
def test_every_kind_has_words(name: str) -> None:
    kind = reward_kinds()[name]
    config = Config(reward=f"{name}:x" if kind.argument else name)
    words = reward_words(config)
    assert find_kind(config.reward) is kind and kind.help
    assert words.title and words.judge and words.about.endswith(".") and words.aim
    assert words.bounds is None or words.bounds[0] < words.bounds[1]


def test_the_settings_help_names_every_kind() -> None:
    assert all(name in str(Config.model_fields["reward"].description) for name in allowed())


def test_a_run_learns_to_use_a_word(tiny: Callable[..., Any]) -> None:
    """No classifier is loaded for it, and its score is the share of responses with the word."""
    config = tiny(
        reward="contains:the",
        reward_model="nowhere/at-all",
        steps=1,
        batch_size=16,
        mini_batch_size=8,
        output_min_length=8,
    )
    trainer = Trainer(config)
    trainer.load()
    assert not [name for name in trainer.fingerprints if name.startswith("classifier")]
    record = trainer.step()
    scores = [sample.score for sample in record.samples]
    assert scores == [float("the" in sample.response.lower().split()) for sample in record.samples]
    assert record.metrics["env/reward_mean"] == pytest.approx(sum(scores) / len(scores))
    assert all(not sample.score_parts for sample in record.samples)
