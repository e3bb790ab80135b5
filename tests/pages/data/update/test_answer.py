"""A finished update at the door: the job's own numbers, worked out for the chosen token and epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppo_engine.session.jobs.work import work
from ppo_engine.store import ask_job, read_job
from tests.pages.door import answer, ask


def result(folder: Path) -> dict[str, Any]:
    stored = read_job(folder, 1).result
    assert stored is not None
    return stored


def test_the_stages_without_an_update_are_words_alone() -> None:
    told = answer("stages")
    assert len(told["stages"]) == 11 and told["token"] is None and told["epochs"] == []
    assert all(stage["explanation"] and not stage["tensors"] for stage in told["stages"])


def test_an_updates_numbers_are_the_jobs(recorded: Path) -> None:
    told, stored = answer(f"runs/{recorded.name}/updates/1"), result(recorded)
    for shown, sample in zip(told["samples"], stored["samples"], strict=True):
        assert all(shown[name] == sample[name] for name in ("query", "response", "score", "tokens"))
    assert [shown["chances"] for shown in told["samples"]] == stored["tokens"]["logprob"]
    assert [shown["runners_up"] for shown in told["samples"]] == json.loads(json.dumps(stored["runners_up"]))
    assert told["stages"][5]["tensors"][2]["values"] == stored["tokens"]["advantage"]
    assert told["epochs"] == [*stored["update"]["epochs"], 0]


def test_formulas_are_of_the_token_and_the_epoch_that_were_asked_for(recorded: Path) -> None:
    stored = result(recorded)
    for epoch, ratio in zip(stored["update"]["epochs"], stored["update"]["ratio"], strict=True):
        told = answer(f"runs/{recorded.name}/updates/1?token=1.0&epoch={epoch}")
        assert told["token"] == [1, 0] and told["stages"][8]["epochs"]["chosen"] == epoch
        (shown,) = [one for one in told["stages"][8]["tensors"] if one["label"].startswith("Ratio")]
        assert shown["values"] == ratio
    after = answer(f"runs/{recorded.name}/updates/1?epoch=0")
    assert after["stages"][8]["epochs"]["chosen"] == 0


def test_a_job_without_an_answer_is_not_there_until_it_has_one(finished: Path) -> None:
    number = ask_job(finished, "walk", {"batch": 2, "seed": 0})
    path = f"runs/{finished.name}/updates/{number}"
    waiting = ask(path)
    assert (waiting.status, waiting.error) == (404, f"job = {number}: it has no result")
    work(finished, patience_s=0.1)
    assert answer(path)["samples"]


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("walk", {"batch": 99, "seed": 0}, "it has no result"),
        (
            "playground",
            {"opening": "a", "sources": ["policy"], "count": 1, "length": 2, "temperature": 1.0, "seed": 0},
            "it is not an update",
        ),
    ],
)
def test_a_job_that_is_no_update_is_refused(
    kind: str, payload: dict[str, Any], words: str, finished: Path
) -> None:
    number = ask_job(finished, kind, payload)
    work(finished, patience_s=0.1)
    refused = ask(f"runs/{finished.name}/updates/{number}")
    assert (refused.status, refused.error) == (404, f"job = {number}: {words}")
