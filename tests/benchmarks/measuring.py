"""What the benchmarks of the dashboard share: when a board is drawn, what came over the wire, and tables."""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ppo_engine import RunReader
from ppo_engine.store import list_runs, submit

DOOR = "/data/v1/"

DRAWN = """(wanted) => {
    const board = document.querySelector('.ppo-board');
    const plot = board?.querySelector('[data-chart=score] .js-plotly-plot');
    const hasCurve = plot?.data?.some(trace => trace.x.length > 0) && plot.querySelector('.main-svg');
    const top = board?.querySelector('.top')?.textContent ?? "";
    const step = Number(top.match(/step (\\d+) of/)?.[1] ?? -1);
    const isOwn = !wanted || (!board?.classList.contains('example') && step >= wanted);
    return Boolean(hasCurve && isOwn && board.querySelector('.headline .now')?.textContent);
}"""
"""Whether the live board has its top line, figures and score chart; what is out of sight comes later. Its
argument: the least step of a run of one's own, 0 where the example counts too.
"""

_VIEWS = (
    (r"^runs/[^/]+/", ""),
    (r"^steps/\d+", "steps/#"),
    (r"samples/\d+", "samples/#"),
    (r"tokens/\d+", "tokens/#"),
    (r"prompts/\d+", "prompts/#"),
)


def view_of(url: str) -> str:
    """The door's view that an address is of; "" where it is of none."""
    path = url.partition(DOOR)[2].partition("?")[0]
    for pattern, instead in _VIEWS:
        path = re.sub(pattern, instead, path)
    return path


class Wire:
    """What a page of Chromium receives, by view of the door: bytes of heads and bodies as sent. Streamlit's
    WebSocket is told apart, as it is after decompression.
    """

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.websocket_bytes = 0
        self._views: dict[str, str] = {}

    def handlers(self) -> dict[str, Callable[[Any], None]]:
        """What to call at which event of a session of Chromium's own protocol, with `Network` enabled."""
        return {
            "Network.responseReceived": self._begun,
            "Network.dataReceived": self._more,
            "Network.webSocketFrameReceived": self._frame,
        }

    def _begun(self, event: Any) -> None:
        response = event["response"]
        if DOOR not in response["url"] or response.get("fromDiskCache"):
            return
        view = self._views[event["requestId"]] = view_of(response["url"])
        self.answers[view] += 1
        self.bytes[view] += max(0, int(response["encodedDataLength"]))

    def _more(self, event: Any) -> None:
        if view := self._views.get(event["requestId"]):
            self.bytes[view] += max(0, int(event["encodedDataLength"]))

    def _frame(self, event: Any) -> None:
        frame = event["response"]
        size = len(frame["payloadData"])
        self.websocket_bytes += size * 3 // 4 if frame["opcode"] == 2 else size

    @property
    def total(self) -> int:
        """Bytes of all the door's answers, streams left out."""
        return sum(size for view, size in self.bytes.items() if view != "stream")


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """The value that a share of all do not exceed."""
    return sorted(values)[int(share * (len(values) - 1))]


def median(values: Sequence[float]) -> float:
    """The median, NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lines of a table in Markdown, its columns in line."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def until(holds: Callable[[], bool], patience_s: float, what: str, every_s: float = 0.2) -> None:
    """Waits until something holds. Raises `TimeoutError`."""
    give_up = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > give_up:
            raise TimeoutError(f"{what}: not within {patience_s:.0f} s")
        time.sleep(every_s)


def heed_terminate() -> None:
    """Has SIGTERM end this process as an error would, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def newest(runs: Path) -> Path:
    """The folder of the run that was begun last."""
    return list_runs(runs)[0]


def ask(run: Path, command: str, state: str, patience_s: float = 120) -> None:
    """Gives a run a command, and waits for the state that follows."""
    submit(run, command, "a benchmark")
    until(lambda: RunReader(run).info().state == state, patience_s, f"{command} of {run.name}")


@contextmanager
def helper(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m` another module that reads lines and ends when there are no more: so it never outlives this
    process, however that ends.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def told(process: subprocess.Popen[str], line: str) -> str:
    """The helper's answer to a line."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"process {process.pid} ended without an answer to {line!r}")
    return answer.strip()
