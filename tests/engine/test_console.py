"""The command line's process, for real: signals at every moment, consoles that cannot write, and pipes that
close.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader
from ppo_engine.errors import StoreError
from ppo_engine.store import list_runs
from tests.engine.hub import serving

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
ENDS_WITHIN_S = 20.0
"""Of a busy machine; alone it takes a second or two."""


@pytest.fixture
def settings(tiny: Callable[..., Config]) -> list[str]:
    changes = tiny(steps=100_000).changes_from("tiny-reviews")
    return [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]


def begin(*arguments: str, **options: object) -> subprocess.Popen[str]:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": heed_ctrl_c, **options}
    process = subprocess.Popen([sys.executable, "-m", "ppo_engine", *arguments], cwd=ROOT, text=True, **given)  # type: ignore[call-overload]
    begun.append(process)
    return process  # type: ignore[no-any-return]


begun: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def ends_what_it_began() -> Iterator[None]:
    """A process that a failed test leaves behind would train on beside all other tests."""
    yield
    while begun:
        with begun.pop() as process:
            process.kill()


def heed_ctrl_c() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that these tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)


def stage(runs: Path) -> str:
    """What the run is at: its stage while it loads, its state once a step is recorded."""
    try:
        info = RunReader(list_runs(runs)[0]).info()
    except (IndexError, StoreError):
        return ""
    if info.state == "loading":
        return info.stage
    return info.state if info.last_step > 0 else ""


def ended(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    process.send_signal(number)
    output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, output, errors


@pytest.mark.parametrize(("at", "number"), [("importing", signal.SIGHUP), ("running", signal.SIGINT)])
def test_a_run_that_is_asked_to_end_is_stopped_not_killed(
    settings: list[str], tmp_path: Path, number: int, at: str
) -> None:
    process = begin("train", *settings, "--runs", str(tmp_path))
    wait_until(lambda: stage(tmp_path) == at, process)
    code, output, errors = ended(process, number)
    assert (
        code == 1
        and "Traceback" not in errors
        and f"stopped {'after' if at == 'running' else 'before'}" in errors
    )
    info = RunReader(Path(output.strip())).info()
    assert info.state == "stopped" and info.traceback == ""


def test_a_run_that_waits_for_a_hanging_hub_is_stopped_too(
    world: Path, settings: list[str], tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(world / "policy", tmp_path / "hub" / "models" / "someone" / "policy")
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    with serving(tmp_path / "hub", hangs_at="model.safetensors") as hub:
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
        process = begin(
            "train",
            *settings,
            "--set",
            "model_name=someone/policy",
            "--runs",
            str(tmp_path / "runs"),
            env=environment,
        )
        assert hub.hanging.wait(PATIENCE_S)
        code, output, errors = ended(process, signal.SIGINT)
    assert code == 1 and "Traceback" not in errors
    assert RunReader(Path(output.strip())).info().state == "stopped"


def test_ctrl_c_before_anything_began_ends_without_a_traceback(settings: list[str], tmp_path: Path) -> None:
    """In the middle of the imports: the interpreter says on its standard error when it comes to the first
    large one.
    """
    process = begin("train", *settings, "--runs", str(tmp_path), env={**os.environ, "PYTHONVERBOSE": "1"})
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("import 'ppo_engine.console'"):
            break
    next(line for line in process.stderr if line.startswith("import 'ppo_engine.errors'"))
    code, _, errors = ended(process, signal.SIGINT)
    assert code == 1 and "Traceback" not in errors and "ppo_engine: stopped" in errors
    assert list_runs(tmp_path) == []


def test_a_closed_terminal_ends_a_run_as_ctrl_c_does(settings: list[str], tmp_path: Path) -> None:
    """A real terminal, whose other side is closed: the kernel sends SIGHUP, and nothing can be written any
    more.
    """
    mine, its = pty.openpty()
    command = [sys.executable, "-m", "ppo_engine", "train", *settings, "--runs", str(tmp_path)]
    child = (
        f"import os, fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv({sys.executable!r}, "
        f"{command!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child],
        cwd=ROOT,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        text=True,
    )
    begun.append(process)
    os.close(its)
    wait_until(lambda: stage(tmp_path) == "running", process)
    os.close(mine)
    assert process.wait(timeout=ENDS_WITHIN_S) == 1
    assert RunReader(list_runs(tmp_path)[0]).info().state == "stopped"


def test_no_console_ends_a_run(settings: list[str], tmp_path: Path) -> None:
    """Encodings that lack the letters of a path, and outputs that are closed from the beginning, as by `|
    head` that has ended.

    All at once: most of the time of each is the start of its process.
    """
    read, write = os.pipe()
    os.close(read)
    short = (*settings, "--set", "steps=1", "--runs")
    coded = {
        encoding: begin(
            "train", *short, str(tmp_path / encoding / "прогоны"),
            env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
            encoding="utf-8", errors="replace",
        )
        for encoding in ("ascii", "cp1252")
    }  # fmt: skip
    unheard = begin("train", *short, str(tmp_path / "unheard"), stdout=write, stderr=write)
    os.close(write)
    for encoding, process in coded.items():
        output, errors = process.communicate(timeout=PATIENCE_S)
        (run,) = list_runs(tmp_path / encoding / "прогоны")
        assert process.returncode == 0 and "Traceback" not in errors, errors
        assert RunReader(run).info().state == "finished" and output.strip().endswith(run.name)
    assert unheard.wait(timeout=PATIENCE_S) == 0
    assert RunReader(list_runs(tmp_path / "unheard")[0]).info().state == "finished"


def test_an_export_into_a_pipe_that_closes_says_nothing(tiny: Callable[..., Config], tmp_path: Path) -> None:
    from ppo_engine import session

    folder, owner = session.create(tiny(steps=3, batch_size=64), "tiny-reviews", tmp_path)
    owner.run()
    process = begin("export", str(folder), "--what", "tokens")
    assert process.stdout is not None and process.stdout.readline().startswith("step,")
    process.stdout.close()
    assert process.stderr is not None and process.stderr.read() == ""
    assert process.wait(timeout=PATIENCE_S) == 0
