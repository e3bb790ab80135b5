"""What a person would look for on the live board, by name."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Locator, Page

from ppo_engine.store import DATABASE

SMALL = "steps=400&batch_size=24&mini_batch_size=12&eval_batch_size=16&ppo_epochs=2&eval_every=4"
"""Settings with quick steps, as a link has them."""

LONG = SMALL.replace("steps=400", "steps=100000")
"""The same for a run that does not end by itself."""


PLOT = "document.querySelector('[data-chart=score] .js-plotly-plot')"
"""The score chart, as its page's own scripts find it."""


def button(page: Page, name: str) -> Locator:
    """The button of that name; its keyboard shortcut, if it has one, stands behind the name."""
    return page.get_by_role("button", name=re.compile(rf"^{name}( Shortcut [A-Z])?$")).first


def press(page: Page, name: str) -> None:
    button(page, name).click()


def state(page: Page) -> str:
    return page.locator(".ppo-board .state").inner_text()


def wait_for_state(page: Page, wanted: str) -> None:
    page.locator(".ppo-board .state", has_text=wanted).wait_for()


def step(page: Page) -> int:
    """The step that the top line shows."""
    top = page.locator(".ppo-board .top:not([hidden])", has_text="step ")
    return int(top.inner_text().split("step ")[1].split(" of")[0])


def wait_for_step(page: Page, at_least: int) -> int:
    """Waits for a step of a run of one's own: the example's do not count."""
    page.wait_for_function(
        """wanted => {
            const board = document.querySelector('.ppo-board:not(.example) .top:not([hidden])');
            const top = board?.textContent ?? "";
            return Number(top.match(/step (\\d+) of/)?.[1] ?? -1) >= wanted;
        }""",
        arg=at_least,
    )
    return step(page)


def score(page: Page) -> float:
    return float(page.locator(".ppo-board .figure .now").first.inner_text().replace("−", "-"))


def continuations(page: Page) -> str:
    """The batch's texts, which are fetched and drawn while they are in sight."""
    rows = page.locator(".ppo-board .samples").last
    rows.scroll_into_view_if_needed()
    rows.locator(".sample").first.wait_for()
    return rows.inner_text()


def points(page: Page, chart: str) -> int:
    """How many points the longest curve of a chart has, as plotly drew it, once it has."""
    page.locator(f"[data-chart={chart}] .js-plotly-plot").wait_for(state="attached")
    return int(
        page.evaluate(
            "key => Math.max(...document.querySelector(`[data-chart=${key}] .js-plotly-plot`).data.map(trace "
            "=> trace.x.length))",
            chart,
        )
    )


def commands(run: Path) -> list[tuple[str, str, str]]:
    """Kind, state and reason of all that was asked of a run, in order."""
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        return connection.execute("select kind, state, reason from commands order by id").fetchall()
