"""The Tokens page's answers: the batch in an epoch, a sample, a token's trace, each as the record has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pages.data.scales import scale_limit
from ppo_engine import Config, RunReader, ppo, session
from ppo_engine.charts.series import shortened_or_none
from tests.pages.components import never_updated
from tests.pages.door import answer, ask


def test_a_samples_numbers_are_the_records(recorded: Path) -> None:
    tokens = RunReader(recorded).tokens(3)
    assert tokens is not None
    for index in (0, 7):
        mine = tokens.sample == index
        shown = answer(f"runs/{recorded.name}/steps/3/samples/{index}")
        assert shown["sample"] == index
        assert shown["tokens"]["text"] == [
            text for text, is_mine in zip(tokens.text, mine, strict=True) if is_mine
        ]
        assert shown["tokens"]["id"] == tokens.token_id[mine].tolist()
        for name in ("whitened", "reward", "ref_logprob"):
            assert shown["tokens"][name] == pytest.approx(tokens.column(name)[mine].tolist(), rel=1e-4)
        for epoch in range(3):
            assert shown["tokens"]["ratio"][epoch] == pytest.approx(
                tokens.ratio[mine, epoch].tolist(), rel=1e-4
            )
            assert shown["tokens"]["policy_clip"][epoch] == tokens.policy_clip[mine, epoch].tolist()


def test_a_tokens_trace_is_the_records(recorded: Path) -> None:
    tokens = RunReader(recorded).tokens(3)
    assert tokens is not None
    row = int((tokens.sample == 5).argmax())
    told = answer(f"runs/{recorded.name}/steps/3/samples/5/tokens/0")
    trace = told["trace"]
    assert (told["sample"], told["token"], trace["text"]) == (5, 0, tokens.text[row])
    assert trace["advantage"] == float(tokens.advantage[row])
    assert trace["returned"] == pytest.approx(float(tokens.column("return")[row]))
    assert sum(term["part"] for term in trace["terms"]) == pytest.approx(trace["advantage"], rel=1e-4)
    assert [one["ratio"] for one in trace["epochs"]] == pytest.approx(tokens.ratio[row].tolist())
    assert [one["policy_clip"] for one in trace["epochs"]] == tokens.policy_clip[row].tolist()
    assert {one["case"] for one in trace["epochs"]} <= set(ppo.CLIP_CASES)


def test_the_batch_is_of_the_epoch_that_was_asked_for(recorded: Path) -> None:
    tokens = RunReader(recorded).tokens(3)
    assert tokens is not None
    path = f"runs/{recorded.name}/steps/3/tokens"
    last = answer(path)
    assert (last["step"], last["epoch"], last["epochs"]) == (3, 2, 3)
    for epoch in range(3):
        shown = answer(f"{path}?epoch={epoch}")
        assert shown["epoch"] == epoch
        assert shown["scatter"]["ratio"] == pytest.approx(tokens.ratio[:, epoch].tolist(), rel=1e-3)
        assert shown["scatter"]["sample"] == tokens.sample.tolist()
    assert answer(f"{path}?epoch=2") == last


def test_texts_and_scores_are_the_records(recorded: Path) -> None:
    shown, samples = answer(f"runs/{recorded.name}/steps/2/tokens"), RunReader(recorded).samples(2)
    assert [one[:2] for one in shown["samples"]] == [[one.query, one.response] for one in samples]
    assert [one[2] for one in shown["samples"]] == pytest.approx([one.score for one in samples], abs=1e-4)
    assert [one[3] for one in shown["samples"]] == pytest.approx([one.kl_sum for one in samples], abs=1e-4)
    assert shown["finds"] and all(0 <= find["sample"] < len(samples) for find in shown["finds"])


def test_scales_are_about_their_centres_in_the_whole_batch(recorded: Path) -> None:
    tokens = RunReader(recorded).tokens(3)
    assert tokens is not None
    limits = answer(f"runs/{recorded.name}/steps/3/tokens?epoch=0")["limits"]
    assert limits["whitened"] == scale_limit(shortened_or_none(tokens.whitened), 0.0)
    ratio = scale_limit(shortened_or_none(tokens.at_last_epoch("ratio", float("nan"))), 1.0)
    assert limits["ratio"] == limits["clip"] == ratio


def test_every_token_is_in_one_case_and_those_in_two_are_cut(recorded: Path) -> None:
    data, tokens = answer(f"runs/{recorded.name}/steps/3/tokens?epoch=2"), RunReader(recorded).tokens(3)
    assert tokens is not None
    cases = data["scatter"]["cases"]
    assert [one["name"] for one in cases] == list(ppo.CLIP_CASES)
    assert sum(one["count"] for one in cases) == len(tokens) == len(data["scatter"]["ratio"])
    assert sum(one["count"] for one in cases if one["cut"]) == tokens.policy_clip[:, 2].sum() > 0
    assert data["scatter"]["unreached"] == 0


def test_an_update_that_never_began_still_makes_an_answer(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As runs of earlier versions have it, which did not record the minibatch that ended an update."""
    recorded = RunReader.tokens
    monkeypatch.setattr(RunReader, "tokens", lambda self, step: never_updated(recorded(self, step)))
    made = answer(f"runs/{finished.name}/steps/2/tokens")
    assert (made["epochs"], made["epoch"], made["scatter"]["ratio"]) == (0, -1, [])
    assert made["scatter"]["unreached"] > 0
    assert answer(f"runs/{finished.name}/steps/2/samples/0")["tokens"]["ratio"] == []
    assert answer(f"runs/{finished.name}/steps/2/samples/0/tokens/0")["trace"]["epochs"] == []


def test_an_update_that_ended_at_once_says_how_many_tokens_it_missed(
    tiny: Callable[..., Config], runs: Path
) -> None:
    """With a KL limit of almost nothing the second minibatch already stops the update: only a part of the
    first epoch is entered.
    """
    config = tiny(steps=1, learning_rate=1e-2, target_kl=1e-9)
    folder, owner = session.create(config, "tiny-reviews", runs)
    owner.run()
    data = answer(f"runs/{folder.name}/steps/1/tokens")
    assert (data["epochs"], data["epoch"]) == (1, 0), "the last epoch is the last that the update came to"
    assert data["scatter"]["unreached"] > 0 and data["scatter"]["ratio"]
    assert sum(one["count"] for one in data["scatter"]["cases"]) == len(data["scatter"]["ratio"])
    refused = ask(f"runs/{folder.name}/steps/1/tokens?epoch=1")
    assert refused.status == 404 and refused.error == "epoch = 1: the update of step 1 has only epoch 0"
