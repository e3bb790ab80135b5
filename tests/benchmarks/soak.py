"""Many restless tabs beside a run: does the server keep anything of them once they are gone?

    python -m tests.benchmarks.soak [--minutes 10] [--tabs 20] [--contexts 4] [--seed 0] [--quiet 135]

Tabs of several browsers open, close, turn to other pages, choose samples, tokens, steps and views at
random. Before and after, with no tab and after a while of quiet: the server's threads, open files,
connections and memory; and of all tabs what went wrong: errors on the console, exceptions on the pages,
lines of the server's log. Exits 1 if anything did, or if the server keeps more than the bounds below. The
quiet at the end is longer than the two minutes for which Streamlit keeps the session of a tab that went, in
case it comes back.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from ppo_engine import RunReader
from ppo_engine.store import read_pulse
from tests.benchmarks.measuring import ask, heed_terminate, median, percentile, table, until
from tests.benchmarks.viewers import start_in_server
from tests.browser.conftest import FLAGS, STREAMLITS_OWN, Server, chromium

BOUNDS = {"threads": 12, "open files": 12, "connections": 0, "MB": 150}
"""How much more the server may have at the end. Its pools of threads grow to a size and stay; of answers it
keeps 48 MB.
"""
PAGES = ("", "tokens", "update", "what_if", "playground", "runs", "metrics")
TITLES = ("Live", "Tokens", "Update", "What-if", "Playground", "Runs", "Metrics")

CLICK = """([selector, place]) => {
    const all = [...document.querySelectorAll(selector)];
    const there = all.filter(node => node.offsetParent && !node.disabled);
    there[place % there.length]?.click();
    return there.length;
}"""
KEY = "key => document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
SLIDE = """([place, share]) => {
    const all = [...document.querySelectorAll('.ppo-board input[type=range]')];
    const sliders = all.filter(one => one.offsetParent);
    const slider = sliders[place % sliders.length];
    if (!slider) return;
    slider.value = Number(slider.min) + share * (Number(slider.max) - Number(slider.min));
    for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind, { bubbles: true }));
}"""
CHOICES = {
    "sample": ".ppo-board .samples .sample[role=button]",
    "token": ".ppo-board .microscope .token, .ppo-board .whatif .token",
    "token story": ".ppo-board .tokens .token, .ppo-board .microscope aside button",
    "view": ".ppo-board .views button, .ppo-board .steps button",
}
KEYS = ("j", "k", "[", "]", "ArrowLeft", "ArrowRight", "g")


@dataclass
class Soak:
    """Tabs that do something at random, and what they met."""

    browser: Browser
    server: Server
    chance: random.Random
    most: int
    contexts: list[BrowserContext] = field(default_factory=list)
    tabs: list[Page] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def act(self) -> None:
        """One thing in one tab."""
        acts = ["turn"] + ["choose"] * 8 + ["key"] * 4 + ["slide"] * 2 + ["close"]
        kind = "open" if len(self.tabs) < self.most else self.chance.choice(acts)
        self.done[kind] += 1
        page = self._open() if kind == "open" else self.chance.choice(self.tabs)
        try:
            if kind == "open":
                page.goto(f"{self.server.url}/{self.chance.choice(PAGES)}", wait_until="commit")
            else:
                getattr(self, f"_{kind}")(page)
        except Error as error:  # a page in the middle of something else is no fault; one that never comes is
            self.late[f"{kind}: {str(error).splitlines()[0][:80]}"] += 1

    def _open(self) -> Page:
        page = self.chance.choice(self.contexts).new_page()
        page.set_viewport_size({"width": 1440, "height": 1000})
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("console", self._hear)
        self.tabs.append(page)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not STREAMLITS_OWN.search(message.text + str(message.location)):
            self.troubles.append(f"console: {message.text} {message.location.get('url', '')}")

    def _close(self, page: Page) -> None:
        self.look(page)
        self.tabs.remove(page)
        page.close()

    def _turn(self, page: Page) -> None:
        links = '[data-testid="stSidebarNav"] a'
        page.evaluate(CLICK, [links, self.chance.randrange(len(TITLES))])

    def _choose(self, page: Page) -> None:
        kind = self.chance.choice(list(CHOICES))
        page.evaluate(CLICK, [CHOICES[kind], self.chance.randrange(1000)])

    def _key(self, page: Page) -> None:
        page.evaluate(KEY, self.chance.choice(KEYS))

    def _slide(self, page: Page) -> None:
        page.evaluate(SLIDE, [self.chance.randrange(20), self.chance.random()])

    def look(self, page: Page) -> None:
        """Notes the exceptions that a page shows."""
        seen = page.locator('[data-testid="stException"]').all_inner_texts()
        self.troubles.extend(f"exception on {page.url}: {text[:300]}" for text in seen)

    def come_up(self, page: Page) -> None:
        """At the end every tab still has to show its board, and any page that it is turned to."""
        try:
            page.locator(".ppo-board .top .name").first.wait_for(timeout=30_000)
        except Error:
            self.troubles.append(f"no board on {page.url} after 30 s")
        self.look(page)


def held(server: Server) -> dict[str, float]:
    """What the server process has."""
    process = psutil.Process(server.process.pid)
    with process.oneshot():
        here = [one for one in process.net_connections("tcp") if one.laddr and one.laddr.port == server.port]
        return {
            "threads": process.num_threads(),
            "open files": process.num_fds(),
            "connections": sum(one.status == psutil.CONN_ESTABLISHED for one in here),
            "MB": round(process.memory_info().rss / 2**20),
        }


def files(server: Server) -> Counter[str]:
    """The open files by name; where the system says so, what else there is by kind."""
    process = psutil.Process(server.process.pid)
    kinds = Path(f"/proc/{process.pid}/fd")
    if not kinds.is_dir():
        return Counter(Path(one.path).name for one in process.open_files())
    found: Counter[str] = Counter()
    for one in kinds.iterdir():
        with suppress(OSError):  # closed meanwhile
            found[os.readlink(one).rpartition("/")[2].partition(":[")[0]] += 1
    return found


def visited(soak: Soak) -> None:
    """Every page once, so that what the server loads for the first is not taken for a leak; then no tab."""
    page = soak._open()
    for path in PAGES:
        page.goto(f"{soak.server.url}/{path}")
        page.locator(".ppo-board .top .name").first.wait_for()
        page.wait_for_timeout(1000)
    soak._close(page)


def steps_s(run: Path, after: int) -> list[float]:
    """The times of the run's later steps."""
    found: list[float] = RunReader(run).columns(["time/step"], after=after)["time/step"].tolist()
    return found


def soaked(soak: Soak, run: Path, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the server has before and after."""
    visited(soak)
    time.sleep(min(options.quiet, 10))
    before = held(soak.server) | {"last": read_pulse(run).step, "files": files(soak.server)}
    end, told = time.monotonic() + 60 * options.minutes, time.monotonic()
    while time.monotonic() < end:
        soak.act()
        (soak.tabs or [soak._open()])[0].wait_for_timeout(soak.chance.uniform(20, 250))
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"  {sum(soak.done.values())} acts, {held(soak.server)}", flush=True)
    for page in list(soak.tabs):
        soak.come_up(page)
        soak._close(page)
    last = read_pulse(run).step
    time.sleep(options.quiet)
    visited(soak)  # only when another tab goes does Streamlit drop the sessions that are past their time
    for context in soak.contexts:
        context.close()
    time.sleep(min(options.quiet, 10))
    return before, held(soak.server) | {"last": last, "files": files(soak.server)}


def log_troubles(server: Server) -> list[str]:
    """Lines of the server's log that tell of an exception."""
    lines = server.log.read_text(errors="replace").splitlines()
    return [
        "log: " + " / ".join(part.strip() for part in lines[i : i + 40] if part.strip())[-600:]
        for i, line in enumerate(lines)
        if "Traceback" in line
    ]


def judged(soak: Soak, before: dict[str, Any], after: dict[str, Any]) -> int:
    """Prints all that was found; returns the exit code."""
    rows, leaks = [], 0
    for name, bound in BOUNDS.items():
        more = after[name] - before[name]
        leaks += more > bound
        rows.append([name, before[name], after[name], f"+{bound}", "LEAK" if more > bound else "held"])
    print(f"\n{table(('server', 'before', 'after', 'bound', ''), rows)}\n")
    more = after["files"] - before["files"]
    print("more open files:", dict(more.most_common(10)))
    print("done:", dict(soak.done))
    for what, count in soak.late.most_common(10):
        print(f"late: {count} times {what}")
    for trouble, count in Counter(soak.troubles).most_common(20):
        print(f"TROUBLE, {count} times: {trouble}")
    return 1 if leaks or soak.troubles else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--contexts", type=int, default=4, help="browsers that share nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", type=float, default=135, help="seconds of quiet at the end")
    options = parser.parse_args()
    heed_terminate()
    with tempfile.TemporaryDirectory() as home, ExitStack() as ended:
        server = Server(Path(home) / "runs")
        ended.callback(server.stop)
        run = start_in_server(server, "steps=100000")
        until(lambda: read_pulse(run).step >= 3, 300, "the first steps")
        play = ended.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        ended.callback(browser.close)
        soak = Soak(browser, server, random.Random(options.seed), options.tabs)
        soak.contexts = [browser.new_context() for _ in range(options.contexts)]
        before, after = soaked(soak, run, options)
        quiet, busy = steps_s(run, 0)[: before["last"]], steps_s(run, before["last"])
        ask(run, "stop", "stopped")
        soak.troubles += log_troubles(server)
        print(
            f"\nsteps before: median {median(quiet):.2f} s; beside the tabs: {len(busy)}, median "
            f"{median(busy):.2f}, 95 % {percentile(busy):.2f}"
        )
        return judged(soak, before, after)


if __name__ == "__main__":
    sys.exit(main())
