"""How long the Runs page takes to open with hundreds of runs in the folder, in a real Chromium.

    python -m tests.benchmarks.many_runs [--runs 300] [--times 5] [--profile]

`survey` alone, in a process that has not read the folder yet, and again. Then to the table drawn, with all
its rows: from the address opened in a new browser on a new server; in a new tab of both, which have shown the
page before; from the link on another page; from a search. For comparison, another page opened in a new tab,
which lists no runs: to its top line drawn. Goal: 2 s to open.

--profile: where a first `survey` spends its time, by cProfile, and nothing else.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ppo_engine.builtin import ASSETS
from ppo_engine.store import DATABASE
from ppo_engine.store.catalog import survey
from ppo_engine.store.checks import EVENT, digest, seal_run, seal_schema, seal_step
from ppo_engine.store.ownership import myself
from tests.browser.conftest import FLAGS, Server, chromium

ODD = ("running", "failed", "interrupted", "damaged")
"""Three runs of each kind are among the ended ones, where the folder has room for them."""
CHECKPOINTS, FILES = (
    4,
    ("manifest.json", "model.safetensors", "optimizer.pt", "trainer.json", "tokenizer.json"),
)
SURVEY = """
import sys, time
from pathlib import Path
from ppo_engine.store.catalog import survey
for _ in range(2):
    begun = time.perf_counter()
    survey(Path(sys.argv[1]))
    print(time.perf_counter() - begun)
"""
ROWS = """count =>
    document.querySelector('[data-testid="stDataFrame"] table')?.ariaRowCount === String(count + 1)
"""


def make_runs(runs: Path, count: int) -> None:
    """Copies of the recorded example under their own names, with the digests and checkpoints of new runs."""
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        created = begun + timedelta(hours=number)
        kind = ODD[number % len(ODD)] if count // 2 <= number < count // 2 + 3 * len(ODD) else "finished"
        _make_run(runs / f"{created:%Y%m%d-%H%M%S}-000-run-{number}", created, kind)


def _make_run(folder: Path, created: datetime, kind: str) -> None:
    shutil.copytree(ASSETS / "example", folder)
    owner = myself(folder / DATABASE) | ({} if kind == "running" else {"owner_started": -1.0})
    state = {"interrupted": "running", "damaged": "finished"}.get(kind, kind)
    columns = {
        "id": folder.name,
        "name": folder.name[20:],
        "created": created.isoformat(),
        "state": state,
        **owner,
    }
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
        connection.execute("begin")
        connection.execute(
            f"update run set {', '.join(f'{name} = ?' for name in columns)}", [*columns.values()]
        )
        _seal(connection)
        connection.execute("commit")
    if kind == "damaged":
        whole = (folder / DATABASE).read_bytes()
        (folder / DATABASE).write_bytes(whole.replace(folder.name.encode(), folder.name[::-1].encode()))
    for step in range(10, 10 * CHECKPOINTS + 1, 10):
        checkpoint = folder / "checkpoints" / f"step-{step:06d}"
        checkpoint.mkdir(parents=True)
        for name in FILES:
            (checkpoint / name).write_bytes(b"0" * 1000)


def _seal(connection: sqlite3.Connection) -> None:
    """The example was recorded without digests."""
    for (number,) in connection.execute("select id from events").fetchall():
        sealed = digest(connection.execute(EVENT, (number,)).fetchall())
        connection.execute("update events set digest = ? where id = ?", (sealed, number))
    connection.execute("insert into digests select 'events', 0, count(*) from events")
    for (step,) in connection.execute("select step from steps").fetchall():
        seal_step(connection, step)
    seal_run(connection)
    seal_schema(connection)


def opened(page: Page, url: str, count: int) -> float:
    """Seconds from the navigation to the table with all its rows."""
    begun = time.perf_counter()
    page.goto(f"{url}/runs", wait_until="commit")
    page.wait_for_function(ROWS, arg=count, timeout=120_000, polling=20)
    return time.perf_counter() - begun


def searched(page: Page, count: int, words: str) -> float:
    """Seconds from the search to the table with all its rows: the words are in every run's name."""

    begun = time.perf_counter()
    page.get_by_placeholder("name, tag, remark").fill(words)
    page.keyboard.press("Enter")
    page.locator('[data-testid="stApp"][data-test-script-state="running"]').wait_for(timeout=5000)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=120_000)
    page.wait_for_function(ROWS, arg=count, timeout=120_000, polling=20)
    return time.perf_counter() - begun


def elsewhere(page: Page, url: str) -> float:
    """Seconds from the navigation to another page to its top line."""
    begun = time.perf_counter()
    page.goto(f"{url}/metrics", wait_until="commit")
    page.locator(".ppo-board .top .name").wait_for()
    return time.perf_counter() - begun


def linked(page: Page, count: int) -> float:
    """Seconds from a click on the link to the page to the table with all its rows."""
    page.wait_for_timeout(1500)  # the rest of that page, which nobody waits for
    begun = time.perf_counter()
    page.locator('[data-testid="stSidebarNav"]').get_by_text("Runs", exact=True).click()
    page.wait_for_function(ROWS, arg=count, timeout=120_000, polling=20)
    return time.perf_counter() - begun


def in_the_browser(browser: Browser, runs: Path, times: int, count: int) -> dict[str, list[float]]:
    """Each way to come to the table, so many times. A browser that was here before has kept the assets."""
    ways = ("a new server", "a new tab", "a search", "another page", "a link")
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(times):
        server = Server(runs)
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        found["a new server"].append(opened(context.new_page(), server.url, count))
        context.close()
        server.stop()
    server = Server(runs)
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    opened(context.new_page(), server.url, count)
    context.pages[0].close()
    for _ in range(times):
        with context.new_page() as page:
            found["a new tab"].append(opened(page, server.url, count))
            found["a search"].append(searched(page, count, "run"))
        with context.new_page() as page:
            found["another page"].append(elsewhere(page, server.url))
            found["a link"].append(linked(page, count))
    server.stop()
    return found


def alone(runs: Path, times: int) -> dict[str, list[float]]:
    """`survey` in new processes: the first call, and the second."""
    pairs = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", SURVEY, str(runs)], capture_output=True, text=True, check=True
        )
        pairs.append([float(line) for line in done.stdout.split()])
    return {"survey, first": [one[0] for one in pairs], "survey, again": [one[1] for one in pairs]}


def profiled(work: Callable[[], object]) -> None:
    """Prints the 25 functions in which most of the time was spent, callees included."""
    with cProfile.Profile() as profile:
        work()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(25)


def main() -> None:
    """The command line."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--runs", type=int, default=300)
    ask.add_argument("--times", type=int, default=5)
    ask.add_argument("--profile", action="store_true")
    options = ask.parse_args()
    with tempfile.TemporaryDirectory() as home:
        runs = Path(home) / "runs"
        make_runs(runs, options.runs)
        if options.profile:
            profiled(lambda: survey(runs))
            return
        readable, damaged = survey(runs)
        print(json.dumps({"runs": len(readable), "damaged": len(damaged), "cores": os.cpu_count()}))
        times = alone(runs, options.times)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
            times |= in_the_browser(browser, runs, options.times, len(readable))
            browser.close()
    for name, taken in times.items():
        print(f"{name:<14} median {statistics.median(taken):6.3f} s   most {max(taken):6.3f}")


if __name__ == "__main__":
    main()
