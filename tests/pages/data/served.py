"""The door on a real server in a thread, and clients that read its streams from real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from pages.data import routes

PATIENCE_S = 60.0


class Stream:
    """A client that listens until it closes."""

    def __init__(self, port: int, run: str, last: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        headers = {"Last-Event-ID": last} if last else {}
        self._connection.request("GET", f"/{routes.PATH}/stream?run={run}", headers=headers)
        self.reply = self._connection.getresponse()
        self.retry = ""

    def message(self) -> dict[str, str]:
        """The next message by the names of its fields, a comment's is ""; {} once the stream has ended."""
        fields: dict[str, str] = {}
        while line := self.reply.readline().decode():
            if line == "\n":
                self.retry = fields.pop("retry", self.retry)
                return fields
            name, _, value = line.rstrip("\n").partition(":")
            fields[name] = value.strip()
        return {}

    def change(self) -> dict[str, Any]:
        """What the next message tells of the run."""
        told: dict[str, Any] = json.loads(self.message()["data"])
        return told

    def until(self, **wanted: Any) -> dict[str, Any]:
        """The first change that has these values."""
        while True:
            told = self.change()
            if all(told[name] == value for name, value in wanted.items()):
                return told

    def close(self) -> None:
        self.reply.close()
        self._connection.close()


class Server:
    """uvicorn with the door's routes, which watches as the app's lifespan has it do."""

    def __init__(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))  # so that whoever connects early waits
        self.port = listening.getsockname()[1]
        self._streams: list[Stream] = []
        app = Starlette(routes=routes.ROUTES, lifespan=self._lifespan)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        routes.WATCHER.start()
        yield
        routes.WATCHER.stop()

    def stream(self, run: str, last: str = "") -> Stream:
        self._streams.append(Stream(self.port, run, last))
        return self._streams[-1]

    def tasks(self) -> int:
        """How many tasks the server's loop has."""

        async def count() -> int:
            return len(asyncio.all_tasks()) - 1

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(PATIENCE_S)

    def end(self) -> None:
        """Ends the streams, and then the server, which waits for them."""
        routes.STREAMS.end()
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        for stream in self._streams:
            stream.close()


@contextmanager
def served() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.end()
