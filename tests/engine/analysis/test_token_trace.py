"""The story of a token: every number of it follows from the others, and is the recorded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ppo_engine import Config, StepRecord, Trainer, ppo
from ppo_engine.analysis.highlights import highlights
from ppo_engine.analysis.token_trace import TokenTrace, clip_cases, token_trace
from ppo_engine.records import TokenTable


@pytest.fixture(scope="module")
def step(tiny: Callable[..., Config]) -> tuple[Config, StepRecord, TokenTable]:
    """A step in which both clips bind."""
    config = tiny(
        steps=3,
        batch_size=8,
        mini_batch_size=4,
        ppo_epochs=3,
        learning_rate=5e-3,
        target_kl=0.0,
        cliprange_value=0.05,
        lam=0.9,
        gamma=0.98,
    )
    *_, record = Trainer(config)
    assert record.tokens is not None
    assert record.tokens.policy_clip.any() and record.tokens.value_clip.any()
    return config, record, record.tokens


@pytest.fixture(scope="module")
def stories(step: tuple[Config, StepRecord, TokenTable]) -> list[TokenTrace]:
    config, _, tokens = step
    return [
        token_trace(tokens, config, int(s), int(p))
        for s, p in zip(tokens.sample, tokens.position, strict=True)
    ]


def close(a: float, b: float) -> None:
    assert a == pytest.approx(b, rel=2e-6, abs=2e-6)


def test_each_number_follows_from_those_before_it(stories: list[TokenTrace]) -> None:
    for one in stories:
        at = one.columns
        close(at["kl"], at["old_logprob"] - at["ref_logprob"])
        close(at["kl_penalty"], -one.kl_coef * at["kl_estimate"])
        close(at["reward"], at["kl_penalty"] + at["score_share"])
        close(at["delta"], at["reward"] + one.gamma * one.next_value - at["value"])
        close(at["advantage"], sum(term.part for term in one.terms))
        close(at["whitened"], (at["advantage"] - one.mean) / one.spread)
        close(at["return"], at["advantage"] + at["value"])
        assert [term.part for term in one.terms] == [term.weight * term.delta for term in one.terms]


def test_the_terms_run_to_the_end_of_the_response(
    step: tuple[Config, StepRecord, TokenTable], stories: list[TokenTrace]
) -> None:
    config, _, tokens = step
    lengths = np.bincount(tokens.sample)
    for row, one in enumerate(stories):
        assert len(one.terms) == lengths[tokens.sample[row]] - tokens.position[row]
        assert one.terms[0].weight == 1 and one.terms[0].text == one.text
        assert [term.weight for term in one.terms] == pytest.approx(
            [(tokens.gamma * config.lam) ** k for k in range(len(one.terms))]
        )
        assert (one.next_value == 0) == (len(one.terms) == 1)


def test_a_clip_binds_in_two_of_the_six_cases_alone(stories: list[TokenTrace]) -> None:
    for one in stories:
        assert len(one.epochs) == 3
        for epoch in one.epochs:
            assert epoch.policy_clip == (epoch.case in (3, 4)), ppo.CLIP_CASES[epoch.case]
            close(epoch.ratio, float(np.exp(epoch.new_logprob - one.columns["old_logprob"])))


def test_cases_are_counted_where_the_update_came_by(step: tuple[Config, StepRecord, TokenTable]) -> None:
    config, _, tokens = step
    cases = clip_cases(tokens, config.cliprange, 2)
    assert ((cases == 3) | (cases == 4)).tolist() == tokens.policy_clip[:, 2].tolist()
    cut = replace(tokens, epochs_seen=np.where(tokens.sample == 0, 2, 3).astype(np.int16))
    assert (clip_cases(cut, config.cliprange, 2) == -1).tolist() == (tokens.sample == 0).tolist()
    assert len(token_trace(cut, config, 0, 0).epochs) == 2


def test_no_such_token_is_said(step: tuple[Config, StepRecord, TokenTable]) -> None:
    config, _, tokens = step
    with pytest.raises(LookupError, match="sample 99 has no token at position 0"):
        token_trace(tokens, config, 99, 0)


def test_finds_are_the_extremes(step: tuple[Config, StepRecord, TokenTable]) -> None:
    _, record, tokens = step
    found = {one.name: one for one in highlights(tokens, record.samples)}
    scores = [one.score for one in record.samples]
    assert (found["Highest score"].number, found["Lowest score"].number) == (max(scores), min(scores))
    assert abs(found["Largest KL"].number) == np.abs(tokens.column("kl")).max()
    assert abs(found["Largest advantage"].number) == np.abs(tokens.advantage).max()
    row = np.flatnonzero(
        (tokens.sample == found["Most clipped"].sample) & (tokens.position == found["Most clipped"].position)
    )[0]
    assert tokens.clip_epochs("policy_clip")[row] == tokens.clip_epochs("policy_clip").max() > 0
    assert (
        found["Largest value error"].number == np.abs(tokens.new_value[:, 2] - tokens.column("return")).max()
    )


def test_a_batch_without_tokens_has_no_finds(step: tuple[Config, StepRecord, TokenTable]) -> None:
    _, record, tokens = step
    assert highlights(tokens.head(0), record.samples) == []


def test_an_update_that_never_came_by_leaves_no_epochs(step: tuple[Config, StepRecord, TokenTable]) -> None:
    config, record, tokens = step
    unseen = replace(tokens, epochs_seen=np.zeros(len(tokens), np.int16))
    assert token_trace(unseen, config, 0, 0).epochs == ()
    assert [one.name for one in highlights(unseen, record.samples)] == [
        "Highest score",
        "Lowest score",
        "Largest KL",
        "Largest advantage",
    ]


def test_where_no_clip_binds_the_farthest_ratio_is_named_as_that(
    step: tuple[Config, StepRecord, TokenTable],
) -> None:
    _, record, tokens = step
    found = {
        one.name: one
        for one in highlights(replace(tokens, policy_clip=np.zeros_like(tokens.policy_clip)), record.samples)
    }
    assert "Most clipped" not in found
    ratio = tokens.at_last_epoch("ratio", 1.0)
    assert found["Most extreme ratio"].number == ratio[np.abs(ratio - 1).argmax()]
