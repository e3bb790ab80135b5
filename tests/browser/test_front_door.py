"""Where the pages may lie, and whose pages may command the server: base paths, proxies, origins, frames."""

from __future__ import annotations

import functools
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser.board import points
from tests.browser.conftest import Server, Tabs
from tests.browser.proxy import Proxy


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pages lie below a path."""
    made = Server(tmp_path_factory.mktemp("based") / "runs", base="ppo/live")
    yield made
    made.stop()


def drawn(page: Page) -> None:
    """The board is there with its charts, on the first page and on another that was opened directly."""
    page.locator(".ppo-board .top .name").wait_for()
    assert points(page, "score") > 30
    page.get_by_role("link", name="Tokens", exact=True).click()
    page.wait_for_url("**/tokens*")
    page.reload()
    expect(page.locator(".ppo-board .top .name").first).to_be_visible()
    expect(page.get_by_text("No tokens yet")).to_be_visible()


def test_the_board_is_drawn_below_a_base_path(tabs: BrowserContext, based: Server) -> None:
    opened = Tabs(tabs, based)
    drawn(opened.open())
    opened.close()


def test_the_board_is_drawn_behind_a_proxy_with_a_path_of_its_own(
    tabs: BrowserContext, tmp_path: Path
) -> None:
    server = Server(tmp_path / "runs")
    proxy = Proxy(server.port, "lab/ppo")
    try:
        page = tabs.new_page()
        page.goto(f"{proxy.url}/")
        drawn(page)
        page.close()
    finally:
        proxy.close()
        server.stop()


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (None, True),
        ("http://127.0.0.1:{port}", True),
        ("http://127.0.0.1:9", False),
        ("http://localhost:{port}", False),
        ("https://127.0.0.1", False),
        ("http://example.org", False),
        ("null", False),
        ("nonsense", False),
        ("http://[", False),
    ],
)
def test_a_socket_is_for_the_servers_own_pages(
    origin: str | None, accepted: bool, shared_server: Server
) -> None:
    address = f"ws://127.0.0.1:{shared_server.port}/_stcore/stream"
    headers = {} if origin is None else {"Origin": origin.format(port=shared_server.port)}
    try:
        with connect(address, additional_headers=headers, subprotocols=["streamlit"], open_timeout=30):  # type: ignore[list-item]
            answer = 101
    except InvalidStatus as refused:
        answer = refused.response.status_code
    assert answer == (101 if accepted else 403)


@pytest.mark.parametrize(
    ("method", "refused"), [("GET", False), ("PUT", True), ("POST", True), ("DELETE", True)]
)
def test_what_changes_something_is_for_the_servers_own_pages(
    method: str, refused: bool, shared_server: Server
) -> None:
    request = urllib.request.Request(
        f"{shared_server.url}/_stcore/upload_file/a/b",
        method=method,
        headers={"Origin": "http://127.0.0.1:9"},
    )
    try:
        answer = urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError as error:
        answer = error.read()
    assert (b"only pages of this server" in answer) is refused


def test_another_name_for_the_server_is_refused(shared_server: Server) -> None:
    """As after a name server has been made to say that a stranger's name is this machine."""
    request = urllib.request.Request(shared_server.url, headers={"Host": f"example.org:{shared_server.port}"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=30)


@pytest.mark.parametrize("path", ["", "tokens", "_stcore/health", "no/such"])
def test_every_answer_forbids_frames_and_guesses(path: str, shared_server: Server) -> None:
    try:
        headers = urllib.request.urlopen(f"{shared_server.url}/{path}", timeout=30).headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("SAMEORIGIN", "nosniff")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_another_servers_page_can_neither_speak_nor_frame(
    tabs: BrowserContext, shared_server: Server, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text(f"<title>other</title><iframe src='{shared_server.url}/'></iframe>")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    ) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page = tabs.new_page()
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        spoken = page.evaluate(
            """url => new Promise(done => {
                const socket = new WebSocket(url, "streamlit");
                socket.onopen = () => done("open");
                socket.onerror = () => done("refused");
            })""",
            f"ws://127.0.0.1:{shared_server.port}/_stcore/stream",
        )
        assert spoken == "refused"
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
        page.close()
        other.shutdown()
