"""The Tokens page in a real browser: clicks, keys, links, selections, and text that stays text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import press, wait_for_state, wait_for_step
from tests.browser.conftest import Server


@pytest.fixture
def page(paused: Page, shared_server: Server) -> Page:
    """The Tokens page of a run that is paused after a few steps."""
    wait_for_step(paused, 2)
    paused.goto(f"{shared_server.url}/tokens")
    paused.locator(".ppo-board .microscope .token").first.wait_for()
    return paused


def look(page: Page) -> dict[str, Any]:
    """What is drawn now."""
    return dict(
        json.loads(page.locator(".ppo-board .microscope[data-shown]").get_attribute("data-shown") or "{}")
    )


def wait_for_look(page: Page, **wanted: Any) -> None:
    page.wait_for_function(
        """wanted => {
            const page = document.querySelector('.ppo-board .microscope[data-shown]');
            const shown = JSON.parse(page?.dataset.shown ?? "{}");
            return Object.entries(wanted).every(([name, value]) => shown[name] === value);
        }""",
        arg=wanted,
    )


def test_a_clicked_token_tells_its_story_with_the_records_numbers(page: Page, shared_server: Server) -> None:
    page.locator(".ppo-board .microscope .token").nth(1).click()
    wait_for_look(page, sample=0, token=1)
    tokens = RunReader(list_runs(shared_server.runs)[0]).tokens(look(page)["step"])
    assert tokens is not None
    heading, cards = page.locator(".ppo-board .story h2"), page.locator(".ppo-board .story .card")
    expect(heading).to_contain_text(tokens.text[1].strip())
    expect(cards.filter(has_text="How that became its advantage").locator("tr")).to_have_count(
        int((tokens.sample == 0).sum())
    )
    shown = cards.first.locator("strong").last.inner_text().replace("−", "-")
    assert float(shown) == pytest.approx(float(tokens.column("delta")[1]), rel=6e-3)
    expect(cards.filter(has_text="What the policy loss did").locator("tr")).to_have_count(
        1 + int(tokens.epochs_seen[1])
    )
    assert "token=1" in page.url and "step=" not in page.url


def test_keys_move_through_samples_tokens_and_steps_and_help_lists_them(page: Page) -> None:
    newest = look(page)["step"]
    page.locator(".ppo-board .top .name").first.click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    wait_for_look(page, sample=2)
    page.keyboard.press("ArrowRight")
    wait_for_look(page, sample=2, token=1)
    page.keyboard.press("k")
    wait_for_look(page, sample=1, token=0)
    page.keyboard.press("[")
    wait_for_look(page, step=newest - 1, sample=1)
    assert f"step={newest - 1}" in page.url
    page.keyboard.press("g")
    wait_for_look(page, step=newest, sample=1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_be_hidden()
    page.get_by_role("searchbox", name="Search the texts of this step").click()
    page.keyboard.type("jjg")
    assert look(page)["sample"] == 1, "letters that are typed into a field are no keys"


def test_the_selection_stays_while_the_run_goes_on_and_a_link_reopens_it(
    page: Page, shared_server: Server
) -> None:
    page.locator(".ppo-board .find", has_text="Lowest score").click()
    page.get_by_label("What colours the tokens").select_option("ratio")
    wait_for_look(page, colour="ratio")
    before = look(page)
    press(page, "Resume")
    wait_for_state(page, "running")
    page.wait_for_function(
        "step => JSON.parse(document.querySelector('.ppo-board .microscope[data-shown]').dataset.shown).step "
        "> step",
        arg=before["step"],
    )
    assert (look(page)["sample"], look(page)["colour"]) == (before["sample"], "ratio")
    press(page, "Pause")
    wait_for_state(page, "paused")
    last = RunReader(list_runs(shared_server.runs)[0]).info().last_step
    wait_for_look(page, step=last)
    page.locator(".ppo-board .top .name").first.click()
    page.keyboard.press("[")
    wait_for_look(page, step=last - 1)
    kept = look(page)
    page.goto(page.url)
    page.locator(".ppo-board .microscope .token").first.wait_for()
    assert look(page) == kept and f"step={kept['step']}" in page.url


def test_points_that_are_selected_are_listed_and_lead_to_their_tokens(page: Page) -> None:
    page.locator(".ppo-board .microscope[data-points]").wait_for()  # the plot is drawn after the story
    plot = page.locator(".ppo-board .microscope .batch .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    expect(page.locator(".ppo-board .side h2", has_text="tokens selected")).to_be_visible()
    hit = page.locator(".ppo-board .side .hit").last
    sample = int(hit.inner_text().split("sample ")[1].split(",")[0])
    hit.click()
    wait_for_look(page, sample=sample)


def test_the_batch_is_drawn_again_after_another_page_was_looked_at(page: Page) -> None:
    for token in (1, 0, 1):  # the batch came with the page, and is left out of what these bring
        page.locator(".ppo-board .microscope .token").nth(token).click()
        wait_for_look(page, token=token)
    samples = page.locator(".ppo-board aside .hit").count()
    page.get_by_role("link", name="Metrics").click()
    page.locator(".ppo-board .microscope[data-shown]").wait_for(state="detached")
    page.get_by_role("link", name="Tokens").click()
    page.locator(".ppo-board .microscope[data-points]").wait_for()
    expect(page.locator(".ppo-board aside .hit")).to_have_count(samples)
    assert page.locator(".ppo-board .microscope .batch .scatterlayer .point").count() > 10


def test_a_search_lists_the_texts_that_have_it(page: Page) -> None:
    word = page.locator(".ppo-board .microscope .strip .query").inner_text().split()[0]
    page.get_by_role("searchbox", name="Search the texts of this step").fill(word)
    hits = page.locator(".ppo-board aside .hit .text")
    assert all(word.lower() in text.lower() for text in hits.all_text_contents()) and hits.count() > 0
    page.get_by_role("searchbox", name="Search the texts of this step").fill("<img src=x onerror=alert(1)>")
    expect(page.get_by_text("No text of this step has that.")).to_be_visible()


def test_a_token_on_the_live_page_leads_here(page: Page) -> None:
    page.get_by_role("link", name="Live").click()
    token = page.locator(".ppo-board .tokens .token, .ppo-board section .strip .token").nth(1)
    token.click()
    page.wait_for_url("**/tokens?**token=1**")
    page.locator(".ppo-board .microscope .token.chosen").wait_for()
    assert look(page)["token"] == 1
