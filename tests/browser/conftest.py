"""A real Streamlit server, a real Chromium, and a page that remembers every error it met."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ppo_engine import RunReader
from ppo_engine.store import list_runs, submit

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STREAMLITS_OWN = re.compile(r"status of 404|/_stcore/(health|host-config)")


def chromium() -> str | None:
    """$CHROMIUM, else chromium on the path, else Playwright's own; None where there is none."""
    for path in (os.environ.get("CHROMIUM"), shutil.which("chromium"), shutil.which("chromium-browser")):
        if path:
            return path
    with sync_playwright() as play:
        own = play.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium in CI: .ci/run installs one")
        pytest.skip("no Chromium: set $CHROMIUM, or install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """What the tabs of a file of tests share: what was downloaded once is not downloaded for each."""
    context = browser.new_context()
    yield context
    context.close()


class Server:
    """`streamlit run app.py` on a free port, with a runs folder of its own."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        runs.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = runs.parent / f"server-{self.port}.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port), "--server.headless", "true"],
            cwd=ROOT,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PPO_LIVE_RUNS": str(runs)},
            start_new_session=True,
        )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        for _ in range(int(PATIENCE_S / 0.2)):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).read()
                return
            except urllib.error.URLError:
                try:
                    self.process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
                break
        raise AssertionError(f"the server did not come up:\n{self.log.read_text()}")

    def stop(self, how: int = signal.SIGINT) -> int:
        """Ends the server as Ctrl-C does, and waits."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for a file of tests."""
    made = Server(tmp_path_factory.mktemp("server") / "runs")
    yield made
    made.stop()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The file's server; the run that a test leaves behind is ended."""
    yield shared_server
    for run in list_runs(shared_server.runs):
        if RunReader(run).info().alive:
            submit(run, "stop", "the end of a test")
            while RunReader(run).info().alive:
                time.sleep(0.05)


@pytest.fixture
def open_page(tabs: BrowserContext, server: Server) -> Iterator[Callable[..., Page]]:
    """`open_page(path, width=1440, scheme="light")`. At the end no page may have met an error."""
    troubles: list[str] = []

    def open_one(path: str = "", width: int = 1440, scheme: str = "light") -> Page:
        page = tabs.new_page()
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.on(
            "console",
            lambda message: (
                troubles.append(f"console: {message.text}")
                if message.type == "error" and not STREAMLITS_OWN.search(message.text + str(message.location))
                else None
            ),
        )
        page.on(
            "requestfailed",
            lambda request: troubles.append(f"request failed: {request.url}") if not request.url.startswith(server.url) else None,
        )
        page.goto(f"{server.url}/{path}")
        page.locator(".ppo-board .top .name").wait_for()
        return page

    yield open_one
    for page in tabs.pages:
        troubles.extend(page.locator('[data-testid="stException"]').all_inner_texts())
        page.close()
    assert not troubles
