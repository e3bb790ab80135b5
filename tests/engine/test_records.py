"""The table of tokens: what is derived on reading, and the way to Arrow and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppo_engine import ppo
from ppo_engine.columns import names
from ppo_engine.records import StepRecord, TokenTable


def make_table(lengths: list[int], epochs: int, seed: int = 0, **changes: Any) -> TokenTable:
    """Random numbers for samples of these lengths; the tokens of each have entered 0 to `epochs` epochs."""
    random = np.random.default_rng(seed)
    sample = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    position = np.concatenate([[np.int32(0)][:0], *(np.arange(length) for length in lengths)]).astype(
        np.int32
    )
    count = len(sample)
    seen = random.integers(0, epochs + 1, len(lengths)).astype(np.int16)[sample]
    entered = np.arange(epochs)[None, :] < seen[:, None]

    def floats(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    columns = {
        "sample": sample,
        "position": position,
        "token_id": random.integers(0, 50_000, count).astype(np.int32),
        "text": [f" w{i % 3}é" for i in range(count)],
        **{name: floats(count) for name in ("old_logprob", "ref_logprob", "value", "advantage", "whitened")},
        "epochs_seen": seen,
        **{
            name: np.where(entered, floats(count, epochs), np.float32(0))
            for name in ("new_logprob", "ratio", "new_value")
        },
        **{name: (floats(count, epochs) > 0) & entered for name in ("policy_clip", "value_clip")},
        "scores": floats(len(lengths)),
        "kl_coef": 0.2,
        "gamma": 0.9,
    }
    columns |= changes
    columns.setdefault("kl_estimate", columns["old_logprob"] - columns["ref_logprob"])
    return TokenTable(**columns)


def assert_equal(actual: TokenTable, expected: TokenTable) -> None:
    for field in dataclasses.fields(TokenTable):
        one, other = getattr(actual, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype and np.array_equal(one, other), field.name
        else:
            assert one == other and type(one) is type(other), field.name


@given(
    lengths=st.lists(st.integers(0, 5), max_size=5),
    epochs=st.integers(0, 3),
    seed=st.integers(0, 99),
    kl_coef=st.floats(0, 100),
    gamma=st.floats(0, 1),
)
def test_arrow_and_back_is_the_same_to_the_bit(
    lengths: list[int], epochs: int, seed: int, kl_coef: float, gamma: float
) -> None:
    table = make_table(lengths, epochs, seed, kl_coef=kl_coef, gamma=gamma)
    sink = pa.BufferOutputStream()
    arrow = table.to_arrow()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    assert_equal(TokenTable.from_arrow(pa.ipc.open_stream(sink.getvalue()).read_all()), table)


def test_what_can_be_derived_is_not_stored() -> None:
    assert not set(names(stored=False)) & set(make_table([2], 1).to_arrow().column_names)


def test_the_kl_that_the_penalty_took_is_stored_where_it_is_not_the_kl_itself() -> None:
    plain, estimate = make_table([2, 1], 1), np.float32([0.5, 0.25, 2])
    assert "kl_estimate" not in plain.to_arrow().column_names
    table = make_table([2, 1], 1, kl_estimate=estimate, kl_coef=0.5)
    assert_equal(TokenTable.from_arrow(table.to_arrow()), table)
    assert table.column("kl_penalty").tolist() == [-0.25, -0.125, -1.0]
    assert np.array_equal(table.column("kl"), table.old_logprob - table.ref_logprob)


def test_derived_columns_by_hand() -> None:
    """Two samples of 2 and 1 tokens; β = 0.5, γ = 0.5; every number is exact in float32."""
    table = make_table(
        [2, 1], 0, kl_coef=0.5, gamma=0.5, scores=np.float32([3, -1]),
        old_logprob=np.float32([-1, -2, -4]), ref_logprob=np.float32([-2, -1, -4]),
        value=np.float32([1, 2, 4]), advantage=np.float32([0.25, 0.5, 1]),
    )  # fmt: skip
    assert table.is_last.tolist() == [False, True, True]
    assert table.column("kl").tolist() == [1, -1, 0]
    assert table.column("kl_penalty").tolist() == [-0.5, 0.5, 0]
    assert table.column("score_share").tolist() == [0, 3, -1]
    assert table.column("reward").tolist() == [-0.5, 3.5, -1]
    # nothing follows a last token
    assert table.column("delta").tolist() == [-0.5 + 0.5 * 2 - 1, 3.5 - 2, -1 - 4]
    assert table.column("return").tolist() == [1.25, 2.5, 5]


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    seed=st.integers(0, 99),
    kl_coef=st.floats(0, 2),
    gamma=st.floats(0, 1),
)
def test_derived_columns_are_the_formulas_to_the_bit(
    lengths: list[int], seed: int, kl_coef: float, gamma: float
) -> None:
    table = make_table(lengths, 0, seed, kl_coef=kl_coef, gamma=gamma)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)

    def spread(name: str) -> torch.Tensor:
        return torch.zeros(mask.shape).masked_scatter(mask, torch.from_numpy(table.column(name)))

    rewards = ppo.token_rewards(
        torch.from_numpy(table.scores), spread("old_logprob"), spread("ref_logprob"), mask, kl_coef
    )
    deltas = ppo.td_residuals(rewards.rewards, spread("value"), mask, gamma)
    expected = {
        "kl": rewards.kl,
        "kl_penalty": rewards.kl_penalty,
        "reward": rewards.rewards,
        "delta": deltas,
    }
    for name, values in expected.items():
        assert np.array_equal(table.column(name), values[mask].numpy()), name


def test_last_entries_of_the_update() -> None:
    """Three tokens that entered 2, 1 and 0 epochs."""
    ratio = np.float32([[1, 1.5], [1.25, 0], [0, 0]])
    # what lies beyond epochs_seen must not be read
    clip = np.array([[True, True], [True, True], [True, True]])
    table = make_table([1, 1, 1], 2, epochs_seen=np.int16([2, 1, 0]), ratio=ratio, policy_clip=clip)
    assert table.last_epoch.tolist() == [1, 0, -1]
    assert table.at_last_epoch("ratio", missing=7).tolist() == [1.5, 1.25, 7]
    assert table.clip_epochs("policy_clip").tolist() == [2, 1, 0]


def test_a_table_without_epochs() -> None:
    assert make_table([2], 0).at_last_epoch("ratio", missing=1).tolist() == [1, 1]


def test_records_are_immutable() -> None:
    for record in (TokenTable, StepRecord):
        assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_table([1], 1).kl_coef = 3  # type: ignore[misc]
