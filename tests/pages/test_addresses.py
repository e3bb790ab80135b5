"""A link that asks for a run that is not there says so, naming what was asked, and what is shown instead.
What it asks of a page is the browser's to read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.store.catalog import move_to_trash
from tests.pages.components import app, payloads, said

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


PAGES = ("live", "tokens", "update", "what_if", "playground", "runs", "metrics")


@pytest.mark.parametrize("page_file", PAGES)
def test_what_the_browser_keeps_there_stays_there_and_is_no_setting(page_file: str, ended: Path) -> None:
    page = app()
    query = {"run": ended.name, "step": "77", "sample": "x", "token": "9", "epoch": "9", "colour": "red"}
    query |= {"job": "1", "stage": "77", "example": "notebook", "what": "nope:1"}
    page.query_params.update(query)
    page.switch_page(f"../{page_file}.py").run()
    assert not page.exception and not said(page)
    assert {name: page.query_params.get(name) for name in query} == query


def test_update_names_the_job_that_is_not_there(ended: Path) -> None:
    page = app()
    page.query_params.update({"run": ended.name, "job": "88"})
    page.switch_page("../update.py").run()
    made = next(made for made in payloads(page) if made.get("only") == "walk")
    assert made["walk"]["state"] == "error" and "no such job: 88" in made["walk"]["said"]
