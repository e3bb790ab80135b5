"""The live board stays put while it lives: zoom, legend, scroll, choice; a hidden tab is silent; model text is inert."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Page, WebSocket, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import SMALL, press, state, step, wait_for_state, wait_for_step
from tests.browser.conftest import Server

PLOT = "document.querySelector('[data-chart=score] .js-plotly-plot')"


@pytest.fixture
def running(open_page: Callable[..., Page]) -> Page:
    page = open_page(f"?{SMALL}")
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 2)
    return page


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

    wait_for_step(running, max(16, step(running) + 4))  # past the eleventh step the axis itself grows with every step
    assert running.evaluate(f"{PLOT}.marked"), "the plot was not mounted anew"
    assert running.evaluate(f"{PLOT}._fullLayout.xaxis.range") == pytest.approx(zoomed)
    assert running.evaluate(kl) == pytest.approx(zoomed)
    assert running.evaluate(f"{PLOT}._fullData.filter(t => t.visible === 'legendonly').map(t => t.name)") == hidden


def test_nothing_jumps_or_greys_out_while_data_come_in(running: Page) -> None:
    running.locator(".ppo-board .samples").last.evaluate("list => list.scrollTop = 60")
    running.evaluate("""() => {
        window.seen = { heights: new Set(), opacities: new Set() };
        const look = () => {
            const board = document.querySelector('.ppo-board');
            window.seen.heights.add(Math.round(document.querySelector('.ppo-board .charts').getBoundingClientRect().top));
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


def test_a_hidden_tab_is_silent_and_a_shown_one_catches_up(open_page: Callable[..., Page], server: Server) -> None:
    page = open_page(f"?{SMALL}")
    frames: list[int] = []
    page.on("websocket", lambda socket: watch(socket, frames))
    page.reload()
    page.locator(".ppo-board .top .name").wait_for()
    press(page, "Start")
    wait_for_step(page, 1)
    see(page, "hidden")
    settle(page, frames)
    at, sent = RunReader(list_runs(server.runs)[0]).info().last_step, len(frames)
    page.wait_for_timeout(2500)  # silence has no event to wait for
    assert len(frames) == sent
    assert RunReader(list_runs(server.runs)[0]).info().last_step > at
    see(page, "visible")
    wait_for_step(page, at + 1)


def watch(socket: WebSocket, frames: list[int]) -> None:
    socket.on("framesent", lambda _: frames.append(1))
    socket.on("framereceived", lambda _: frames.append(1))


def see(page: Page, visibility: str) -> None:
    page.evaluate(
        """visibility => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => visibility });
        document.dispatchEvent(new Event('visibilitychange'));
    }""",
        visibility,
    )


def settle(page: Page, frames: list[int]) -> None:
    """Lets the answers to the last request come in."""
    while True:
        before = len(frames)
        page.wait_for_timeout(1500)
        if len(frames) == before:
            return


def test_the_four_token_views_show_numbers_and_clips(running: Page) -> None:
    press(running, "Pause")
    wait_for_state(running, "paused")
    seen = {}
    for view in ("Reward", "Advantage", "Ratio", "Value"):
        button = running.locator(".ppo-board .views button", has_text=view)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        seen[view] = running.locator(".ppo-board .strip .token small").all_inner_texts()
        assert len(seen[view]) >= 4
        running.locator(".ppo-board .strip .token").first.hover()
        tip = running.locator(".ppo-board .tip")
        for word in ("log-probability", "reward", "KL penalty", "advantage", "ratio", "policy clip binds in", "value", "return"):
            expect(tip).to_contain_text(word)
    assert len({tuple(numbers) for numbers in seen.values()}) == 4
    canvas = running.locator(".ppo-board .heat canvas")
    assert canvas.evaluate("canvas => canvas.width > 300 && canvas.height > 100")


def test_what_the_strip_shows_is_what_the_record_says(running: Page, server: Server) -> None:
    press(running, "Pause")
    wait_for_state(running, "paused")
    reader = RunReader(list_runs(server.runs)[0])
    last = reader.info().last_step
    wait_for_step(running, last)
    chosen = running.locator(".ppo-board .sample.chosen")
    chosen.click()
    index = int(chosen.get_attribute("data-sample") or "-1")
    tokens = reader.tokens(last)
    assert tokens is not None
    mine = tokens.sample == index
    shown = running.locator(".ppo-board .strip .token b").all_inner_texts()
    assert [text.strip() for text in shown] == [text.strip() for text, there in zip(tokens.text, mine, strict=True) if there]
    numbers = [float(text.replace("−", "-")) for text in running.locator(".ppo-board .strip .token small").all_inner_texts()]
    assert numbers == pytest.approx(tokens.column("reward")[mine].tolist(), rel=6e-3, abs=1e-9)  # three digits are shown


def test_a_chosen_sample_stays_while_the_run_goes_on_and_has_a_link(running: Page, open_page: Callable[..., Page]) -> None:
    row = running.locator(".ppo-board .sample[data-sample='5']")
    row.click()
    running.wait_for_url("**sample=5**")
    title = running.locator(".ppo-board section.tokens, .ppo-board h2", has_text="Sample 5 of step").first
    pinned = title.inner_text()
    wait_for_step(running, step(running) + 3)
    assert title.inner_text() == pinned
    again = open_page("?" + urlparse(running.url).query)
    expect(again.locator(".ppo-board h2", has_text="Sample 5 of step")).to_have_text(pinned)
    press(running, "Follow the newest step")
    running.wait_for_function("text => ![...document.querySelectorAll('.ppo-board h2')].some(h => h.textContent === text)", arg=pinned)
    assert "sample=" not in running.url


def test_the_speed_can_be_changed_while_it_runs(running: Page, server: Server) -> None:
    reader = RunReader(list_runs(server.runs)[0])
    running.get_by_text("5 s/step").click()
    give_up = time.monotonic() + 20
    while reader.info().seconds_per_step != 5.0:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    running.reload()
    chosen = running.get_by_role("radio", name="5 s/step").or_(running.get_by_role("button", name="5 s/step")).first
    expect(chosen).to_have_attribute("aria-checked", "true")


def test_samples_can_be_searched_and_sorted(running: Page) -> None:
    press(running, "Pause")
    wait_for_state(running, "paused")
    running.get_by_label("Sort the continuations").select_option("lowest score")
    scores = [
        float(text.replace("−", "-"))
        for text in running.locator(".ppo-board .samples:last-child .sample .number:nth-child(2)").all_inner_texts()
    ]
    assert scores == sorted(scores) and len(scores) == 24
    running.get_by_label("Search the continuations").fill("zzzz")
    expect(running.locator(".ppo-board .none")).to_contain_text("Clear the search")
    word = "the"
    running.get_by_label("Search the continuations").fill(word)
    texts = running.locator(".ppo-board .samples:last-child .sample .text").all_inner_texts()
    assert texts and all(word in text.lower() for text in texts)


def test_settings_come_from_the_link_and_go_back_into_it(open_page: Callable[..., Page], server: Server) -> None:
    page = open_page("?seed=7&learning_rate=0.002&batch_size=24&mini_batch_size=12&steps=30")
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("7")
    press(page, "Start")
    wait_for_state(page, "running")
    config = RunReader(list_runs(server.runs)[0]).info().config
    assert (config.seed, config.learning_rate, config.batch_size, config.steps) == (7, 0.002, 24, 30)
    query = parse_qs(urlparse(page.url).query)
    assert (query["preset"], query["seed"], query["learning_rate"], query["steps"]) == (["tiny-reviews"], ["7"], ["0.002"], ["30"])


def test_a_link_with_bad_settings_says_which_and_uses_the_rest(open_page: Callable[..., Page]) -> None:
    page = open_page(
        "?" + urlencode({"preset": "nope", "lam": "nan", "batch_size": "-3", "seed": "5", "wat": "<img src=x onerror=alert(1)>"})
    )
    warning = page.get_by_test_id("stAlert").first
    for words in (
        "preset = nope: must be one of tiny-reviews, gpt2-imdb",
        "lam = nan: must be a number from 0 to 1",
        "batch_size = -3: must be a whole number from 1",
        "wat: there is no such setting",
    ):
        expect(warning).to_contain_text(words)
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("5")


def test_a_link_cannot_bring_in_markup(open_page: Callable[..., Page]) -> None:
    page = open_page("?" + urlencode({"x\n\n![](http://127.0.0.1:9/x.png)": "1", "lam": "7\n\n# Big\n\n[press](http://127.0.0.1:9)"}))
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("lam = 7")
    assert warning.locator("img, a, h1").count() == 0


def test_valid_settings_survive_a_bad_one_beside_them(open_page: Callable[..., Page]) -> None:
    page = open_page("?output_min_length=20&output_max_length=30&lam=nan")
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("lam = nan")
    expect(warning).not_to_contain_text("output_min_length")


def test_contradicting_settings_are_refused_with_the_reason(open_page: Callable[..., Page], server: Server) -> None:
    runs_before = list_runs(server.runs)
    page = open_page("?batch_size=24&mini_batch_size=12")
    page.get_by_text("Sampling", exact=True).click()
    box = page.get_by_role("spinbutton", name="Batch size")
    box.fill("8")
    box.press("Enter")
    page.wait_for_timeout(500)
    press(page, "Start")
    expect(page.get_by_text("mini_batch_size = 12: must be at most batch_size, which is 8")).to_be_visible()
    assert list_runs(server.runs) == runs_before


def test_a_failed_run_says_what_happened_and_what_to_do(open_page: Callable[..., Page]) -> None:
    page = open_page("?model_name=/no/such/model")
    press(page, "Start")
    wait_for_state(page, "failed")
    notice = page.locator(".ppo-board .notice")
    expect(notice).to_contain_text("model_name = /no/such/model: there is no such folder")
    notice.get_by_text("The whole error").click()
    expect(notice.locator("pre")).to_contain_text("Traceback")


@pytest.mark.parametrize("width", [1440, 820])
@pytest.mark.parametrize("path", ["", "metrics"])
def test_no_page_scrolls_sideways(open_page: Callable[..., Page], width: int, path: str) -> None:
    page = open_page(path, width=width)
    wide = page.evaluate("""() => [...document.querySelectorAll('[data-testid="stMain"] *')]
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 2 && !e.closest('.js-plotly-plot')).map(e => e.className)""")
    assert wide == []


def test_metrics_can_be_searched_and_the_search_has_a_link(open_page: Callable[..., Page]) -> None:
    page = open_page("metrics?search=clipfrac")
    expect(page.get_by_label("Search the metrics")).to_have_value("clipfrac")
    expect(page.get_by_text("ppo/val/clipfrac", exact=True)).to_be_visible()
    expect(page.get_by_text("objective/entropy", exact=True)).to_have_count(0)
    assert state(page)


def test_the_theme_reaches_the_charts(open_page: Callable[..., Page]) -> None:
    inks = {scheme: open_page(scheme=scheme).evaluate(f"{PLOT}._fullLayout.font.color") for scheme in ("light", "dark")}
    assert inks["light"] != inks["dark"]


HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=2>",
    "$x^2$",
    "**bold**",
    ":red[alarm]",
    "![](http://127.0.0.1:9/x.png)",
    "[link](javascript:window.pwned=3)",
    "`code`",
    "</div></section>",
]


def test_model_text_is_inert(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """A vocabulary of markup, from the review through the query and the response to every place that shows them."""
    from tests.engine.checkpoints import write_hostile_world

    write_hostile_world(tmp_path / "hostile", HOSTILE)
    sources = {
        "model_name": tmp_path / "hostile" / "policy",
        "reward_model": tmp_path / "hostile" / "classifier",
        "query_dataset": tmp_path / "hostile" / "reviews",
    }
    page = open_page(f"?{SMALL}&" + urlencode({name: str(path) for name, path in sources.items()}))
    press(page, "Start")
    wait_for_step(page, 2)
    press(page, "Pause")
    wait_for_state(page, "paused")
    shown = page.locator(".ppo-board").inner_text()
    for text in HOSTILE:
        assert text in shown, text
    assert page.evaluate("window.pwned") is None
    assert page.locator(".ppo-board img, .ppo-board script, .ppo-board a, .ppo-board strong, .ppo-board code").count() == 0


def test_figures_sent_to_the_page_are_json(running: Page) -> None:
    """NaN is not JSON: one would stop the page's updates."""
    payload = running.evaluate("JSON.stringify(document.querySelector('.ppo-container').board.data)")
    assert json.loads(payload)["charts"]
