"""The What-if page in a real browser: a slider changes the figures, the notebook's numbers, the keys, links,
and the way into a run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ppo_engine import Config, RunReader, session
from ppo_engine.analysis.recorded_batch import RecordedBatch
from ppo_engine.analysis.what_if import WhatIfSettings, what_if
from ppo_engine.formatting import signed, three_digits
from ppo_engine.store import DATABASE, list_runs
from tests.browser.board import press, wait_for_state, wait_for_step
from tests.browser.conftest import Server

PRINTED = json.loads((Path(__file__).parents[1] / "golden" / "notebook_tables.json").read_text())
ROUNDING = 0.5e-4


@pytest.fixture(scope="module")
def recorded(tiny: Callable[..., Config], shared_server: Server) -> Path:
    """A finished run of four steps of 64 samples, the first of them without its tokens, as old
    steps may be.
    """
    config = tiny(steps=4, batch_size=64, mini_batch_size=16, learning_rate=3e-3, target_kl=0.0)
    folder, owner = session.create(config, "tiny-reviews", shared_server.runs)
    owner.run()
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("delete from token_blocks where step = 1")
        connection.execute("delete from digests where part = 'tokens' and step = 1")
    return folder


def board(page: Page) -> Locator:
    """The page's own board: the top line's has a part of that name too, which stays empty."""
    return page.locator(".ppo-board .whatif[data-shown]")


def figure(page: Page, label: str, side: str = "now") -> Locator:
    return board(page).locator(f'tr[data-figure="{label}"] .{side}')


def heading(page: Page, text: str) -> Locator:
    return board(page).locator("h2", has_text=text)


def test_a_slider_changes_the_figures_and_a_link_reopens_the_view(
    open_page: Callable[..., Page], recorded: Path
) -> None:
    page = open_page(f"what_if?run={recorded.name}&step=3&sample=5&token=1")
    reader = RunReader(recorded)
    tokens, row = reader.tokens(3), reader.steps(after=2)[0]
    assert tokens is not None
    config, metrics = reader.info().config, row.metrics
    own = WhatIfSettings.of(config, tokens)
    expect(figure(page, "Value loss", "was")).to_have_text(three_digits(metrics["ppo/loss/value"]))
    expect(board(page).locator(".figures .by")).to_have_text(["same"] * 9)
    expect(heading(page, "Sample 5 of 64")).to_be_visible()
    turned = what_if(
        RecordedBatch.of(tokens),
        replace(own, lam=0.3, cliprange_value=0.01),
        config,
        metrics["ppo/policy/entropy"],
    )
    assert three_digits(turned.value_loss) != three_digits(metrics["ppo/loss/value"])
    board(page).get_by_role("slider", name="Lambda").fill("0.3")
    board(page).get_by_role("spinbutton", name="Value clip range").fill("0.01")
    board(page).get_by_role("spinbutton", name="Value clip range").press("Enter")
    expect(figure(page, "Value loss")).to_have_text(three_digits(turned.value_loss))
    expect(figure(page, "Policy loss", "was")).to_have_text(signed(metrics["ppo/loss/policy"]))
    page.wait_for_url("**what=lam**0.3**cliprange_value**0.01**")
    page.reload()
    expect(figure(page, "Value loss")).to_have_text(three_digits(turned.value_loss))
    expect(board(page).get_by_role("slider", name="Lambda")).to_have_value("0.3")
    expect(heading(page, "Step 3")).to_be_visible()
    page.get_by_role("link", name="Metrics").click()
    page.get_by_role("link", name="What-if").click()
    page.wait_for_url(lambda url: "what_if" in url and recorded.name in url and "step=3" in url)
    expect(board(page).locator(".strip").last.locator(".token.chosen")).to_have_count(1)
    board(page).get_by_role("button", name="Reset all").click()
    expect(board(page).locator(".figures .by")).to_have_text(["same"] * 9)


def test_the_notebooks_numbers_are_on_the_page(open_page: Callable[..., Page], recorded: Path) -> None:
    page = open_page(f"what_if?run={recorded.name}")
    page.get_by_role("button", name="Load the notebook's example").click()
    expect(board(page).get_by_text("The notebook prints no ratios for this batch").first).to_be_visible()
    for sample in range(4):
        expect(heading(page, f"Sample {sample} of 4")).to_be_visible()
        for column, name, tolerance in (
            ("values", "values", 1e-9),
            ("advantages", "advantages", 1e-9),
            ("returns", "returns", 3 * ROUNDING + 1e-9),
            ("used", "whitened_advantages", 2 * ROUNDING + ROUNDING / 1.477),
        ):
            shown = board(page).locator(f'.all td[data-column="{column}"] .now').all_inner_texts()
            printed = [
                x for x, value in zip(PRINTED[name][sample], PRINTED["values"][sample], strict=True) if value
            ]
            assert [float(text.replace("−", "-")) for text in shown] == pytest.approx(
                printed, abs=tolerance, rel=0
            ), column
        page.keyboard.press("j")
    expect(heading(page, "Sample 0 of 4")).to_be_visible()
    page.get_by_role("button", name="Back to the run").click()
    expect(heading(page, "Sample 0 of 64")).to_be_visible()


def test_keys_go_through_samples_and_steps_and_a_trimmed_step_offers_its_neighbour(
    open_page: Callable[..., Page], recorded: Path
) -> None:
    page = open_page(f"what_if?run={recorded.name}&step=1&what=lam:2,gamma:0.9")
    expect(board(page)).to_contain_text("lam = 2: must be a number from 0 to 1")
    expect(board(page)).to_contain_text("Step 1 of this run has no stored tokens")
    board(page).get_by_role("button", name="Show step 2").click()
    expect(heading(page, "Step 2 of")).to_be_visible()
    expect(board(page).get_by_role("slider", name="Gamma")).to_have_value("0.9")
    pressed = {"]": "Step 3 of", "j": "Sample 1 of", "k": "Sample 0 of", "[": "Step 2 of", "g": "Step 4 of"}
    for key, text in pressed.items():
        page.keyboard.press(key)
        expect(heading(page, text)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_contain_text("Previous sample")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_be_hidden()
    gamma = board(page).get_by_role("spinbutton", name="Gamma")
    gamma.press("j")
    gamma.blur()
    page.keyboard.press("k")  # from sample 0, if the j was the field's
    expect(heading(page, "Sample 63 of")).to_be_visible()


def test_knobs_stay_while_a_run_goes_on_and_go_into_it_as_pending_edits(
    running: Page, shared_server: Server
) -> None:
    page = running
    at = wait_for_step(page, 1)
    page.get_by_role("link", name="What-if").click()
    board(page).get_by_role("slider", name="Lambda").fill("0.4")
    page.keyboard.press("j")
    expect(heading(page, "Sample 1 of 24")).to_be_visible()
    seen = wait_for_step(page, at + 3)
    page.wait_for_function(
        "at => Number(document.querySelector('.whatif[data-shown] h2').textContent"
        ".match(/Step (\\d+)/)?.[1]) >= at",
        arg=seen,
    )
    expect(heading(page, "Sample 1 of 24")).to_be_visible()
    expect(board(page).get_by_role("slider", name="Lambda")).to_have_value("0.4")
    press(page, "Pause")
    wait_for_state(page, "paused")
    board(page).get_by_role("button", name="Use these in the run").click()
    expect(board(page).locator(".said")).to_contain_text(
        "Pending in the sidebar: Lambda (λ) 0.4. Press Apply there"
    )
    expect(page.get_by_text("Lambda (λ): 0.95 → 0.4")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Pending", exact=True)).to_have_count(0)
    assert RunReader(list_runs(shared_server.runs)[0]).info().config.lam == 0.4
