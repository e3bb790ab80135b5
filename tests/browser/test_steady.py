"""Nothing jumps, closes, greys out or loses its place: when runs begin, end and fail, when the sidebar goes,
and under a finger.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.board import LONG, PLOT, button, press, wait_for_state, wait_for_step
from tests.browser.conftest import Server

WATCH = """() => {
    window.seen = { tops: new Set(), opacities: new Set(), open: new Set() };
    const look = () => {
        const sidebar = document.querySelector('[data-testid="stSidebar"]');
        const places = [".st-key-press-Start", ".st-key-speed", ".st-key-preset", "details"]
            .map(name => sidebar.querySelector(name));
        window.seen.tops.add(places.map(node => Math.round(node.getBoundingClientRect().top)).join());
        const groups = [...sidebar.querySelectorAll("details")];
        window.seen.open.add(groups.map(group => Number(group.open)).join(""));
        const kinds = '[data-testid="stElementContainer"], [data-testid="stExpander"] summary';
        const faded = [...document.querySelectorAll(kinds)];
        for (const node of faded) window.seen.opacities.add(getComputedStyle(node).opacity);
        requestAnimationFrame(look);
    };
    look();
}"""
SEEN = "({ tops: [...window.seen.tops], opacities: [...window.seen.opacities], open: [...window.seen.open] })"


SLOW = """() => {
    // What the server says comes in piece by piece, as on a machine that has too much to do.
    const listen = WebSocket.prototype.addEventListener;
    let before = Promise.resolve();
    WebSocket.prototype.addEventListener = function (kind, heard, ...more) {
        const late = (event) => { 
            before = before.then(() => new Promise((done) => setTimeout(done, 50))).then(() => heard(event));
        };
        return listen.call(this, kind, kind === "message" ? late : heard, ...more);
    };
}"""


def test_the_sidebar_stays_put_while_a_run_begins_and_ends(open_page: Callable[..., Page]) -> None:
    page = open_page(f"?{LONG}")
    page.get_by_text("Sampling", exact=True).click()
    expect(page.get_by_role("spinbutton", name="Batch size")).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('details')].filter(group => group.open).length === 1"
    )
    page.wait_for_function("() => document.getAnimations().length === 0")
    page.evaluate("() => document.querySelector('[data-testid=stSidebarContent]').scrollTop = 150")
    page.evaluate(WATCH)
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 2)
    press(page, "Pause")
    wait_for_state(page, "paused")
    press(page, "Stop")
    wait_for_state(page, "stopped")
    expect(button(page, "Stop")).to_be_disabled()
    expect(page.get_by_role("spinbutton", name="Seed")).to_be_enabled()
    seen = page.evaluate(SEEN)
    assert len(seen["tops"]) == 1 and len(seen["open"]) == 1, seen
    assert seen["opacities"] == ["1"], seen


def test_no_group_closes_when_a_run_fails_and_its_field_is_beside_the_message(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("?model_name=/no/such/model")
    page.get_by_text("Sampling", exact=True).click()
    expect(page.get_by_role("spinbutton", name="Batch size")).to_be_visible()
    press(page, "Start")
    wait_for_state(page, "failed")
    beside = page.locator(".st-key-correct")
    expect(beside).to_contain_text("model_name = /no/such/model: no such folder")
    expect(beside.get_by_role("textbox", name="Policy model")).to_be_in_viewport()
    expect(page.get_by_role("spinbutton", name="Batch size")).to_be_visible()
    expect(button(page, "Resume")).to_be_disabled()
    beside.get_by_role("textbox", name="Policy model").fill("builtin:policy")
    beside.get_by_role("textbox", name="Policy model").press("Enter")
    press(page, "Start")
    wait_for_state(page, "running")
    expect(page.locator(".st-key-correct")).to_have_count(0)


def test_a_slow_machine_greys_nothing_out(tabs: BrowserContext, server: Server) -> None:
    page = tabs.new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(f"({SLOW})()")
    page.goto(f"{server.url}/?{LONG}")
    page.locator(".ppo-board .top .name").wait_for()
    page.get_by_test_id("stSidebar").locator("details").last.wait_for()  # the fields come after the page
    page.evaluate(WATCH)
    press(page, "Start")
    wait_for_step(page, 2)
    seen = page.evaluate(SEEN)
    assert seen["opacities"] == ["1"], seen
    page.close()


def widths(page: Page) -> list[tuple[float, float]]:
    """Each chart's width, and its place's."""
    found: list[tuple[float, float]] = page.evaluate(
        """() => [...document.querySelectorAll('.ppo-board .plot.js-plotly-plot')]
            .filter(plot => plot.clientWidth)
            .map(plot => [plot._fullLayout.width, plot.clientWidth])"""
    )
    return found


WIDE = """narrow => {
    const plots = [...document.querySelectorAll('.ppo-board .plot.js-plotly-plot')]
        .filter(plot => plot.clientWidth && plot._fullLayout);
    const fits = (plot) => Math.abs(plot._fullLayout.width - plot.clientWidth) <= 1;
    return plots.length && plots.every(fits) && plots[0].clientWidth > narrow;
}"""


@pytest.mark.parametrize("path", ["", "what_if?example=notebook"])
def test_charts_take_the_room_that_the_sidebar_leaves(path: str, open_page: Callable[..., Page]) -> None:
    page = open_page(path)
    page.wait_for_function(WIDE, arg=0)
    narrow = widths(page)[0][1]
    page.mouse.move(100, 30)  # the button shows itself under the pointer
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    page.wait_for_function(WIDE, arg=narrow + 20)
    page.get_by_test_id("stExpandSidebarButton").click()
    page.wait_for_function(
        "wide => document.querySelector('.ppo-board .plot.js-plotly-plot')._fullLayout.width < wide",
        arg=narrow + 10,
    )


def test_the_axes_are_the_runs_own_and_the_one_before_is_cut_off(
    open_page: Callable[..., Page], server: Server
) -> None:
    page = open_page(f"?{LONG}")
    press(page, "Start")
    wait_for_step(page, 14)
    press(page, "Start")
    press(page, "Stop it and start")
    wait_for_state(page, "running")
    page.wait_for_function(
        f"{PLOT}?.data?.some(trace => trace.name.endsWith('previous run') && trace.x.length > 12)"
    )
    page.wait_for_function(f"{PLOT}?.data?.find(trace => trace.name === 'mean score').x.length > 1")
    press(page, "Pause")
    wait_for_state(page, "paused")
    assert page.evaluate(f"{PLOT}._fullLayout.xaxis.range[1]") < 11
    low, high = page.evaluate("""() => {
        const plot = document.querySelector('[data-chart=kl] .js-plotly-plot');
        plot.data.find(trace => trace.name.endsWith('previous run')).y.push(1e6);
        window.Plotly.redraw(plot);
        return plot._fullLayout.yaxis.range;
    }""")
    assert low == 0 and high < 100


def test_a_finger_on_a_chart_scrolls_the_page(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(server.url)
    page.locator(".ppo-board .top .name").wait_for()
    chart = page.locator("[data-chart=score] .nsewdrag").first
    chart.scroll_into_view_if_needed()
    expect(page.locator(".modebar")).to_have_count(0)  # it would lie over the newest data for good
    before = page.evaluate(f"[...{PLOT}._fullLayout.xaxis.range, ...{PLOT}._fullLayout.yaxis.range]")
    box = chart.bounding_box()
    assert box is not None
    scrolled = "() => document.querySelector('[data-testid=stMain]').scrollTop"
    top = page.evaluate(scrolled)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = context.new_cdp_session(page)
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for way in range(0, 201, 20):
        client.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - way}]}
        )
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"top => ({scrolled})() > top + 100", arg=top)
    assert page.evaluate(f"[...{PLOT}._fullLayout.xaxis.range, ...{PLOT}._fullLayout.yaxis.range]") == before
    context.close()
