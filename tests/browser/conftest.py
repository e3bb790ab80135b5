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
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from ppo_engine import RunReader
from ppo_engine.store import list_runs, submit
from tests.browser.board import LONG, press, state, wait_for_state, wait_for_step

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
expect.set_options(timeout=PATIENCE_S * 1000)  # how long a thing may take is no part of whether it is right
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


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """What the tabs of all tests share: what was downloaded once is not downloaded for each."""
    context = browser.new_context()
    yield context
    context.close()


class Server:
    """`streamlit run app.py` with a runs folder of its own, on a free port unless one is given."""

    def __init__(self, runs: Path, port: int = 0, base: str = "", root: Path = ROOT) -> None:
        self.runs = runs
        runs.parent.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}" + (f"/{base}" if base else "")
        self.log = runs.parent / f"server-{self.port}.log"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)),
                *("--server.headless", "true", "--server.baseUrlPath", base),
            ],
            cwd=root,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PPO_LIVE_RUNS": str(runs)},
            start_new_session=True,
        )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        for _ in range(int(PATIENCE_S / 0.05)):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).read()
                return
            except urllib.error.URLError:
                try:
                    self.process.wait(0.05)
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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not end it."""
    made = Server(tmp_path_factory.mktemp("server") / "runs")
    yield made
    made.stop()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The shared server; the run that a test leaves behind is ended."""
    yield shared_server
    end_runs(shared_server)


def end_runs(server: Server) -> None:
    for run in list_runs(server.runs):
        if RunReader(run).info().alive:
            submit(run, "stop", "the end of a test")
            while RunReader(run).info().alive:
                time.sleep(0.05)


class Tabs:
    """Opens pages on a server and remembers every error that they meet."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self._context = context
        self._server = server
        self._pages: list[Page] = []
        self.troubles: list[str] = []

    def open(self, path: str = "", width: int = 1440, scheme: str = "light") -> Page:
        """A new page at `path`, drawn."""
        page = self._context.new_page()
        self._pages.append(page)
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("console", self._hear)
        page.on("requestfailed", self._miss)
        page.goto(f"{self._server.url}/{path}")
        page.locator(".ppo-board .top .name").wait_for()
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not STREAMLITS_OWN.search(message.text + str(message.location)):
            self.troubles.append(f"console: {message.text}")

    def _miss(self, request: Request) -> None:
        if not request.url.startswith(self._server.url):
            self.troubles.append(f"request failed: {request.url}")

    def close(self) -> None:
        """Closes what was opened. No page may have met an error."""
        for page in self._pages:
            if not page.is_closed():
                self.troubles.extend(page.locator('[data-testid="stException"]').all_inner_texts())
                page.close()
        assert not self.troubles


@pytest.fixture
def open_page(tabs: BrowserContext, server: Server) -> Iterator[Callable[..., Page]]:
    """`open_page(path, width=1440, scheme="light")`. At the end no page may have met an error."""
    opened = Tabs(tabs, server)
    yield opened.open
    opened.close()


@pytest.fixture(scope="module")
def kept_page(tabs: BrowserContext, shared_server: Server) -> Iterator[Page]:
    """One page for a file of tests, on which a run that does not end by itself was started. They leave it as
    they would find it.
    """
    opened = Tabs(tabs, shared_server)
    page = opened.open(f"?{LONG}")
    press(page, "Start")
    wait_for_state(page, "running")
    wait_for_step(page, 2)
    yield page
    opened.close()
    end_runs(shared_server)


@pytest.fixture
def running(kept_page: Page) -> Page:
    """That page with the run going on."""
    if state(kept_page) != "running":
        press(kept_page, "Resume")
        wait_for_state(kept_page, "running")
    return kept_page


@pytest.fixture
def paused(kept_page: Page) -> Page:
    """That page with the run paused."""
    if state(kept_page) == "stopped":
        press(kept_page, "Resume")
        wait_for_state(kept_page, "running")
    if state(kept_page) != "paused":
        press(kept_page, "Pause")
        wait_for_state(kept_page, "paused")
    return kept_page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser, and takes its time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
