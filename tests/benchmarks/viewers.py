"""What viewers cost the run that they look at: its own step times with so many, and what they receive.

    python -m tests.benchmarks.viewers [--counts 0,1,5,10,100,0] [--chromium 3] [--steps 6]
        [--trainer server|process] [--threads N]

A real server and a run of the preset's defaults. The run's step times are read from its own store, in
phases of so many viewers with a phase of none between any two, so that a drift of the machine is seen; a
ratio is to the phases of none before and after. The viewers are a process of their own: without a browser,
reading the stream and fetching what the live page fetches; at the end --chromium pages of the live board.
Then the run is paused, and the largest number looks on for a while.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from ppo_engine import RunReader
from ppo_engine.store import list_runs, read_pulse
from tests.benchmarks.measuring import ask, heed_terminate, helper, median, newest, table, told, until
from tests.browser.board import press, wait_for_state
from tests.browser.conftest import FLAGS, ROOT, Server, chromium

PATIENCE_S = 600.0


@dataclass
class Phase:
    """kind: of the viewers; step_s: by the run's own clock; gap_s: between the ends of two steps."""

    kind: str
    viewers: int
    step_s: list[float]
    gap_s: list[float]
    received: dict[str, Any]

    def row(self, before: list[float], after: list[float]) -> list[str]:
        """The cells of a table's row. before, after: step times without viewers."""
        base, own, got = median([*before, *after]), median(self.step_s), self.received
        seen = got.get("steps", 0)
        cells = [f"{self.viewers} {self.kind}".strip(), f"{own:.3f}", f"{median(self.gap_s):.3f}"]
        if not self.viewers:
            return [*cells, *[""] * 6]
        size = got["bytes"] + got["stream_bytes"]
        return [
            *cells,
            f"{own / base:.3f}",
            f"{seen / self.viewers:.1f}",
            f"{got['answers'] / max(seen, 1):.1f}",
            f"{size / max(seen, 1):,.0f}",
            f"{got['websocket_bytes'] / max(seen, 1):,.0f}",
            str(len(got["errors"])),
        ]


HEADS = ("viewers", "step s", "gap s", "ratio", "seen each", "answers", "bytes/step", "websocket", "errors")


def start_in_server(server: Server, query: str) -> Path:
    """Starts a run by the button, in a browser that is closed then."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{server.url}/?{query}")
        page.locator(".ppo-board .top .name").wait_for()
        press(page, "Start")
        wait_for_state(page, "running")
        browser.close()
    return newest(server.runs)


def start_process(runs: Path, settings: list[str], ended: ExitStack) -> Path:
    """Starts a run by the command line; it ends with the benchmark's `ended`."""
    asked = [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(
        [sys.executable, "-m", "ppo_engine", "train", "--runs", str(runs), *asked],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ended.callback(process.wait)
    ended.callback(process.terminate)
    until(lambda: bool(list_runs(runs)), PATIENCE_S, "a run")
    return newest(runs)


def last_step(run: Path) -> int:
    return read_pulse(run).step


def measured(run: Path, steps: int, kind: str, viewers: int, process: Any) -> Phase:
    """Lets so many steps pass with so many viewers. The step under way when they came does not count."""
    if process is not None:
        told(process, str(viewers))
    first = last_step(run) + 1
    until(lambda: last_step(run) >= first, PATIENCE_S, "a step")
    if process is not None:
        told(process, "report")
    until(lambda: last_step(run) >= first + steps, PATIENCE_S, f"{steps} steps")
    if process is not None and viewers:
        time.sleep(0.3)  # they fetch the last step
    received = json.loads(told(process, "report")) if process is not None else {}
    columns = RunReader(run).columns(["time/step"], after=first - 1)
    kept = columns["step"] <= first + steps
    gaps = np.diff(columns["wall_time"][kept]).tolist()
    phase = Phase(kind, viewers, columns["time/step"][kept].tolist()[1:], gaps, received)
    for error in received.get("errors", [])[:5]:
        print(f"  error: {error}", flush=True)
    print(f"  {viewers} {kind}: {median(phase.step_s):.3f} s a step", flush=True)
    return phase


def interleaved(counts: list[int]) -> list[int]:
    """The counts, with a phase of none between any two of viewers, before and after."""
    found = [0]
    for count in counts:
        if count or found[-1]:
            found += [count] if not count or not found[-1] else [0, count]
    return found if not found[-1] else [*found, 0]


def paused(run: Path, seconds: float, viewers: int, process: Any) -> list[str]:
    """What so many viewers receive while the run is paused: the cells of a row."""
    told(process, str(viewers))
    ask(run, "pause", "paused")
    time.sleep(3)
    told(process, "report")
    time.sleep(seconds)
    got = json.loads(told(process, "report"))
    ask(run, "resume", "running")
    each = [f"{got[name] / viewers:,.0f}" for name in ("bytes", "stream_bytes", "websocket_bytes")]
    return [str(viewers), f"{seconds:.0f}", *each, str(len(got["errors"]))]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default="0,1,5,10,100,0", help="viewers without a browser, a phase each")
    parser.add_argument("--chromium", type=int, default=0, help="pages of a real browser, in the last phase")
    parser.add_argument("--steps", type=int, default=6, help="of a phase")
    parser.add_argument("--trainer", choices=("server", "process"), default="server")
    parser.add_argument("--threads", type=int, default=0, help="of the trainer; 0: as it chooses")
    parser.add_argument("--paused", type=float, default=20.0, help="seconds of the pause; 0 for none")
    parser.add_argument("--batch", type=int, default=0, help="batch size, unless the preset's")
    options = parser.parse_args()
    heed_terminate()
    settings = ["steps=100000"]
    settings += [f"threads={options.threads}"] * bool(options.threads)
    if options.batch:
        settings += [f"batch_size={options.batch}", f"mini_batch_size={min(64, options.batch)}"]
    counts = [int(count) for count in options.counts.split(",")]
    with tempfile.TemporaryDirectory() as home, ExitStack() as ended:
        server = Server(Path(home) / "runs")
        ended.callback(server.stop)
        if options.trainer == "server":
            run = start_in_server(server, "&".join(settings))
        else:
            run = start_process(server.runs, settings, ended)
        until(lambda: last_step(run) >= 2, PATIENCE_S, "the first steps")
        phases, pauses = watched(server, run, counts, options)
        info = RunReader(run).info()
        ask(run, "stop", "stopped")
    about = f"trainer in a {options.trainer}, {info.threads} threads, batch {info.config.batch_size}, "
    print(f"\n{about}{options.steps} steps a phase\n\n{phase_table(phases)}")
    if pauses:
        heads = ("viewers", "seconds paused", "bytes each", "of the stream", "websocket", "errors")
        print(f"\n{table(heads, pauses)}")


def watched(
    server: Server, run: Path, counts: list[int], options: argparse.Namespace
) -> tuple[list[Phase], list[list[str]]]:
    """All phases."""
    phases: list[Phase] = []
    pauses: list[list[str]] = []
    module = "tests.benchmarks.watching"
    with helper(module, "sockets", server.url, run.name) as process:
        phases += [
            measured(run, options.steps, "" if count else "none", count, process)
            for count in interleaved(counts)
        ]
        if options.paused and max(counts):
            pauses.append(paused(run, options.paused, max(counts), process))
        told(process, "0")
    if options.chromium:
        with helper(module, "chromium", server.url, run.name) as process:
            phases.append(measured(run, options.steps, "none", 0, process))
            phases.append(measured(run, options.steps, "Chromium", options.chromium, process))
            if options.paused:
                pauses.append([*paused(run, options.paused, options.chromium, process)])
                pauses[-1][0] += " Chromium"
        phases.append(measured(run, options.steps, "none", 0, None))
    return phases, pauses


def phase_table(phases: list[Phase]) -> str:
    """A row a phase, each beside its neighbours without viewers."""
    rows = []
    for i, phase in enumerate(phases):
        before = next((one.step_s for one in phases[i::-1] if not one.viewers), [])
        after = next((one.step_s for one in phases[i:] if not one.viewers), [])
        rows.append(phase.row(before, after))
    return table(HEADS, rows)


if __name__ == "__main__":
    main()
