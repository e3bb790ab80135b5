"""The Update page as Streamlit's own test runner runs it: its empty states, a job asked and answered, what
cannot be. What it shows of a finished update is the door's: data/update.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ppo_engine import Config, session
from ppo_engine.session.jobs.work import work
from ppo_engine.store import ask_job, read_job
from tests.pages.components import SHELL, payloads


@pytest.fixture
def finished(tiny: Callable[..., Config], runs: Path) -> Path:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    return folder


@pytest.fixture(scope="module")
def walked_once(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with one update taken apart, which nobody changes."""
    folder, owner = session.create(tiny(), "tiny-reviews", tmp_path_factory.mktemp("walked"))
    owner.run()
    ask(folder)
    return folder


def ask(folder: Path, **payload: Any) -> str:
    """The number of a job that was asked and answered."""
    number = ask_job(folder, "walk", {"batch": 2, "seed": 0, **payload})
    work(folder, patience_s=0.1)
    return str(number)


def update(**query: str) -> AppTest:
    page = AppTest.from_file(SHELL, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    return page.switch_page("../update.py").run()


def shown(page: AppTest) -> dict[str, Any]:
    assert not page.exception
    loaded = payloads(page)
    (payload,) = [one["walk"] for one in loaded if one.get("only") == "walk"]
    return dict(payload)


def test_without_a_run_the_page_says_what_will_happen(runs: Path) -> None:
    payload = shown(update())
    assert payload["state"] == "empty" and "Press Start" in payload["said"]
    assert (payload["run"], payload["number"]) == ("", None)


def test_a_run_that_was_never_walked_offers_to(finished: Path) -> None:
    payload = shown(update())
    assert (payload["state"], payload["run"], payload["number"]) == ("none", finished.name, None)
    assert "take one update apart" in payload["said"]


def test_a_job_waits_is_answered_and_reopens_from_its_link(finished: Path) -> None:
    number = ask_job(finished, "walk", {"batch": 2, "seed": 0})
    waiting = shown(update(run=finished.name, job=str(number)))
    assert waiting["state"] == "waiting" and "last checkpoint" in waiting["said"]
    give_up = time.monotonic() + 60
    while read_job(finished, number).state != "done":  # by the worker that the page has called
        assert time.monotonic() < give_up
        time.sleep(0.05)
    for query in ({}, {"run": finished.name, "job": str(number), "stage": "9", "token": "1.0", "epoch": "2"}):
        payload = shown(update(**query))
        assert payload["state"] == "done" and payload["number"] == number
        assert (payload["batch"], payload["seed"]) == (2, 0) and "after step 2" in payload["said"]


def test_what_cannot_be_walked_is_said_with_what_is_allowed(finished: Path) -> None:
    payload = shown(update(job=ask(finished, batch=99), stage="3"))
    assert payload["state"] == "error"
    assert (
        "batch = 99: must be a whole number from 1 to 16" in payload["said"]
        and "take another batch" in payload["said"]
    )


@pytest.mark.parametrize(
    "query",
    [
        {"job": "77"},
        {"job": "x"},
        {"job": "9" * 30},
        {"stage": "0"},
        {"stage": "12"},
        {"token": "7"},
        {"token": "9.9.9"},
        {"epoch": "-1"},
        {"job": "²"},
    ],
)
def test_a_broken_link_still_opens_the_page(
    query: dict[str, str], walked_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPO_LIVE_RUNS", str(walked_once.parent))
    payload = shown(update(**query))
    assert payload["state"] == ("error" if query.get("job") == "77" else "done")
    assert "no such job: 77" in payload["said"] or query.get("job") != "77"


def test_a_job_of_another_kind_is_no_update(finished: Path) -> None:
    question = {
        "opening": "the film",
        "sources": ["policy"],
        "count": 1,
        "length": 2,
        "temperature": 1.0,
        "seed": 0,
    }
    number = ask_job(finished, "playground", question)
    payload = shown(update(job=str(number)))
    assert payload["state"] == "error" and f"job {number} of this run is not an update" in payload["said"]
