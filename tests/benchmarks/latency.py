"""How long a step takes from its record to the screen, in a real Chromium with a real server training beside
it.

    python -m tests.benchmarks.latency [--steps 40] [--viewers 1]

For every step: the time of the first frame that shows it, in the top line and all else that is drawn with it,
by the browser's clock, minus the step's own wall time. The whole path is in it: the commit, the event that
tells of it, the answers fetched, and the drawing. Prints one line of JSON, in seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import press
from tests.browser.conftest import FLAGS, Server, chromium

WATCH = """() => {
    window.shown = {};
    const look = () => {
        const top = document.querySelector('.ppo-board .top')?.textContent;
        const step = (top?.match(/step (\\d+) of/) ?? [])[1];
        if (step === undefined || step in window.shown) return;
        window.shown[step] = null;
        requestAnimationFrame(() => setTimeout(() => (window.shown[step] = Date.now() / 1000)));
    };
    new MutationObserver(look).observe(document.body, {
        subtree: true, childList: true, characterData: true
    });
}"""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--steps", type=int, default=40)
    ask.add_argument("--viewers", type=int, default=1)
    options = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        server = Server(Path(folder) / "runs")
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        pages = [browser.new_page(viewport={"width": 1440, "height": 1000}) for _ in range(options.viewers)]
        for page in pages:
            page.goto(f"{server.url}/?steps={options.steps}")
            page.locator(".ppo-board .top .name").wait_for()
            page.evaluate(WATCH)
        press(pages[0], "Start")
        pages[0].locator(".ppo-board .state", has_text="finished").wait_for(timeout=600_000)
        recorded = {row.step: row for row in RunReader(list_runs(server.runs)[0]).steps() if row.step > 0}
        pages[0].wait_for_function("Object.values(window.shown).every(when => when)")
        shown = {int(step): when for step, when in pages[0].evaluate("window.shown").items()}
        delays = sorted(
            shown[step] - row.wall_time.timestamp() for step, row in recorded.items() if step in shown
        )
        print(
            json.dumps(
                {
                    "viewers": options.viewers,
                    "steps": len(recorded),
                    "steps_shown": len(delays),
                    "delay_p50_s": round(statistics.median(delays), 3),
                    "delay_p95_s": round(delays[int(0.95 * (len(delays) - 1))], 3),
                    "delay_max_s": round(delays[-1], 3),
                    "step_p50_s": round(
                        statistics.median(row.metrics["time/step"] for row in recorded.values()), 3
                    ),
                }
            )
        )
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
