"""How long a slider's move takes to the redrawn page, in a real Chromium with a real server, at batch 256.

    python -m tests.benchmarks.whatif [--moves 30]

Makes a run of 256 samples x 16 tokens x 4 epochs, opens the What-if page on it, and moves lambda: once with
nothing else going on and once with a second run training in the server. Each time is from the slider's input
event to the frame after the charts were redrawn with that move's figures; charts out of sight are drawn when
they come into sight. Prints a line of JSON for each, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from ppo_engine import RunReader
from tests.benchmarks.recorded import record
from tests.browser.board import press, wait_for_state, wait_for_step
from tests.browser.conftest import FLAGS, Server, chromium

MOVE = """(value) => new Promise((done) => {
    const page = document.querySelector('.ppo-board .whatif[data-shown]');
    const slider = page.querySelector('[data-knob=lam] input[type=range]');
    const figure = page.querySelector('[data-figure="Advantages, standard deviation"] .now');
    const before = figure.textContent, shown = page.dataset.shown, began = performance.now();
    new MutationObserver((_, watching) => {
        if (page.dataset.shown === shown || figure.textContent === before) return;
        watching.disconnect();
        requestAnimationFrame(() => done(performance.now() - began));
    }).observe(page, { subtree: true, childList: true, characterData: true,
        attributes: true, attributeFilter: ["data-shown"] });
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def measure(page: Page, moves: int) -> dict[str, float]:
    """Moves the slider so many times, each after the one before was drawn."""
    times = sorted(page.evaluate(MOVE, (i * 7 % moves) / moves * 0.9) for i in range(1, moves + 1))
    p50, p95 = statistics.median(times), times[int(0.95 * (moves - 1))]
    return {"moves": moves, "p50_ms": round(p50), "p95_ms": round(p95), "max_ms": round(times[-1])}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--moves", type=int, default=30)
    options = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ended, sync_playwright() as play:
        runs = Path(folder) / "runs"
        run = record(runs, steps=1)
        tokens = RunReader(run).tokens(1)
        assert tokens is not None and RunReader(run).info().state == "finished"
        server = Server(runs)
        ended.callback(server.stop)
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for beside in ("nothing", "a run"):
            if beside == "a run":
                other = browser.new_page()
                other.goto(f"{server.url}/?steps=100000&batch_size=256")
                press(other, "Start")
                wait_for_state(other, "running")
                wait_for_step(other, 2)
                other.close()
            page.goto(f"{server.url}/what_if?run={run.name}&step=1")
            for sight, chart in (("figures and distributions", "advantages"), ("tokens and lessons", "clip")):
                place = page.locator(f".ppo-board .whatif .chart[data-chart={chart}]")
                place.scroll_into_view_if_needed()
                place.locator(".main-svg").first.wait_for()
                page.evaluate(MOVE, 0.5)  # the first move finds nothing in memory yet
                shape = {"tokens": len(tokens), "epochs": tokens.ratio.shape[1]}
                print(
                    json.dumps(
                        {"beside": beside, "in_sight": sight, **shape, **measure(page, options.moves)}
                    ),
                    flush=True,
                )
        browser.close()


if __name__ == "__main__":
    main()
