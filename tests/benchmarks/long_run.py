"""The live page of a run of very many steps: how soon it is there, what it sends, and what the server keeps.

    python -m tests.benchmarks.long_run [--steps 100000] [--keep FOLDER] [--evaluated]

Makes the store of a stopped run: the first steps are trained, and recorded again and again with other
numbers, the newest with their batches; --evaluated: with the held-out texts of every evaluation, as a real
run has them. --keep: the made store is kept there for the next time. Then, with a real server and a real
Chromium: the time from the navigation to the live board drawn, once right after the server's start and then
in new browsers; the bytes of the door's answers to that and to each new step, which another process records
meanwhile; a zoom to 300 steps until every step is in the plot; and the server's memory.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ppo_engine.store import DATABASE
from tests.benchmarks.measuring import DRAWN, Wire, heed_terminate, helper, median, percentile, table, told
from tests.benchmarks.recording import NAME, make_long
from tests.browser.conftest import FLAGS, Server, chromium

ZOOM = """([from, to]) => new Promise((done) => {
    const plot = document.querySelector('[data-chart=score] .js-plotly-plot'), began = performance.now();
    const isWhole = () => plot.data.some(({ x }) => {
        const there = new Set(x);
        for (let step = from; step <= to; step++) if (!there.has(step)) return false;
        return true;
    });
    const look = () => isWhole() ? done(performance.now() - began) : requestAnimationFrame(look);
    Plotly.relayout(plot, { "xaxis.range[0]": from, "xaxis.range[1]": to });
    look();
})"""
UNZOOM = """() => Plotly.relayout(
    document.querySelector('[data-chart=score] .js-plotly-plot'), 'xaxis.autorange', true)"""
STEP = r"""wanted => {
    const text = document.querySelector('.ppo-board').textContent;
    return text.includes(`step ${wanted} of`) && text.includes(`Step ${wanted}'s`);
}"""
GOALS = {"open": 2.0, "opening KB": 60.0, "step KB": 5.0, "zoom": 0.3, "growth %": 10.0}


def new_page(browser: Browser) -> tuple[BrowserContext, Page, Wire]:
    """A page of a browser that was never here."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page, wire = context.new_page(), Wire()
    page.set_default_timeout(120_000)
    session = context.new_cdp_session(page)
    for name, handler in wire.handlers().items():
        session.on(name, handler)
    session.send("Network.enable")
    return context, page, wire


def opened(page: Page, url: str) -> float:
    """Seconds from the navigation to the live board drawn."""
    begun = time.perf_counter()
    page.goto(f"{url}/?run={NAME}", wait_until="commit")
    page.wait_for_function(DRAWN, arg=0, polling="raf")
    return time.perf_counter() - begun


def megabytes(server: Server) -> float:
    """The server's memory."""
    return float(psutil.Process(server.process.pid).memory_info().rss) / 2**20


def quiet(page: Page) -> None:
    """Lets the page fetch and draw what nobody waits for."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(2000)


def zoomed(page: Page, steps: int) -> float:
    """The 95th percentile of zooms to 300 steps here and there, in seconds."""
    times = []
    width = min(300, steps // 4)
    for share in (0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.6):
        first = int(share * steps)
        times.append(page.evaluate(ZOOM, [first, first + width]) / 1000)
        page.wait_for_timeout(300)
    page.evaluate(UNZOOM)
    page.wait_for_timeout(500)
    return percentile(times)


def followed(page: Page, wire: Wire, process: object, last: int, count: int) -> tuple[Counter[str], float]:
    """Has so many steps recorded one by one: bytes by view, and the median of seconds until one was drawn."""
    wire.bytes.clear()
    times = []
    for step in range(last + 1, last + count + 1):
        begun = time.perf_counter()
        told(process, str(step))  # type: ignore[arg-type]
        page.wait_for_function(STEP, arg=step, polling="raf")
        times.append(time.perf_counter() - begun)
    page.wait_for_timeout(300)
    return Counter({view: size for view, size in wire.bytes.items() if view != "stream"}), median(times)


def row(name: str, value: float, unit: str, goal: float | None = None) -> list[str]:
    met = "" if goal is None else ("met" if value <= goal else "MISSED")
    return [name, f"{value:,.2f} {unit}", "" if goal is None else f"{goal:g} {unit}", met]


def kilobytes(sizes: Counter[str], times: int) -> list[list[str]]:
    return [row(f"  of {view}", size / times / 1000, "KB") for view, size in sizes.most_common() if size]


def measured(runs: Path, last: int, options: argparse.Namespace, ended: ExitStack) -> list[list[str]]:
    """The rows of the table."""
    play = ended.enter_context(sync_playwright())
    browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
    ended.callback(browser.close)
    server = Server(runs)
    ended.callback(server.stop)
    before = megabytes(server)
    context, page, _ = new_page(browser)
    cold = opened(page, server.url)
    context.close()
    warm = []
    for i in range(options.times):
        context, page, wire = new_page(browser)
        warm.append(opened(page, server.url))
        quiet(page)
        if i < options.times - 1:
            context.close()
    opening = Counter({view: size for view, size in wire.bytes.items() if view != "stream"})
    after = megabytes(server)
    zoom = zoomed(page, last)
    with helper("tests.benchmarks.recording", str(runs / NAME)) as process:
        told(process, "begin")
        quiet(page)
        sizes, drawn = followed(page, wire, process, last, 10)
        more, _ = followed(page, wire, process, last + 10, 40)
    sizes.update(more)
    end = megabytes(server)
    return [
        row("opened, a new server", cold, "s", GOALS["open"]),
        row("opened, a warm server, median", median(warm), "s", GOALS["open"]),
        row("opened, a warm server, most", max(warm), "s"),
        row("bytes at opening", opening.total() / 1000, "KB", GOALS["opening KB"]),
        *kilobytes(opening, 1),
        row("bytes of a new step, mean of 50", sizes.total() / 50 / 1000, "KB", GOALS["step KB"]),
        *kilobytes(sizes, 50),
        row("a step recorded to drawn, median", drawn, "s"),
        row("zoom to 300 steps, 95 %", zoom, "s", GOALS["zoom"]),
        row("server before opening", before, "MB"),
        row("server after opening and zooming", after, "MB"),
        row("server after 50 steps", end, "MB"),
        row("growth by 50 steps", 100 * (end / after - 1), "%", GOALS["growth %"]),
    ]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="a folder outside the project")
    parser.add_argument("--evaluated", action="store_true")
    parser.add_argument("--times", type=int, default=5, help="openings on the warm server")
    options = parser.parse_args()
    heed_terminate()
    with tempfile.TemporaryDirectory() as home, ExitStack() as ended:
        made = options.keep or Path(home) / "made"
        store = made / f"{options.steps}{'-evaluated' if options.evaluated else ''}" / NAME
        if not (store / DATABASE).is_file():
            begun = time.perf_counter()
            make_long(store, options.steps, options.evaluated)
            print(f"made {options.steps} steps in {time.perf_counter() - begun:.0f} s", flush=True)
        runs = Path(home) / "runs"
        shutil.copytree(store, runs / NAME)
        size = (runs / NAME / DATABASE).stat().st_size / 2**20
        rows = measured(runs, options.steps, options, ended)
    print(f"{options.steps} steps, a store of {size:.0f} MB\n\n{table(('', 'now', 'goal', ''), rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
