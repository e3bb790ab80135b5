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

from playwright.sync_api import BrowserContext, Page, TimeoutError, sync_playwright

from ppo_engine import RunReader
from ppo_engine.store import DATABASE, list_runs
from ppo_engine.store.checkpoint_files import list_checkpoints
from tests.browser.board import LONG, button, commands, press, state, step, wait_for_state
from tests.browser.conftest import FLAGS, PATIENCE_S, Server, chromium

BUSY = LONG + "&checkpoint_every=1&checkpoint_disk_mb=60"
"""A run that commits and keeps a checkpoint at every step, so that a kill meets every kind of work."""

LEGAL = {
    "loading": {"running", "paused", "stopped", "failed"},
    "running": {"paused", "stopped", "finished", "failed", "loading"},
    "paused": {"running", "stopped", "failed", "loading"},
    "stopped": {"loading"},
}

_NOTE_PRESSES = """() => {
    window.presses = [];
    document.addEventListener("click", event => {
        const pressed = event.target.closest("[data-testid=stSidebar] button:not(:disabled)");
        const name = pressed?.querySelector("p").textContent;
        if (pressed) window.presses.push(`${name} ${new Date().toISOString()}`);
    }, true);
}"""
_COUNT_REFUSALS = (
    "() => "
    "Number(document.querySelector('[class*=st-key-problem-]')?.className.match(/st-key-problem-(\\d+)/)[1] "
    "?? 0)"
)


@dataclass
class Report:
    """What was done, and what went wrong."""

    kills: int = 0
    half_written: int = 0
    steps_lost: int = 0
    broken: list[str] = field(default_factory=list)
    presses: int = 0
    answered: dict[str, int] = field(default_factory=dict)


def open_on(tabs: BrowserContext, server: Server, query: str = "") -> Page:
    page = tabs.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(f"{server.url}/{query}")
    page.locator(".ppo-board .top .name").wait_for()
    return page


def kill_again_and_again(tabs: BrowserContext, home: Path, kills: int, rng: random.Random) -> Report:
    """Starts a run in a browser; kills its server with SIGKILL at a random moment; looks at what is left;
    resumes with one click.
    """
    report = Report()
    server = Server(home / "runs")
    page = open_on(tabs, server, f"?{BUSY}")
    press(page, "Start")
    for _ in range(kills):
        _wait_until_running(page, server)
        shown = _watch(page, rng.uniform(0.05, 3.0))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        page.close()
        report.kills += 1
        _inspect(list_runs(server.runs)[0], shown, report)
        server = Server(home / "runs", server.port)
        page = open_on(tabs, server)
        if state(page) != "interrupted":
            report.broken.append(f"after kill {report.kills} the page says {state(page)}, not interrupted")
        press(page, "Resume")
    _wait_until_running(page, server)
    resumed = step(page)
    page.wait_for_function(
        "least => Number(document.querySelector('.ppo-board .top').textContent.match(/step (\\d+) of/)[1]) > "
        "least",
        arg=resumed,
    )
    differences = [
        event for event in RunReader(list_runs(server.runs)[0]).events() if event.kind == "difference"
    ]
    report.broken += [f"a step taken again differed: {event.payload}" for event in differences]
    page.close()
    server.stop()
    return report


def _wait_until_running(page: Page, server: Server) -> None:
    try:
        wait_for_state(page, "running")
    except TimeoutError:
        raise AssertionError(f"the run does not go on; {_standing(page, server)}") from None


def _standing(page: Page, server: Server) -> str:
    """How things stand, for somebody who has to find out why."""
    run = list_runs(server.runs)[0]
    info, sidebar = RunReader(run).info(), page.locator('[data-testid="stSidebar"]').inner_text()
    shown = f"the page: {page.locator('.ppo-board').inner_text()[:800]}\n{sidebar[:400]}"
    stands = f"the run: {info.state} at step {info.last_step}, {info.stage or info.error or info.owner}"
    told = [*RunReader(run).events()[-8:], *commands(run)[-8:]]
    return "\n".join([shown, stands, *map(str, told), server.log.read_text()[-2000:]])


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


def press_from_two_tabs(context: BrowserContext, server: Server, presses: int, rng: random.Random) -> Report:
    """Two tabs press Pause or Resume, Step and Stop (and Resume again) against each other, and wait for their
    answers after every round.
    """
    report = Report()
    tabs = [open_on(context, server, f"?{LONG}"), open_on(context, server)]
    press(tabs[0], "Start")
    for tab in tabs:
        wait_for_state(tab, "running")
        tab.evaluate(_NOTE_PRESSES)
    run, refused = list_runs(server.runs)[0], [0, 0]
    while report.presses < presses and not report.broken:
        for tab in tabs:
            _press_something(tab, rng.choice(("Pause", "Resume", "Step") * 3 + ("Stop",)))
        made = [tab.evaluate("() => window.presses") for tab in tabs]
        report.presses = sum(map(len, made))
        until = time.monotonic() + PATIENCE_S
        while (answers := _answers(run, tabs, refused)) < report.presses and time.monotonic() < until:
            time.sleep(0.02)
        if answers != report.presses:
            report.broken.append(
                f"{report.presses} presses, {answers} answers; each tab's last: "
                f"{[its[-3:] for its in made]}\n{_standing(tabs[0], server)}"
            )
    for kind, verdict, reason in commands(run):
        report.answered[f"{kind} {verdict}"] = report.answered.get(f"{kind} {verdict}", 0) + 1
        if verdict == "queued" or (verdict == "refused" and not reason):
            report.broken.append(f"{kind}: {verdict} without a reason")
    report.answered["taken up again"], report.answered["refused on the page"] = _taken_up(run), sum(refused)
    states = [event.payload["state"] for event in RunReader(run).events() if event.kind == "state"]
    report.broken += [f"from {a} to {b}" for a, b in pairwise(states) if b not in LEGAL[a]]
    for tab in tabs:
        report.broken += tab.locator('[data-testid="stException"]').all_inner_texts()
        tab.close()
    return report


def _press_something(tab: Page, name: str) -> None:
    chosen = button(tab, name)
    if chosen.count() and chosen.is_enabled():
        try:
            chosen.click(timeout=500)
        except TimeoutError:  # the button was disabled while the mouse was on its way: the page had moved on
            return


def _answers(run: Path, tabs: list[Page], refused: list[int]) -> int:
    """How many presses were answered: by the run's owner, by taking up the run again, or on a page (refused:
    by each, as seen so far).
    """
    for number, tab in enumerate(tabs):
        refused[number] = int(tab.evaluate(_COUNT_REFUSALS) or refused[number])
    return sum(verdict != "queued" for _, verdict, _ in commands(run)) + _taken_up(run) + sum(refused)


def _taken_up(run: Path) -> int:
    """How often the run was begun after the first time."""
    states = [event.payload["state"] for event in RunReader(run).events() if event.kind == "state"]
    return sum(later == "loading" for _, later in pairwise(states))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.trust", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, broken = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        tabs = play.chromium.launch(executable_path=chromium(), args=FLAGS).new_context()
        killed = kill_again_and_again(tabs, Path(home) / "kills", options.kills, rng)
        print(
            f"kills: {killed.kills}, with a checkpoint half written: {killed.half_written}, steps lost: "
            f"{killed.steps_lost}"
        )
        server = Server(Path(home) / "presses" / "runs")
        pressed = press_from_two_tabs(tabs, server, options.presses, rng)
        server.stop()
        print(f"presses: {pressed.presses}, answers: {pressed.answered}")
        broken = killed.broken + pressed.broken
    print("\n".join(broken) or "every promise kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
