"""The server's own life: its first page, Ctrl-C, a port in use, a runs folder that cannot be written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import SMALL, button, points, press, state, wait_for_state, wait_for_step
from tests.browser.conftest import ROOT, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own: it may be ended."""
    made = Server(tmp_path / "runs")
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.mark.parametrize(
    ("how", "settings"),
    [(signal.SIGINT, SMALL), (signal.SIGTERM, "steps=5&batch_size=512&mini_batch_size=1&ppo_epochs=50")],
)
def test_ctrl_c_ends_server_and_run_within_5_s(
    tabs: BrowserContext, server: Server, how: signal.Signals, settings: str
) -> None:
    """With steps that finish, and with one that would take minutes and is abandoned."""
    page = tabs.new_page()
    page.goto(f"{server.url}/?{settings}")
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 0)
    begun = time.monotonic()
    server.stop(how)
    assert time.monotonic() - begun < 5
    page.close()
    info = RunReader(list_runs(server.runs)[0]).info()
    assert info.state == "stopped"
    assert "Traceback" not in server.log.read_text()


def test_a_port_in_use_says_so(shared_server: Server) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            str(shared_server.port),
            "--server.headless",
            "true",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and f"Port {shared_server.port} is" in done.stdout + done.stderr


def test_a_runs_folder_that_cannot_be_written_is_said_on_the_page(
    tabs: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    server = Server(tmp_path / "runs")
    try:
        page = tabs.new_page()
        page.goto(server.url)
        page.locator(".ppo-board .top .name").wait_for()
        press(page, "Start")
        expect(page.get_by_text("Choose another runs folder")).to_be_visible()
        page.close()
    finally:
        server.stop()


def test_a_fresh_server_shows_an_example_as_one_and_asks_nobody_outside(
    open_page: Callable[..., Page], server: Server
) -> None:
    page = open_page()
    assert state(page) == "example"
    expect(page.locator(".ppo-board .notice")).to_contain_text("Press Start")
    assert points(page, "score") > 30
    assert page.locator(".ppo-board .sample .response").count() > 20
    for name in ("Pause", "Step", "Stop"):
        expect(button(page, name)).to_be_disabled()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.locator(".ppo-board .top .name").wait_for()
    assert asked and all(
        url.startswith((server.url, server.url.replace("http", "ws"), "data:", "blob:")) for url in asked
    ), asked
