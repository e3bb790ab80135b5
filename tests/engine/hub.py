"""As much of the Hugging Face Hub as its own client needs to download a model or a data set, on 127.0.0.1.

    with serving(folder) as hub: ... HF_ENDPOINT=hub.url ...
    with serving(folder, hangs_at="model.safetensors") as hub: ... hub.hanging.wait(5) ...

`folder` holds models/<owner>/<name>/ and datasets/<owner>/<name>/, each with its files. Every request is
noted.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A running server: where it is, and what it was asked, as "GET /path"."""

    url: str
    hangs_at: str = ""
    """Of a file whose path ends so, half is sent, and then nothing more until the server ends."""
    requests: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(folder: Path, hangs_at: str = "") -> Iterator[Hub]:
    hub = Hub("", hangs_at)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder, "hub": hub})
    )
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if api := re.fullmatch(
            r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?", path
        ):
            kind, name, what, _, below = api.groups()
            self._tell(self.folder / kind / name, kind, name, what or "revision", below or "")
        elif file := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._send_file(self.folder / ("datasets" if file[1] else "models") / file[2], file[3])
        else:
            self._refuse("EntryNotFound")

    def _tell(self, repo: Path, kind: str, name: str, what: str, below: str) -> None:
        """What is in a repository, as the pages of its API say it."""
        if not repo.is_dir():
            self._refuse("RepoNotFound")
        elif what == "revision":
            siblings = [{"rfilename": entry["path"]} for entry in _entries(repo) if entry["type"] == "file"]
            self._send_json({
                "_id": "1", "id": name, "sha": COMMIT, "private": False, "disabled": False, "gated": False,
                "downloads": 0, "likes": 0,
                "tags": [], "siblings": siblings, "lastModified": "2024-01-01T00:00:00.000Z",
                "createdAt": "2024-01-01T00:00:00.000Z",
            })  # fmt: skip
        elif what == "tree":
            inside = [entry for entry in _entries(repo) if not below or entry["path"].startswith(below + "/")]
            if below and not inside:
                self._refuse("EntryNotFound")
            else:
                self._send_json(inside)
        else:
            asked = (
                json.loads(self.body)["paths"] if self.body.startswith("{") else parse_qs(self.body)["paths"]
            )
            self._send_json([entry for entry in _entries(repo) if entry["path"] in asked])

    def _send_file(self, repo: Path, path: str) -> None:
        if not repo.is_dir() or not (repo / path).is_file():
            self._refuse("EntryNotFound" if repo.is_dir() else "RepoNotFound")
            return
        content = (repo / path).read_bytes()
        etag, status, headers = hashlib.sha256(content).hexdigest(), 200, {}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(asked[1]), int(asked[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"
            content, status = content[first : last + 1], 206
        self._send(
            status,
            content,
            {**headers, "ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"},
        )

    def _refuse(self, code: str) -> None:
        self._send(
            404,
            json.dumps({"error": "not found"}).encode(),
            {"X-Error-Code": code, "X-Error-Message": "not found"},
        )

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.hangs_at and urlsplit(self.path).path.endswith(self.hub.hangs_at):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.hub.hanging.set()
            self.hub.ended.wait()
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent: what was asked is in `hub.requests`."""


def _entries(repo: Path) -> list[dict[str, Any]]:
    """The files and folders of a repository, as the API's tree lists them."""
    found = []
    for path in sorted(repo.rglob("*")):
        entry: dict[str, Any] = {
            "path": path.relative_to(repo).as_posix(),
            "oid": COMMIT,
            "size": 0,
            "type": "directory",
        }
        if path.is_file():
            entry |= {"type": "file", "size": path.stat().st_size}
        found.append(entry)
    return found
