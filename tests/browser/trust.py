"""What the README promises, done to a real server: killed at any moment, and pressed from two tabs at once.

    python -m tests.browser.trust --kills 30 --presses 200

The suite does a few of each. Prints what happened; ends with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ppo_engine import RunReader
from ppo_engine.checkpoints import list_checkpoints
from ppo_engine.store import DATABASE, list_runs
from tests.browser.board import LONG, button, press, state, step, wait_for_state
from tests.browser.conftest import FLAGS, PATIENCE_S, Server, chromium

BUSY = LONG + "&checkpoint_every=1&checkpoint_disk_mb=60"
"""A run that commits and keeps a checkpoint at every step, so that a kill meets every kind of work."""

LEGAL = {
    "loading": {"running", "paused", "stopped", "failed"},
    "running": {"paused", "stopped", "finished", "failed", "loading"},
    "paused": {"running", "stopped", "failed", "loading"},
    "stopped": {"loading"},
}


@dataclass
class Report:
    """What was done, and what went wrong."""

    kills: int = 0
    half_written: int = 0
    steps_lost: int = 0
    broken: list[str] = field(default_factory=list)
    presses: int = 0
    answered: dict[str, int] = field(default_factory=dict)


def open_on(browser: Browser, server: Server, query: str = "") -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(f"{server.url}/{query}")
    page.locator(".ppo-board .top .name").wait_for()
    return page


def kill_again_and_again(browser: Browser, home: Path, kills: int, rng: random.Random) -> Report:
    """Starts a run in a browser; kills its server with SIGKILL at a random moment; looks at what is left; resumes with one click."""
    report = Report()
    server = Server(home / "runs")
    page = open_on(browser, server, f"?{BUSY}")
    press(page, "Start")
    for _ in range(kills):
        wait_for_state(page, "running")
        shown = _watch(page, rng.uniform(0.05, 3.0))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        page.context.close()
        report.kills += 1
        _inspect(list_runs(server.runs)[0], shown, report)
        server = Server(home / "runs")
        page = open_on(browser, server)
        if state(page) != "interrupted":
            report.broken.append(f"after kill {report.kills} the page says {state(page)}, not interrupted")
        press(page, "Resume")
    wait_for_state(page, "running")
    resumed = step(page)
    page.wait_for_function(
        "least => Number(document.querySelector('.ppo-board .top').textContent.match(/step (\\d+) of/)[1]) > least", arg=resumed
    )
    differences = [event for event in RunReader(list_runs(server.runs)[0]).events() if event["kind"] == "difference"]
    report.broken += [f"a step taken again differed: {event['payload']}" for event in differences]
    page.context.close()
    server.stop()
    return report


def _watch(page: Page, seconds: float) -> int:
    """The newest step that the page has shown within that time."""
    until, shown = time.monotonic() + seconds, -1
    while time.monotonic() < until:
        shown = max(shown, step(page))
    return shown


def _inspect(run: Path, shown: int, report: Report) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        verdict = connection.execute("pragma integrity_check").fetchone()[0]
        stored = [row[0] for row in connection.execute("select step from steps order by step")]
    if verdict != "ok":
        report.broken.append(f"integrity_check: {verdict}")
    if stored != list(range(len(stored))) or stored[-1] < shown:
        report.steps_lost += 1
        report.broken.append(f"the page showed step {shown}; stored are {stored[-3:]}")
    for checkpoint in list_checkpoints(run):
        checkpoint.verify()
    report.half_written += any((run / "checkpoints").glob(".making-*"))


def press_from_two_tabs(browser: Browser, server: Server, presses: int, rng: random.Random) -> Report:
    """Two tabs press Pause or Resume, Step and Stop (and Resume again) against each other."""
    report = Report()
    tabs = [open_on(browser, server, f"?{LONG}"), open_on(browser, server)]
    press(tabs[0], "Start")
    for tab in tabs:
        wait_for_state(tab, "running")
    run = list_runs(server.runs)[0]
    while report.presses < presses:
        name = rng.choice(["Pause", "Resume", "Step", "Pause", "Resume", "Step", "Pause", "Resume", "Step", "Stop"])
        chosen = button(rng.choice(tabs), name)
        if chosen.count() and chosen.is_enabled():
            try:
                chosen.click(timeout=2000)
                report.presses += 1
            except Exception as error:  # the button was replaced while the mouse was on its way: the page had moved on
                if "Timeout" not in type(error).__name__:
                    raise
    _settle(run)
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        for kind, verdict, reason in connection.execute("select kind, state, reason from commands"):
            key = f"{kind} {verdict}"
            report.answered[key] = report.answered.get(key, 0) + 1
            if verdict == "queued" or (verdict == "refused" and not reason):
                report.broken.append(f"{kind}: {verdict} without a reason")
    states = [event["payload"]["state"] for event in RunReader(run).events() if event["kind"] == "state"]
    report.broken += [f"from {a} to {b}" for a, b in pairwise(states) if b not in LEGAL[a]]
    for tab in tabs:
        report.broken += tab.locator('[data-testid="stException"]').all_inner_texts()
        tab.context.close()
    return report


def _settle(run: Path) -> None:
    """Waits until every command has its answer."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with closing(sqlite3.connect(run / DATABASE)) as connection:
            if not connection.execute("select count(*) from commands where state = 'queued'").fetchone()[0]:
                return
        time.sleep(0.05)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.trust", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, broken = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        killed = kill_again_and_again(browser, Path(home) / "kills", options.kills, rng)
        print(f"kills: {killed.kills}, with a checkpoint half written: {killed.half_written}, steps lost: {killed.steps_lost}")
        server = Server(Path(home) / "presses" / "runs")
        pressed = press_from_two_tabs(browser, server, options.presses, rng)
        server.stop()
        print(f"presses: {pressed.presses}, answers: {pressed.answered}")
        broken = killed.broken + pressed.broken
    print("\n".join(broken) or "every promise kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
