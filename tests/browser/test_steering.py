"""Steering in a real browser: edits with markers and undo, notes, keys, branches, the playground and the runs
page.

All on one page, whose run goes on from test to test.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from ppo_engine import RunReader
from ppo_engine.store import describe, list_runs, submit
from tests.browser.board import commands, press, state, step, wait_for_state, wait_for_step
from tests.browser.conftest import Server

HOSTILE = "<img src=x onerror=alert(1)> $x$ **b** :red[c]"


def markers(page: Page) -> list[str]:
    """The words on the score chart's markers."""
    found: list[str] = page.evaluate(
        "() => document.querySelector('[data-chart=score] .js-plotly-plot').layout.annotations.map(note => "
        "note.text)"
    )
    return found


def test_an_edit_is_staged_applied_marked_and_undone(paused: Page, shared_server: Server) -> None:
    run = list_runs(shared_server.runs)[0]
    paused.get_by_text("PPO", exact=True).click()
    lam = paused.get_by_role("spinbutton", name="Lam")
    lam.fill("0.5")
    lam.press("Enter")
    expect(paused.get_by_text("Lambda (λ): 0.95 → 0.5")).to_be_visible()
    assert RunReader(run).info().config.lam == 0.95
    paused.evaluate("() => document.querySelector('[data-testid=stSidebarContent]').scrollTop = 1e6")
    expect(paused.get_by_role("button", name="Apply")).to_be_in_viewport()
    paused.get_by_role("button", name="Apply").click()
    happening = paused.locator(".ppo-board .happening[data-kind=edit]")
    expect(happening).to_contain_text("Lambda (λ): 0.95 → 0.5")
    expect(paused.get_by_text("Pending", exact=True)).to_have_count(0)
    paused.wait_for_function(
        "() => document.querySelector('[data-chart=kl] .js-plotly-plot').layout.annotations.some(note => "
        "note.text.includes('edit'))"
    )
    assert RunReader(run).info().config.lam == 0.5
    happening.get_by_role("button", name="Undo").click()
    expect(paused.locator(".ppo-board .happening[data-kind=edit]")).to_have_count(2)
    assert RunReader(run).info().config.lam == 0.95
    expect(lam).to_have_value("0.95")


def test_an_undo_that_cannot_be_says_why_beside_the_history(paused: Page, shared_server: Server) -> None:
    run = list_runs(shared_server.runs)[0]
    first = paused.locator(".ppo-board .happening[data-kind=edit]", has_text="100000 → 1000")
    submit(run, "edit", "a test", changes={"steps": 1000})
    first.wait_for()
    submit(run, "edit", "a test", changes={"steps": 100_000})
    paused.locator(".ppo-board .happening[data-kind=edit]", has_text="1000 → 100000").wait_for()
    first.get_by_role("button", name="Undo").click()
    expect(paused.locator(".ppo-board .refusal")).to_contain_text("steps = 100000: already has this value")


def test_a_note_is_plain_text_and_a_marker(paused: Page) -> None:
    paused.get_by_role("textbox", name="A note on this step").fill(HOSTILE)
    paused.get_by_role("button", name=re.compile("Pin a note")).click()
    expect(paused.locator(".ppo-board .happening[data-kind=note] .text")).to_have_text(HOSTILE)
    paused.locator("[data-chart=score]").scroll_into_view_if_needed()  # out of sight it is not drawn
    paused.wait_for_function(
        "() => document.querySelector('[data-chart=score] .js-plotly-plot').layout.annotations.some(note => "
        "note.text.includes('note'))"
    )
    assert paused.locator(".ppo-board img").count() == 0


def test_keys_play_step_and_stop_but_not_while_typing(paused: Page) -> None:
    before = step(paused)
    paused.locator(".ppo-board .notice").click()
    paused.keyboard.press("n")
    wait_for_step(paused, before + 1)
    assert state(paused) == "paused"
    paused.get_by_role("searchbox").first.click()
    paused.keyboard.type("pxn")
    expect(paused.get_by_role("searchbox").first).to_have_value("pxn")
    assert (state(paused), step(paused)) == ("paused", before + 1)
    paused.get_by_role("searchbox").first.fill("")
    paused.locator(".ppo-board .notice").click()
    paused.keyboard.press("p")
    wait_for_state(paused, "running")
    paused.keyboard.press("x")
    wait_for_state(paused, "stopped")


def test_a_press_that_a_timer_overtakes_counts_once(paused: Page, shared_server: Server) -> None:
    """The page is kept busy until its refresh is overdue; Step is pressed before that goes out, and its own
    message has to wait again.
    """
    before = len(commands(list_runs(shared_server.runs)[0]))
    paused.evaluate("""() => {
            const pressed = [...document.querySelectorAll("button")]
                .find(button => button.innerText.includes("Step"));
            const busy = (ms) => { for (const until = performance.now() + ms; performance.now() < until;); };
            setTimeout(() => { setTimeout(busy, 0, 500); pressed.click(); }, 0);
            busy(1500);
        }""")
    press(paused, "Stop")  # comes after all that the first press has sent
    wait_for_state(paused, "stopped")
    assert [kind for kind, _, _ in commands(list_runs(shared_server.runs)[0])[before:]] == ["step", "stop"]


def test_a_branch_starts_from_a_checkpoint_and_shows_its_parent(paused: Page, shared_server: Server) -> None:
    parent = RunReader(list_runs(shared_server.runs)[0]).info()
    paused.get_by_role("button", name="Branch a new run").click()
    dialog = paused.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Settings to change").click()
    paused.get_by_role("option", name="Seed", exact=True).click()
    paused.keyboard.press("Tab")  # closes the list
    seed = dialog.get_by_role("spinbutton", name="Seed")
    seed.fill("7")
    seed.press("Enter")
    dialog.get_by_role("button", name="Stop it and start the branch").click()
    wait_for_state(paused, "running")
    wait_for_step(paused, parent.last_step + 2)
    child = RunReader(list_runs(shared_server.runs)[0]).info()
    assert (child.parent, child.parent_step, child.config.seed) == (parent.id, parent.last_step, 7)
    ghosts = paused.evaluate(
        "() => document.querySelector('[data-chart=score] .js-plotly-plot').data.map(trace => trace.name)"
    )
    assert any("previous run" in name for name in ghosts)


def test_the_playground_continues_an_opening_while_the_run_is_paused(paused: Page) -> None:
    at = step(paused)
    paused.get_by_role("link", name="Playground").click()
    opening = paused.get_by_role("textbox", name="Opening")
    opening.fill("I saw this film")
    paused.get_by_role("button", name="Continue").click()
    expect(paused.locator(".ppo-board .column")).to_have_count(2)
    expect(paused.locator(".ppo-board .column h2").first).to_contain_text(f"policy after step {at}")
    expect(paused.locator(".ppo-board .played")).to_have_count(8)
    expect(paused.locator(".ppo-board .played .query").first).to_have_text("I saw this film")


def test_the_runs_page_shows_hostile_names_as_text_and_opens_a_run(
    paused: Page, shared_server: Server
) -> None:
    run = list_runs(shared_server.runs)[0]
    describe(run, name=HOSTILE)
    paused.get_by_role("link", name="Runs").click()
    # the box before the first row
    paused.locator('[data-testid="stDataFrame"] .dvn-scroller').click(position={"x": 18, "y": 52})
    expect(paused.get_by_role("heading", name=HOSTILE)).to_be_visible()
    paused.get_by_role("link", name="Open on the Live page").click()
    paused.wait_for_url(f"**run={run.name}**")
    expect(paused.locator(".ppo-board .top .name")).to_have_text(HOSTILE)
