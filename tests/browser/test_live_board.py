"""The live board stays put while it lives: zoom, legend, scroll, choice. All on one page, whose run goes on
from test to test.
"""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import PLOT, press, step, wait_for_step
from tests.browser.conftest import Server


def test_zoom_legend_and_dom_are_kept_while_data_come_in(running: Page) -> None:
    running.evaluate(f"{PLOT}.marked = true")
    box = running.locator("[data-chart=score] .nsewdrag").first.bounding_box()
    assert box is not None
    running.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    running.mouse.down()
    running.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    running.mouse.up()
    running.wait_for_function(f"{PLOT}._fullLayout.xaxis.range[0] > 0.5")
    zoomed = running.evaluate(f"{PLOT}._fullLayout.xaxis.range")
    kl = "document.querySelector('[data-chart=kl] .js-plotly-plot')._fullLayout.xaxis.range"
    running.wait_for_function(f"{kl}[0] > 0.5")
    assert running.evaluate(kl) == pytest.approx(zoomed), "the steps of all charts are linked"
    running.locator("[data-chart=score] .legendtoggle").first.click()
    running.wait_for_function(f"{PLOT}._fullData.some(trace => trace.visible === 'legendonly')")
    hidden = running.evaluate(f"{PLOT}._fullData.filter(t => t.visible === 'legendonly').map(t => t.name)")

    # past the eleventh step the axis itself grows with every step
    wait_for_step(running, max(16, step(running) + 4))
    assert running.evaluate(f"{PLOT}.marked"), "the plot was not mounted anew"
    assert running.evaluate(f"{PLOT}._fullLayout.xaxis.range") == pytest.approx(zoomed)
    assert running.evaluate(kl) == pytest.approx(zoomed)
    assert (
        running.evaluate(f"{PLOT}._fullData.filter(t => t.visible === 'legendonly').map(t => t.name)")
        == hidden
    )


def test_nothing_jumps_or_greys_out_while_data_come_in(running: Page) -> None:
    samples = running.locator(".ppo-board .samples").last
    samples.scroll_into_view_if_needed()  # out of sight they are not drawn
    running.locator(".ppo-board .sample[data-sample]").first.wait_for()
    samples.evaluate("list => list.scrollTop = 60")
    running.evaluate("""() => {
        window.seen = { heights: new Set(), opacities: new Set() };
        const look = () => {
            const board = document.querySelector('.ppo-board');
            const charts = [...document.querySelectorAll('.ppo-board .samples')].at(-1);
            window.seen.heights.add(Math.round(charts.getBoundingClientRect().top));
            window.seen.opacities.add(getComputedStyle(board.closest('[data-testid="stElementContainer"]')).opacity);
            requestAnimationFrame(look);
        };
        look();
    }""")
    wait_for_step(running, step(running) + 5)
    seen = running.evaluate("({ heights: [...window.seen.heights], opacities: [...window.seen.opacities] })")
    assert len(seen["heights"]) == 1, seen
    assert seen["opacities"] == ["1"], seen
    assert running.locator(".ppo-board .samples").last.evaluate("list => list.scrollTop") == 60


def test_the_four_token_views_show_numbers_and_clips(paused: Page) -> None:
    seen = {}
    for view in ("Reward", "Advantage", "Ratio", "Value"):
        button = paused.locator(".ppo-board .views button", has_text=view)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        seen[view] = paused.locator(".ppo-board .strip .token small").all_inner_texts()
        assert len(seen[view]) >= 4
        paused.locator(".ppo-board .strip .token").first.hover()
        tip = paused.locator(".ppo-board .tip")
        for word in (
            "log-probability",
            "reward",
            "KL penalty",
            "advantage",
            "ratio",
            "policy clip binds in",
            "value",
            "return",
        ):
            expect(tip).to_contain_text(word)
    assert len({tuple(numbers) for numbers in seen.values()}) == 4
    canvas = paused.locator(".ppo-board .heat canvas")
    assert canvas.evaluate("canvas => canvas.width > 300 && canvas.height > 100")
    paused.locator(".ppo-board .views button", has_text="Reward").click()


def test_what_the_strip_shows_is_what_the_record_says(paused: Page, shared_server: Server) -> None:
    reader = RunReader(list_runs(shared_server.runs)[0])
    last = reader.info().last_step
    wait_for_step(paused, last)
    chosen = paused.locator(".ppo-board .sample.chosen")
    chosen.click()
    index = int(chosen.get_attribute("data-sample") or "-1")
    tokens = reader.tokens(last)
    assert tokens is not None
    mine = tokens.sample == index
    shown = paused.locator(".ppo-board .strip .token b").all_inner_texts()
    assert [text.strip() for text in shown] == [
        text.strip() for text, there in zip(tokens.text, mine, strict=True) if there
    ]
    numbers = [
        float(text.replace("−", "-"))
        for text in paused.locator(".ppo-board .strip .token small").all_inner_texts()
    ]
    # three digits are shown
    assert numbers == pytest.approx(tokens.column("reward")[mine].tolist(), rel=6e-3, abs=1e-9)


def test_a_chosen_sample_stays_while_the_run_goes_on_and_has_a_link(
    running: Page, tabs: BrowserContext
) -> None:
    row = running.locator(".ppo-board .sample[data-sample='5']")
    row.click()
    running.wait_for_url("**sample=5**")
    title = running.locator(".ppo-board section.tokens, .ppo-board h2", has_text="Sample 5 of step").first
    pinned = title.inner_text()
    wait_for_step(running, step(running) + 3)
    assert title.inner_text() == pinned
    again = tabs.new_page()
    again.goto(running.url)
    expect(again.locator(".ppo-board h2", has_text="Sample 5 of step")).to_have_text(pinned)
    again.close()
    press(running, "Follow the newest step")
    running.wait_for_function(
        "text => ![...document.querySelectorAll('.ppo-board h2')].some(h => h.textContent === text)",
        arg=pinned,
    )
    assert "sample=" not in running.url


def test_the_speed_can_be_changed_while_it_runs(running: Page, shared_server: Server) -> None:
    reader = RunReader(list_runs(shared_server.runs)[0])
    running.get_by_text("5 s/step").click()
    give_up = time.monotonic() + 20
    while reader.info().seconds_per_step != 5.0:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    running.reload()
    chosen = (
        running.get_by_role("radio", name="5 s/step")
        .or_(running.get_by_role("button", name="5 s/step"))
        .first
    )
    expect(chosen).to_have_attribute("aria-checked", "true")
    running.get_by_text("full", exact=True).click()
    wait_for_step(running, step(running) + 2)


def test_samples_can_be_searched_and_sorted(paused: Page) -> None:
    paused.get_by_label("Sort the continuations").select_option("lowest score")
    scores = [
        float(text.replace("−", "-"))
        for text in paused.locator(
            ".ppo-board .samples:last-child .sample .number:nth-child(2)"
        ).all_inner_texts()
    ]
    assert scores == sorted(scores) and len(scores) == 24
    paused.get_by_label("Search the continuations").fill("zzzz")
    expect(paused.locator(".ppo-board .none")).to_contain_text("Clear the search")
    word = "the"
    paused.get_by_label("Search the continuations").fill(word)
    texts = paused.locator(".ppo-board .samples:last-child .sample .text").all_inner_texts()
    assert texts and all(word in text.lower() for text in texts)
    paused.get_by_label("Search the continuations").fill("")
