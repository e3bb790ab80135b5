"""How soon the dashboard is there, beside an empty Streamlit page measured in turn.

    python -m tests.benchmarks.start [--rounds 5]

Each round, for a page of one line (`st.write("x")`) with the same settings and for the dashboard: a server is
started, and from that the seconds to its page drawn in a browser that was never there; then those from the
navigation to the page drawn in a new browser; for the dashboard those from the press on Start to its first
step drawn, and how many of them the run itself took. Prints medians, and medians of each round's ratios.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ppo_engine import RunReader
from tests.benchmarks.measuring import DRAWN, heed_terminate, median, newest, table
from tests.browser.board import press
from tests.browser.conftest import FLAGS, ROOT, Server, chromium

EMPTY = "() => document.querySelector('[data-testid=stMarkdownContainer]')?.innerText.trim() === 'x'"
COLD, WARM = "a new server to the page drawn", "a new browser to the page drawn"
START = "Start to the first step"
RUN = "of that the run itself"


def drawn(page: Page, url: str, condition: str) -> None:
    page.goto(url, wait_until="commit")
    page.wait_for_function(condition, arg=0, polling="raf", timeout=120_000)


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that was never here."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    yield context.new_page()
    context.close()


def opened(browser: Browser, make: Callable[[], Server], condition: str) -> tuple[dict[str, float], Server]:
    """Seconds to the page on a new server, and in a new browser on that server."""
    begun = time.perf_counter()
    server = make()
    with new_page(browser) as page:
        drawn(page, server.url, condition)
        cold = time.perf_counter() - begun
        page.wait_for_timeout(3000)  # what nobody waits for
    with new_page(browser) as page:
        begun = time.perf_counter()
        drawn(page, server.url, condition)
        return {COLD: cold, WARM: time.perf_counter() - begun}, server


def started(browser: Browser, server: Server) -> dict[str, float]:
    """Seconds from Start to the first step drawn, and from the run's creation to that step recorded."""
    with new_page(browser) as page:
        drawn(page, server.url, DRAWN)
        page.wait_for_timeout(3000)
        begun = time.perf_counter()
        press(page, "Start")
        page.wait_for_function(DRAWN, arg=1, polling="raf", timeout=300_000)
        whole = time.perf_counter() - begun
    reader = RunReader(newest(server.runs))
    return {START: whole, RUN: (reader.step(1).wall_time - reader.info().created).total_seconds()}


def round_of(browser: Browser, home: Path) -> dict[str, dict[str, float]]:
    """Seconds by what was measured, of the empty page and of the dashboard."""
    empty = home / "empty"
    shutil.copytree(ROOT / ".streamlit", empty / ".streamlit")
    (empty / "app.py").write_text('import streamlit as st\n\nst.write("x")\n')
    plain, server = opened(browser, lambda: Server(home / "no-runs", root=empty), EMPTY)
    server.stop()
    ours, server = opened(browser, lambda: Server(home / "runs"), DRAWN)
    ours |= started(browser, server)
    server.stop()
    return {"plain": plain, "ours": ours}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    heed_terminate()
    found: dict[str, dict[str, list[float]]] = {"plain": defaultdict(list), "ours": defaultdict(list)}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as home:
                for whose, times in round_of(browser, Path(home)).items():
                    for what, seconds in times.items():
                        found[whose][what].append(seconds)
            print({what: round(times[-1], 2) for what, times in found["ours"].items()}, flush=True)
        browser.close()
    rows = []
    for what, ours in found["ours"].items():
        # an empty page has no run: its page in a new browser tells how quick the machine is
        plain = found["plain"].get(what, found["plain"][WARM])
        ratios = [one / other for one, other in zip(ours, plain, strict=True)]
        cells = [median(ours), max(ours), median(plain), median(ratios)]
        rows.append([what, *(f"{cell:.2f}" for cell in cells)])
    print(f"\n{table(('seconds', 'median', 'most', 'an empty page', 'ratio'), rows)}")


if __name__ == "__main__":
    main()
