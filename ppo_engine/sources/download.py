"""Downloads of models and data sets from the Hugging Face Hub, by a process that can be cancelled."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

PATIENCE_S = 5.0
"""Time limit for a first answer of the Hub, after which an earlier download is used."""
STALLED_S = 90.0
"""Time without new data after which a download is aborted."""
_POLL_S = 0.1


class HubError(Exception):
    """Why a name is not available from the Hub, in words."""


def download(kind: str, name: str, limit_mb: int, tell: Callable[[str], None]) -> Path:
    """The folder with the required files of `name`, downloaded unless cached.

    kind: models or datasets. `tell` is called ten times a second with the current stage; an exception from it
    ends the download. Raises `HubError`.
    """
    script = Path(__file__).with_name("download_process.py")
    command = [sys.executable, "-P", str(script), kind, name, str(limit_mb * 1_000_000), str(PATIENCE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            return _listen(process, tell, f"contacting the Hub for {name}")
        finally:
            process.kill()


def _listen(process: subprocess.Popen[str], tell: Callable[[str], None], stage: str) -> Path:
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
    heard = time.monotonic()
    while time.monotonic() - heard < STALLED_S:
        tell(stage)
        try:
            line = lines.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if not line:
            raise HubError("the download ended unexpectedly; try again")
        heard, said = time.monotonic(), json.loads(line)
        if "error" in said:
            raise HubError(said["error"])
        if "path" in said:
            return Path(said["path"])
        stage = said["stage"]
    raise HubError(
        f"the Hub sent no data for {STALLED_S:g} s; check the network and try again (the download resumes)"
    )


def _forward(lines: IO[str], into: queue.Queue[str]) -> None:
    """All lines, then ""."""
    for line in lines:
        into.put(line)
    into.put("")
