"""What a page mounts: its component, the run it shows, the stamp of what was drawn, and little else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.data import view, watcher
from pages.data.folder import EXAMPLE
from pages.ui.assets import PREFIX
from ppo_engine import Config, RunReader, session
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.session.jobs.work import work
from ppo_engine.store import add_note, ask_job, describe
from tests.pages.components import ROOT, app, payloads, press, said, tell, wait_until
from tests.pages.door import ask

pytestmark = pytest.mark.usefixtures("runs")

MOUNTED = {
    "live": ["live"],
    "tokens": ["top", "microscope"],
    "update": ["top", "walk"],
    "what_if": ["top", "whatif"],
    "playground": ["top"],
    "runs": ["top"],
    "metrics": ["top"],
}
MOST_BYTES = 2000


@pytest.fixture
def ended(tiny: Callable[..., Config], runs: Path) -> Path:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    return folder


def opened(name: str, **query: str) -> AppTest:
    page = app(**query)
    return page if name == "live" else page.switch_page(f"../{name}.py").run()


def stamp_of(run: str) -> str:
    """As the door has it now."""
    return str(ask(f"now?run={run}").data["stamp"])


@pytest.mark.parametrize("name", MOUNTED)
def test_a_page_mounts_its_component_with_run_and_stamp_and_little_else(name: str, ended: Path) -> None:
    made = payloads(opened(name))
    assert [one["only"] for one in made] == MOUNTED[name]
    for one in made:
        assert (one["run"], one["stamp"], one["prefix"]) == (ended.name, stamp_of(ended.name), PREFIX)
        assert len(json.dumps(one)) <= MOST_BYTES


@pytest.mark.parametrize(("name", "run"), [("live", EXAMPLE.name), ("what_if", EXAMPLE.name), ("update", "")])
def test_before_the_first_run_there_is_the_example_or_none(name: str, run: str) -> None:
    made = payloads(opened(name))[-1]
    assert made["run"] == run and made["stamp"] == stamp_of("")


def test_a_finished_update_is_not_sent_along(ended: Path) -> None:
    ask_job(ended, UpdateTraceRequest.kind, UpdateTraceRequest(4, 0).payload())
    work(ended, patience_s=0.1)
    made = payloads(opened("update"))[-1]
    assert made["walk"]["state"] == "done" and made["walk"]["number"] == 1
    assert len(json.dumps(made)) <= MOST_BYTES


def test_only_what_was_played_is_sent_along(ended: Path) -> None:
    page = press(opened("playground"), "Continue")
    wait_until(lambda: not any("Loading" in one.value for one in page.run().caption))
    top, made = payloads(page)
    assert top["only"] == "top" and (made["only"], made["run"]) == ("playground", ended.name)
    assert made["playground"]["sources"] and not page.exception


@pytest.mark.parametrize("name", MOUNTED)
def test_opening_a_page_reads_no_batch(name: str, ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    for reading in ("tokens", "samples", "columns"):
        recorded = getattr(RunReader, reading)
        counted: Callable[..., Any] = lambda *a, _r=recorded, **k: read.append(a) or _r(*a, **k)  # noqa: E731
        monkeypatch.setattr(RunReader, reading, counted)
    monkeypatch.setattr(view, "_views", type(view._views)())
    page = opened(name, run=ended.name)
    assert not page.exception and not read


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=lambda path: path.name)
def test_no_page_has_a_timer(path: Path) -> None:
    timers = r"run_every|st\.fragment|autorefresh|time\.sleep"
    assert not re.search(timers, path.read_text(encoding="utf-8")) or path == Path(watcher.__file__)


def test_the_stamp_stays_while_the_run_does(ended: Path) -> None:
    page = app()
    before = payloads(page)
    add_note(ended, 1, "which the browser fetches by itself")
    assert payloads(page.run()) == before and before[0]["stamp"] == stamp_of(ended.name)
    describe(ended, name="another name")
    assert stamp_of(ended.name) != before[0]["stamp"]
    assert payloads(page.run())[0]["stamp"] == stamp_of(ended.name)


def test_a_stamp_draws_the_page_as_the_run_now_stands(running: session.Session) -> None:
    page = app()
    session.command(running.folder, "stop")
    running.thread.join(60)
    wait_until(lambda: RunReader(running.folder).info().state == "stopped")
    tell(page, "board", stamp={"stamp": stamp_of(running.folder.name), "address": ""})
    assert "stopped" in page.sidebar.markdown[0].value
    assert payloads(page)[0]["stamp"] == stamp_of(running.folder.name)


@pytest.mark.parametrize(("name", "key"), [("live", "board"), ("tokens", "top")])
def test_the_address_that_comes_with_a_stamp_is_taken(name: str, key: str, ended: Path) -> None:
    """The browser has changed it without Streamlit knowing."""
    page = opened(name)
    before = dict(page.query_params)
    address = f"?run={ended.name}&step=1&sample=3&what=lam%3A0.5&preset={before['preset']}&seed=0"
    tell(page, key, stamp={"stamp": "another", "address": address})
    assert not page.exception and not said(page)
    there = {"run": ended.name, "step": "1", "sample": "3", "what": "lam:0.5"}
    assert {name: page.query_params.get(name) for name in there} == there
    assert "step" not in before and page.query_params["preset"] == before["preset"]


def test_a_choice_that_the_browser_has_dropped_is_dropped(ended: Path) -> None:
    page = app(run=ended.name, step="1", sample="3")
    tell(page, "board", stamp={"stamp": "another", "address": ""})
    assert "step" not in page.query_params and "sample" not in page.query_params


def test_an_old_stamp_is_no_news(ended: Path) -> None:
    """A component's state stays, and comes along with every message."""
    page = app()
    stamp = {"stamp": "another", "address": f"?run={ended.name}&step=1"}
    tell(page, "board", stamp=stamp)
    page.query_params["step"] = "2"
    tell(page, "board", stamp=stamp)
    assert page.query_params["step"] == "2"


def test_the_boards_requests_reach_the_run_they_are_of(running: session.Session) -> None:
    page, run = app(), running.folder

    def notes() -> list[str]:
        return [one.payload["text"] for one in RunReader(run).events() if one.kind == "note"]

    tell(page, "board", ask={"kind": "note", "run": "another", "step": 1, "text": "not here"})
    assert notes() == []
    tell(page, "board", ask={"kind": "note", "run": run.name, "step": 1, "text": "here"})
    assert notes() == ["here"]
    tell(page, "board", ask={"kind": "note", "run": run.name, "step": 999, "text": "too late"})
    assert notes() == ["here"] and "step = 999" in payloads(page)[0]["problem"]
    session.command(run, "edit", changes={"lam": 0.5})
    wait_until(lambda: RunReader(run).info().config_version == 1)
    number = max(one.number for one in RunReader(run).events() if one.kind == "edit")
    tell(page, "board", ask={"kind": "undo", "run": run.name, "number": number})
    wait_until(lambda: RunReader(run).info().config_version == 2)
    assert RunReader(run).info().config.lam == 0.95


def test_a_token_of_the_board_is_shown_on_the_tokens_page(ended: Path) -> None:
    page = app()
    tell(page, "board", ask={"kind": "token", "run": ended.name, "step": 2, "sample": 1, "token": 0})
    assert not page.exception and [one["only"] for one in payloads(page)] == ["top", "microscope"]
    there = {"run": ended.name, "step": "2", "sample": "1", "token": "0"}
    assert {name: page.query_params.get(name) for name in there} == there


def test_an_update_is_asked_for_and_its_refusal_said(running: session.Session) -> None:
    page, run = opened("update"), running.folder.name
    tell(page, "walk", ask={"run": run, "batch": 99, "seed": 0})
    assert "batch = 99: must be" in payloads(page)[-1]["walk"]["problem"]
    tell(page, "walk", ask={"run": run, "batch": 2, "seed": 7})
    walk = payloads(page)[-1]["walk"]
    assert walk["number"] == 1 and (walk["batch"], walk["seed"]) == (2, 7)
    assert page.query_params["job"] == "1" and page.query_params["run"] == run


def test_what_if_settings_are_put_into_the_sidebar(ended: Path) -> None:
    page = opened("what_if")
    tell(page, "whatif", ask={"query": {"what": "lam:0.5,gamma:7", "step": "2"}})
    assert not page.exception and page.number_input(key="knob-lam").value == 0.5
    assert "for the next run: Lambda (λ) 0.5" in payloads(page)[-1]["said"]
    page.number_input(key="knob-lam").set_value(0.6).run()
    assert payloads(page)[-1]["said"] == "", "changed again"
