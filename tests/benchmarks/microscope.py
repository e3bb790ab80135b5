"""How quickly the Tokens page answers: a step of 256 samples by 16 tokens by 4 epochs opened, and a token of
it chosen.

    python -m tests.benchmarks.microscope

From the key or the click, on an idle page in a real Chromium: to the last point of the batch drawn, each step
opened for the first time; to the token's story drawn. Goals: 500 ms and 300 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.recorded import record
from tests.browser.conftest import FLAGS, Server, chromium

_TIMED = """([change, wanted]) => new Promise(done => requestIdleCallback(() => {
    const section = document.querySelector('.ppo-board .microscope[data-shown]'), begun = performance.now();
    const watch = new MutationObserver(() => {
        const shown = JSON.parse(section.dataset.shown);
        const drawn = Number(section.dataset.points) === shown.step;
        if (!drawn || !Object.entries(wanted).every(([name, value]) => shown[name] === value)) return;
        watch.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    });
    watch.observe(section, { attributes: true });
    if (change.key) document.dispatchEvent(new KeyboardEvent("keydown", { key: change.key, bubbles: true }));
    else document.querySelectorAll('.ppo-board .microscope .token')[change.token].click();
}))"""


def measure(page: Page, steps: int) -> tuple[list[float], list[float]]:
    """Milliseconds of opening each earlier step for the first time, and of choosing each token
    of the last.
    """
    page.locator(".ppo-board .microscope .token").first.wait_for()
    page.wait_for_timeout(3000)
    opened = [page.evaluate(_TIMED, [{"key": "["}, {"step": step}]) for step in range(steps - 1, 0, -1)]
    chosen = [
        page.evaluate(_TIMED, [{"token": token}, {"token": token}]) for token in [*range(1, 16), *range(15)]
    ]
    return opened, chosen


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.microscope", description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        run = record(Path(home) / "runs", options.steps)
        server = Server(Path(home) / "runs")
        page = play.chromium.launch(executable_path=chromium(), args=FLAGS).new_page(
            viewport={"width": 1440, "height": 1000}
        )
        page.goto(f"{server.url}/tokens?run={run.name}")
        opened, chosen = measure(page, options.steps)
        server.stop()
    for name, goal, times in (("a step opened", 500, opened), ("a token chosen", 300, chosen)):
        p95 = sorted(times)[int(0.95 * (len(times) - 1))]
        print(
            f"{name}: {len(times)} times, median {statistics.median(times):.0f} ms, p95 {p95:.0f}, most "
            f"{max(times):.0f} (goal {goal})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
