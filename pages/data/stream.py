"""The stream of server-sent events: one a browser tab, which is told of each change of the run it shows."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType

from starlette.types import Receive, Send

from .answers import RefusedError
from .watcher import Change, Watcher

HEARTBEAT_S = 15.0
"""Between two signs of life while nothing is new."""
MOST_STREAMS = 500

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # else nginx keeps the events to itself
]


class Streams:
    """All open streams of a server."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._queues: set[asyncio.Queue[Change | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def __len__(self) -> int:
        return len(self._queues)

    async def serve(self, run: str, last: str, receive: Receive, send: Send) -> None:
        """Sends the run's changes until the client leaves or the server ends. last: the id of the event that
        the client has, "" for none.
        """
        if len(self._queues) >= MOST_STREAMS:
            raise RefusedError(
                503, f"{MOST_STREAMS} streams are open, the most allowed; ask `now` at times instead"
            )
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        loop = self._loop

        def listener(change: Change) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, change)

        end = self._watcher.listen(run, listener)
        self._queues.add(queue)
        leaving = asyncio.ensure_future(_left(receive))
        leaving.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            told = await asyncio.to_thread(self._watcher.now, run)
            first = b": as you know\n\n" if id_of(told) == last else event_of(told)
            await send({"type": "http.response.body", "body": b"retry: 1000\n" + first, "more_body": True})
            while not self._ended and (change := await self._next(run, queue, told)) is not None:
                told = change
                await send({"type": "http.response.body", "body": event_of(told), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except OSError:
            pass  # the client is gone
        finally:
            end()
            leaving.cancel()
            self._queues.discard(queue)

    async def _next(self, run: str, queue: asyncio.Queue[Change | None], told: Change) -> Change | None:
        """The next change from what was told; None for the end. As a sign of life the last one again; the
        client knows it by its id.
        """
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                while (change := await _newest(queue)) == told:
                    pass
                return change
        except TimeoutError:
            return await asyncio.to_thread(self._watcher.now, run)

    def end(self) -> None:
        """Ends all streams, so that the server need not wait for them. Safe in a signal handler."""
        self._ended = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for queue in self._queues:
            queue.put_nowait(None)


def event_of(change: Change) -> bytes:
    """The event that tells of a change."""
    return f"id: {id_of(change)}\ndata: {json.dumps(asdict(change))}\n\n".encode()


def id_of(change: Change) -> str:
    """What a client that comes back says it has: of the run, and of what is around it."""
    return f"{change.version}.{change.stamp}"


async def _newest(queue: asyncio.Queue[Change | None]) -> Change | None:
    """One that waited behind others makes them needless."""
    change = await queue.get()
    while change is not None and not queue.empty():
        change = queue.get_nowait()
    return change


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def ended_by_signals(streams: Streams) -> Iterator[None]:
    """Has SIGINT and SIGTERM end the streams, before the server's own handlers wait for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        streams.end()
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in before:
        signal.signal(number, handle)
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is handle:
            signal.signal(number, handler)
