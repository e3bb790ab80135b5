"""A link that asks for something that is not there says so, naming what was asked, and what
is shown instead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.store import read_job
from ppo_engine.store.catalog import move_to_trash
from tests.pages.components import app, board, payloads, said, wait_until

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture
def ended(tiny: Callable[..., Config], runs: Path) -> Path:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    return folder


def test_a_run_that_is_not_there_is_named(ended: Path) -> None:
    page = app(run="nonsense")
    assert (
        f"The address names the run nonsense, which does not exist. Showing {RunReader(ended).info().name}, "
        "the newest run." in said(page)
    )
    for name in ("tokens", "runs", "metrics"):
        page.query_params["run"] = "nonsense"
        page.switch_page(f"../{name}.py").run()
        assert "the run nonsense" in said(page)
    page.query_params["run"] = ended.name
    page.run()
    assert not said(page)


def test_a_run_in_the_trash_is_said_to_be_there(ended: Path) -> None:
    move_to_trash(ended)
    assert f"the run {ended.name}, which is in the trash. Showing a recorded example." in said(
        app(run=ended.name)
    )


LIVE = [
    ({"step": "77", "sample": "2"}, "step = 77: the last step is 2; showing step 2"),
    ({"step": "0", "sample": "2"}, "step = 0: its batch is not stored; showing step 1"),
    ({"step": "x", "sample": "2"}, "step = x: must be a whole number, 0 or more"),
    ({"step": "9" * 30}, "must be a whole number, 0 or more"),
    ({"step": "2", "sample": "99"}, "sample = 99: step 2 has samples 0 to 7"),
    ({"sample": "2"}, "sample = 2: the step must be given too"),
]
TOKENS = [
    ({"step": "2", "sample": "99"}, "sample = 99: step 2 has samples 0 to 7; showing 0"),
    ({"step": "2", "sample": "0", "token": "99"}, "token = 99: sample 0 has"),
    ({"step": "2", "epoch": "9"}, "epoch = 9: the update of step 2 has epochs 0 to 1; showing 1"),
    ({"colour": "red"}, "colour = red: must be one of old_logprob, ref_logprob, value, advantage, whitened"),
    ({"step": "-1"}, "step = -1: must be a whole number, 0 or more"),
]


@pytest.mark.parametrize(
    ("page_file", "query", "words"),
    [*(("live", *one) for one in LIVE), *(("tokens", *one) for one in TOKENS)],
    ids=lambda x: str(x)[:60],
)
def test_what_a_page_is_asked_for_in_vain_is_named(
    page_file: str, query: dict[str, str], words: str, ended: Path
) -> None:
    page = app()
    page.query_params.update({**query, "run": ended.name})
    page.switch_page(f"../{page_file}.py").run()
    assert not page.exception
    assert words in said(page)


def test_what_is_there_is_shown_without_a_word(ended: Path) -> None:
    page = app(run=ended.name, step="1", sample="3")
    assert not said(page) and board(page)["batch"]["pinned"] == {"step": 1, "sample": 3}
    page.query_params.update(
        {"run": ended.name, "step": "2", "sample": "1", "token": "0", "epoch": "1", "colour": "kl"}
    )
    page.switch_page("../tokens.py").run()
    assert not said(page)


def test_a_step_without_its_batch_is_not_what_notes_are_pinned_to(ended: Path) -> None:
    assert board(app(run=ended.name, step="77", sample="2"))["batch"]["pinned"]["step"] == 2


def test_what_if_names_what_is_not_in_the_batch(ended: Path) -> None:
    page = app()
    page.query_params.update(
        {"run": ended.name, "step": "2", "sample": "99", "token": "99", "what": "nope:1"}
    )
    page.switch_page("../what_if.py").run()
    problems = "\n".join(
        next(made for made in payloads(page) if made.get("only") == "whatif")["whatif"]["problems"]
    )
    assert (
        "sample = 99: the batch has samples 0 to 7; showing 7" in problems
        and "token = 99: sample 7 has" in problems
    )
    assert "nope: no such what-if setting; allowed: gamma, lam" in problems


def test_update_names_the_stage_and_the_job_that_are_not_there(ended: Path) -> None:
    page = app()
    for query, words in (
        ({"stage": "77"}, "stage = 77: must be from 1 to 11; showing 11"),
        ({"job": "x"}, "job = x: must be a whole"),
    ):
        page.query_params.clear()
        page.query_params.update({"run": ended.name, **query})
        page.switch_page("../update.py").run()
        assert words in said(page), query
        page.run()
        assert words in said(page), "it stands as long as the address asks for it"
    page.query_params.update({"job": "88"})
    page.run()
    made = next(made for made in payloads(page) if made.get("only") == "walk")
    assert "no such job: 88" in made["walk"]["said"]


def test_update_names_the_token_and_the_epoch_that_are_not_there(
    tiny: Callable[..., Config], runs: Path
) -> None:
    begun = session.start(tiny(steps=50), "tiny-reviews", runs)
    wait_until(lambda: RunReader(begun.folder).info().last_step >= 1)  # before it the page has no update
    number = session.ask(begun.folder, UpdateTraceRequest(4, 0))
    wait_until(lambda: read_job(begun.folder, number).state == "done")
    session.shutdown()
    page = app()
    for query, words in (
        ({"token": "99.0"}, "token = 99.0: sample 99 does not exist; showing"),
        ({"token": "0.99"}, "token = 0.99: sample 0 has tokens 0 to"),
        ({"token": "x"}, "token = x: must be a sample index and a token index"),
        ({"epoch": "99"}, "epoch = 99: must be one of 1, 2, 0, where 0 is after the update"),
    ):
        page.query_params.clear()
        page.query_params.update({"run": begun.folder.name, "job": str(number), **query})
        page.switch_page("../update.py").run()
        assert not page.exception and words in said(page), query
