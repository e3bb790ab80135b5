"""Viewers of a run in a process of their own, for `viewers`: without a browser, or pages of a real Chromium.

    python -m tests.benchmarks.watching sockets URL RUN
    python -m tests.benchmarks.watching chromium URL RUN

Reads lines: a number is how many viewers there shall be; `report` asks what all received since the last
report. Answers each with a line of JSON, and ends with its input. A viewer without a browser keeps the
stream open and fetches at each change what the live page fetches, one thing at a time; an answer that several
receive is decoded for the first of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.async_api import BrowserContext, Page, async_playwright

from tests.benchmarks.measuring import DRAWN, Wire
from tests.browser.conftest import FLAGS, chromium

PATIENCE_S = 60.0
"""A viewer that waits longer for an answer counts an error."""


@dataclass
class Received:
    """bytes: of the door's answers, stream_bytes: of its streams, heads included; steps: batches, summed over
    the viewers.
    """

    viewers: int = 0
    bytes: int = 0
    stream_bytes: int = 0
    websocket_bytes: int = 0
    answers: int = 0
    steps: int = 0
    errors: list[str] = field(default_factory=list)

    def restart(self) -> None:
        vars(self).update(vars(Received()))


@dataclass
class Place:
    """Where the viewers look, and what they received."""

    host: str
    port: int
    base: str
    run: str
    received: Received = field(default_factory=Received)
    decoded: dict[bytes, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str, run: str) -> Place:
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, f"{parts.path}/data/v1/", run)

    def request(self, path: str, query: dict[str, Any], accept: str) -> bytes:
        """As a browser asks."""
        asked = f"{self.base}{path}?{urlencode(query)}"
        lines = [
            f"GET {asked} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Accept: {accept}",
            "Accept-Encoding: gzip",
            "Connection: keep-alive",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def value(self, body: bytes, is_packed: bool) -> Any:
        """What a body says, decoded once for all."""
        key = hashlib.blake2b(body, digest_size=16).digest()
        if key not in self.decoded:
            if len(self.decoded) > 50:
                self.decoded.clear()
            self.decoded[key] = json.loads(zlib.decompress(body, 31) if is_packed else body)
        return self.decoded[key]


class Viewer:
    """One tab of the live page, without a browser."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._changed = asyncio.Event()
        self._keys: dict[str, str] = {}
        self._upto = -1
        self._have_batch = self._have_prompts = -1
        self._tasks = [asyncio.ensure_future(self._kept(work)) for work in (self._listen, self._look)]

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self._place.received.errors.append(f"{work.__name__}: {type(error).__name__}: {error}")

    async def _listen(self) -> None:
        """Reads the stream to its end."""
        place = self._place
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(place.request("stream", {"run": place.run}, "text/event-stream"))
        try:
            while chunk := await reader.read(2**16):
                place.received.stream_bytes += len(chunk)
                if b"data: " in chunk:
                    self._changed.set()
            raise EOFError("the stream ended")
        finally:
            writer.close()

    async def _look(self) -> None:
        place = self._place
        reader, writer = await asyncio.open_connection(place.host, place.port, limit=2**24)
        try:
            self._upto = (await self._get(reader, writer, f"runs/{place.run}/curves"))["upto"]
            while True:
                await self._changed.wait()
                self._changed.clear()
                if reader.at_eof():  # the server closes what was idle, and a browser opens another
                    writer.close()
                    reader, writer = await asyncio.open_connection(place.host, place.port, limit=2**24)
                await self._refresh(reader, writer)
        finally:
            writer.close()

    async def _refresh(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What live/feed.js fetches when the run has changed."""
        run, query = f"runs/{self._place.run}", {"after": self._upto}
        have = {"have": ".".join(self._keys.values())} if self._keys else {}
        live = await self._get(reader, writer, f"{run}/live", **query, **have)
        self._keys = live["keys"]
        self._upto = max([self._upto, *(row[0] for row in live["rows"] or ())])
        if live["kept"] not in (None, self._have_batch):
            self._have_batch = live["kept"]
            await self._get(reader, writer, f"{run}/steps/{self._have_batch}", columns="reward")
            self._place.received.steps += 1
        if live["evaluated"] not in (None, self._have_prompts):
            self._have_prompts = live["evaluated"]
            await self._get(reader, writer, f"{run}/prompts/0", at=self._have_prompts)

    async def _get(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, **query: Any
    ) -> Any:
        received = self._place.received
        writer.write(self._place.request(path, query, "*/*"))
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(fields["content-length"]))
        received.bytes += len(head) + len(body)
        received.answers += 1
        if " 200 " not in lines[0]:
            raise ValueError(f"{path}: {lines[0]}")
        return self._place.value(body, "content-encoding" in fields)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Tab:
    """The live page in a Chromium, in a context of its own."""

    def __init__(self, context: BrowserContext, page: Page, received: Received) -> None:
        self._context, self._page, self._received = context, page, received
        self.wire = Wire()

    async def open(self, url: str, run: str) -> None:
        session = await self._context.new_cdp_session(self._page)
        for name, handler in self.wire.handlers().items():
            session.on(name, handler)
        await session.send("Network.enable")
        self._page.on("pageerror", lambda error: self._received.errors.append(f"page: {error}"))
        await self._page.goto(f"{url}/?run={run}")
        await self._page.wait_for_function(DRAWN, arg=0, timeout=PATIENCE_S * 1000)

    def take(self) -> None:
        """Adds what it received since the last time to what all did."""
        wire, received = self.wire, self._received
        received.bytes += wire.total
        received.stream_bytes += wire.bytes["stream"]
        received.websocket_bytes += wire.websocket_bytes
        received.answers += wire.answers.total()
        received.steps += wire.answers["steps/#"]
        wire.bytes.clear()
        wire.answers.clear()
        wire.websocket_bytes = 0

    async def leave(self) -> None:
        await self._context.close()


async def lines() -> asyncio.StreamReader:
    """The standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def serve(
    place: Place, more: Callable[[], Awaitable[Viewer | Tab]], there: list[Viewer | Tab], reader: Any
) -> None:
    """Answers each line."""
    while line := (await reader.readline()).decode().strip():
        if line != "report":
            while len(there) < int(line):
                there.append(await more())
            while len(there) > int(line):
                await there.pop().leave()
        for one in there:
            if isinstance(one, Tab):
                one.take()
        place.received.viewers = len(there)
        print(json.dumps(vars(place.received)), flush=True)
        place.received.restart()


async def main(kind: str, url: str, run: str) -> None:
    """The command line."""
    place, reader = Place.of(url, run), await lines()
    there: list[Viewer | Tab] = []
    if kind == "sockets":

        async def viewer() -> Viewer:
            return Viewer(place)

        await serve(place, viewer, there, reader)
        return
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium(), args=FLAGS)

        async def tab() -> Tab:
            context = await browser.new_context(viewport={"width": 1440, "height": 1000})
            one = Tab(context, await context.new_page(), place.received)
            await one.open(url, run)
            return one

        await serve(place, tab, there, reader)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
