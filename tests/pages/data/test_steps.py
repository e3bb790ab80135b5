"""A step's batch as the door gives it: true to the record, with scales that no outlier flattens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pages.data.scales import scale_limit
from pages.data.steps import OFFERED
from ppo_engine import RunReader
from ppo_engine.columns import COLUMNS
from tests.pages.door import answer


def test_tokens_are_those_of_the_record(recorded: Path) -> None:
    batch, tokens = answer(f"runs/{recorded.name}/steps/3"), RunReader(recorded).tokens(3)
    assert tokens is not None
    shown = batch["tokens"]
    assert (batch["step"], set(shown)) == (3, {"text", "sample", "position", *OFFERED})
    for column in ("reward", "whitened", "kl", "return", "old_logprob"):
        np.testing.assert_allclose(shown[column], tokens.column(column), rtol=6e-4, atol=1e-30)
    for column in ("ratio", "new_value"):
        last = tokens.at_last_epoch(column, float("nan"))
        np.testing.assert_allclose(np.array(shown[column], float), last, rtol=6e-4)
    for column in ("policy_clip", "value_clip"):
        assert shown[column] == tokens.clip_epochs(column).tolist() and any(shown[column])
    assert shown["token_id"] == tokens.token_id.tolist() and shown["text"] == list(tokens.text)
    assert shown["sample"] == tokens.sample.tolist() and shown["position"] == tokens.position.tolist()


def test_samples_are_those_of_the_record(recorded: Path) -> None:
    samples = RunReader(recorded).samples(2)
    shown = answer(f"runs/{recorded.name}/steps/2")["samples"]
    assert [(one["index"], one["query"], one["response"], one["length"], one["ended"]) for one in shown] == [
        (one.index, one.query, one.response, one.response_length, one.ended_by_eos) for one in samples
    ]
    assert [one["score"] for one in shown] == pytest.approx([one.score for one in samples], abs=1e-4)
    assert [one["kl"] for one in shown] == pytest.approx([one.kl_sum for one in samples], abs=1e-4)


def test_only_the_columns_that_were_asked_for_are_sent(recorded: Path) -> None:
    whole = answer(f"runs/{recorded.name}/steps/3")
    batch = answer(f"runs/{recorded.name}/steps/3?columns=ratio,token_id,ratio")
    assert set(batch["tokens"]) == {"text", "sample", "position", "ratio", "token_id"}
    assert batch["tokens"]["ratio"] == whole["tokens"]["ratio"]
    assert batch["limits"] == {"ratio": whole["limits"]["ratio"]}


def test_each_columns_scale_is_about_its_centre(recorded: Path) -> None:
    """A ratio of 1 has moved nowhere; a reward, a value and an advantage of 0 are neither good nor bad."""
    batch = answer(f"runs/{recorded.name}/steps/3")
    centred = {name: column.centre for name, column in COLUMNS.items() if column.centre is not None}
    assert centred.items() >= {"reward": 0.0, "whitened": 0.0, "ratio": 1.0, "new_value": 0.0}.items()
    assert set(batch["limits"]) == set(centred) & set(OFFERED)
    for name, limit in batch["limits"].items():
        assert limit == scale_limit(batch["tokens"][name], centred[name]), name


def test_one_outlier_does_not_flatten_the_scale() -> None:
    quiet = [0.1, -0.1] * 200
    assert scale_limit([*quiet, 1000.0], 0.0) == pytest.approx(0.1)
    assert scale_limit([1.1, 0.8, None], 1.0) == pytest.approx(0.198)
    assert scale_limit([], 0.0) == 0.0


def test_the_steps_are_those_with_a_batch(recorded: Path) -> None:
    assert answer(f"runs/{recorded.name}/steps") == {"steps": [1, 2, 3]}
    assert answer(f"runs/{recorded.name}/steps?after=2") == {"steps": [3]}
    assert answer(f"runs/{recorded.name}/steps?after=-1") == {"steps": [1, 2, 3]}
