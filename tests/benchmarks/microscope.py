"""How quickly the Tokens page answers: a step of 256 samples by 16 tokens by 4 epochs opened, and opened
again, and a sample and a token of it chosen.

    python -m tests.benchmarks.microscope [--steps 12]

From the key or the click, on an idle page in a real Chromium: to the last point of the batch drawn, each step
opened for the first time and again; to the sample's strip and the token's trace drawn, each for the first
time. Goals: 500, 150, 50 and 50 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.measuring import percentile
from tests.benchmarks.recorded import record
from tests.browser.conftest import FLAGS, Server, chromium

GOALS = {
    "a step opened": 500,
    "a step seen before": 150,
    "a sample chosen": 50,
    "a token chosen": 50,
}

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


def timed(page: Page, change: dict[str, object], wanted: dict[str, int]) -> float:
    """Milliseconds from a key or a click to what is wanted drawn."""
    took: float = page.evaluate(_TIMED, [change, wanted])
    page.wait_for_timeout(100)
    return took


def measure(page: Page, steps: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of choice."""
    page.locator(".ppo-board .microscope .token").first.wait_for()
    page.wait_for_timeout(3000)
    earlier = range(steps - 1, 0, -1)
    return {
        "a step opened": [timed(page, {"key": "["}, {"step": step}) for step in earlier],
        "a step seen before": [timed(page, {"key": "]"}, {"step": step}) for step in range(2, steps + 1)],
        "a sample chosen": [timed(page, {"key": "j"}, {"sample": i, "token": 0}) for i in range(1, 31)],
        "a token chosen": [timed(page, {"token": i}, {"token": i}) for i in range(1, 16)],
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.microscope", description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, ExitStack() as ended:
        run = record(Path(home) / "runs", options.steps)
        play = ended.enter_context(sync_playwright())
        server = Server(Path(home) / "runs")
        ended.callback(server.stop)
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        ended.callback(browser.close)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{server.url}/tokens?run={run.name}")
        found = measure(page, options.steps)
    for name, times in found.items():
        print(
            f"{name}: {len(times)} times, median {statistics.median(times):.0f} ms, p95 "
            f"{percentile(times):.0f}, most {max(times):.0f} (goal {GOALS[name]})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
