"""What a link brings in and what it cannot, a hidden tab, narrow and dark pages, and text that stays text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Page, WebSocket, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import PLOT, SMALL, press, state, wait_for_state, wait_for_step
from tests.browser.conftest import Server


def test_a_hidden_tab_is_silent_and_a_shown_one_catches_up(
    open_page: Callable[..., Page], server: Server
) -> None:
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
        page.wait_for_timeout(800)
        if len(frames) == before:
            return


def test_settings_come_from_the_link_and_go_back_into_it(
    open_page: Callable[..., Page], server: Server
) -> None:
    page = open_page("?seed=7&learning_rate=0.002&batch_size=24&mini_batch_size=12&steps=30")
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("7")
    press(page, "Start")
    wait_for_state(page, "running")
    config = RunReader(list_runs(server.runs)[0]).info().config
    assert (config.seed, config.learning_rate, config.batch_size, config.steps) == (7, 0.002, 24, 30)
    query = parse_qs(urlparse(page.url).query)
    assert (query["preset"], query["seed"], query["learning_rate"], query["steps"]) == (
        ["tiny-reviews"],
        ["7"],
        ["0.002"],
        ["30"],
    )


def test_a_link_with_bad_settings_says_which_and_uses_the_rest(open_page: Callable[..., Page]) -> None:
    page = open_page(
        "?"
        + urlencode(
            {
                "preset": "nope",
                "lam": "nan",
                "batch_size": "-3",
                "seed": "5",
                "wat": "<img src=x onerror=alert(1)>",
            }
        )
    )
    warning = page.get_by_test_id("stAlert").first
    for words in (
        "preset = nope: must be one of tiny-reviews, gpt2-imdb",
        "lam = nan: must be a number from 0 to 1",
        "batch_size = -3: must be a whole number from 1",
        "wat: unknown setting",
    ):
        expect(warning).to_contain_text(words)
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("5")


def test_a_link_cannot_bring_in_markup(open_page: Callable[..., Page]) -> None:
    page = open_page(
        "?"
        + urlencode(
            {"x\n\n![](http://127.0.0.1:9/x.png)": "1", "lam": "7\n\n# Big\n\n[press](http://127.0.0.1:9)"}
        )
    )
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("lam = 7")
    assert warning.locator("img, a, h1").count() == 0


def test_valid_settings_survive_a_bad_one_beside_them(open_page: Callable[..., Page]) -> None:
    page = open_page("?output_min_length=20&output_max_length=30&lam=nan")
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("lam = nan")
    expect(warning).not_to_contain_text("output_min_length")


def test_contradicting_settings_are_refused_with_the_reason(
    open_page: Callable[..., Page], server: Server
) -> None:
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
    expect(notice).to_contain_text("model_name = /no/such/model: no such folder")
    notice.get_by_text("The whole error").click()
    expect(notice.locator("pre")).to_contain_text("Traceback")


@pytest.mark.parametrize("width", [1440, 820])
def test_no_page_scrolls_sideways(open_page: Callable[..., Page], width: int) -> None:
    page = open_page(width=width)
    for name in ("Live", "Tokens", "Update", "What-if", "Playground", "Runs", "Metrics"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url("**/?*" if name == "Live" else f"**/{name.lower().replace('-', '_')}*")
        page.locator(".ppo-board .top .name").first.wait_for()
        wide = page.evaluate("""() => [...document.querySelectorAll('[data-testid="stMain"] *')].filter(e => {
            const inside = e.closest('.js-plotly-plot, [data-testid="stDataFrame"]');
            return !inside && e.getBoundingClientRect().right > window.innerWidth + 2;
        }).map(e => e.className)""")
        assert wide == [], name


def test_metrics_can_be_searched_and_the_search_has_a_link(open_page: Callable[..., Page]) -> None:
    page = open_page("metrics?search=clipfrac")
    expect(page.get_by_label("Search the metrics")).to_have_value("clipfrac")
    expect(page.get_by_text("ppo/val/clipfrac", exact=True)).to_be_visible()
    expect(page.get_by_text("objective/entropy", exact=True)).to_have_count(0)
    assert state(page)


def test_the_theme_reaches_the_charts(open_page: Callable[..., Page]) -> None:
    page = open_page()
    ink = page.evaluate(f"{PLOT}._fullLayout.font.color")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {PLOT}._fullLayout.font.color !== light", arg=ink)


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
    """A vocabulary of markup, from the review through the query and the response to every place that shows
    them.
    """
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
    assert (
        page.locator(
            ".ppo-board img, .ppo-board script, .ppo-board a, .ppo-board strong, .ppo-board code"
        ).count()
        == 0
    )
