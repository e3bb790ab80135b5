"""A presenter's first minute: open, Start, watch the reviews turn positive, pause, step, resume, stop,
refresh.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import (
    PLOT,
    SMALL,
    button,
    continuations,
    points,
    press,
    score,
    state,
    step,
    wait_for_state,
    wait_for_step,
)
from tests.browser.conftest import Server

CHARTS = ("score", "kl", "clips", "losses", "entropy", "explained", "values", "move", "times")


def test_the_first_minute(open_page: Callable[..., Page], server: Server) -> None:
    page = open_page("?eval_every=4")
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 3)
    for chart in CHARTS:
        assert points(page, chart) >= 2, chart
    first_score, first_text = score(page), continuations(page)
    assert len(first_text) > 500

    # the first evaluation after training began
    page.locator(".ppo-board .pair .when", has_text="now").first.wait_for()
    wait_for_step(page, 8)
    assert score(page) > first_score + 0.3
    assert continuations(page) != first_text
    assert page.locator(".ppo-board .pair .new").count() > 0

    press(page, "Pause")
    wait_for_state(page, "paused")
    expect(button(page, "Resume")).to_be_visible()
    paused_at = RunReader(list_runs(server.runs)[0]).info().last_step
    wait_for_step(page, paused_at)
    press(page, "Step")
    wait_for_step(page, paused_at + 1)
    assert state(page) == "paused"
    press(page, "Resume")
    wait_for_step(page, paused_at + 2)

    press(page, "Stop")
    wait_for_state(page, "stopped")
    name, last = (
        page.locator(".ppo-board .name").inner_text(),
        RunReader(list_runs(server.runs)[0]).info().last_step,
    )
    wait_for_step(page, last)
    page.reload()
    wait_for_state(page, "stopped")
    assert (page.locator(".ppo-board .name").inner_text(), step(page)) == (name, last)


def test_a_second_tab_shows_the_same_and_a_closed_one_stops_nothing(open_page: Callable[..., Page]) -> None:
    first = open_page(f"?{SMALL}")
    second = open_page()
    press(first, "Start")
    wait_for_state(second, "running")
    name = second.locator(".ppo-board .name").inner_text()
    expect(first.locator(".ppo-board .name")).to_have_text(name)
    expect(second.get_by_role("spinbutton", name="Seed")).to_be_disabled()
    before = wait_for_step(second, 1)
    first.close()
    wait_for_step(second, before + 3)
    press(second, "Pause")
    wait_for_state(second, "paused")


def test_a_second_start_offers_to_replace_the_run_which_then_is_a_grey_ghost(
    open_page: Callable[..., Page], server: Server
) -> None:
    page = open_page(f"?{SMALL}")
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 2)
    name = page.locator(".ppo-board .name").inner_text()
    press(page, "Start")
    expect(page.get_by_text(f"The run {name} is active")).to_be_visible()
    press(page, "Stop it and start")
    page.wait_for_function(
        "name => document.querySelector('.ppo-board .name').textContent !== name", arg=name
    )
    wait_for_state(page, "running")
    newest, older = list_runs(server.runs)[:2]
    assert RunReader(older).info().state == "stopped" and RunReader(newest).info().name != name
    wait_for_step(page, 1)
    ghosts = page.evaluate(f"{PLOT}.data.filter(t => t.name.endsWith('previous run')).map(t => t.line.color)")
    assert ghosts == ["#8c8c8c"]
