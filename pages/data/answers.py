"""The door's answers: JSON made once, compressed once, and kept as bytes for all who ask."""

from __future__ import annotations

import gzip
import hashlib
import json
from asyncio import Task, create_task, shield
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

import pyarrow as pa
from anyio import CapacityLimiter, to_thread
from pydantic_core import to_json

LARGEST_CACHE = 48 * 2**20
"""Bytes of all answers that are kept."""
MOST_ANSWERS = 2000
_AT_ONCE = 2
"""Answers that are made at the same time: the trainer needs the processor too."""
_KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
_ASKED_AGAIN = "no-cache"
_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(pa.Codec("zstd", 6).compress(body, asbytes=True)),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}
_SMALLEST_COMPRESSED = 400


T = TypeVar("T")


class RefusedError(Exception):
    """Why a request has no answer. status: HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Answer:
    """A JSON text. is_final: whether it never changes."""

    body: bytes
    is_final: bool
    status: int = 200
    _encoded: dict[str, bytes] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(cls, data: Any, is_final: bool = False, status: int = 200) -> Answer:
        return cls(to_json(data, inf_nan_mode="null"), is_final, status)

    def is_encoded(self, encoding: str) -> bool:
        return not encoding or encoding in self._encoded

    def encoded(self, encoding: str) -> bytes:
        """The text as that client takes it, compressed at most once."""
        if not encoding:
            return self.body
        with self._lock:
            if encoding not in self._encoded:
                self._encoded[encoding] = _ENCODINGS[encoding](self.body)
            return self._encoded[encoding]

    def headers(self, encoding: str) -> list[tuple[bytes, bytes]]:
        kept = _KEPT_FOR_GOOD if self.is_final else _ASKED_AGAIN
        own = {
            "content-type": "application/json",
            "cache-control": kept if self.status == 200 else "no-store",
            "vary": "accept-encoding",
            **({"etag": self.tag(encoding)} if self.status == 200 else {}),
            **({"content-encoding": encoding} if encoding else {}),
        }
        return [(name.encode(), value.encode()) for name, value in own.items()]

    def tag(self, encoding: str) -> str:
        """The strong validator: of the bytes as they are sent."""
        return f'"{self._digest}{encoding and "-" + encoding}"'

    @cached_property
    def _digest(self) -> str:
        return hashlib.blake2b(self.body, digest_size=12).hexdigest()

    @property
    def size(self) -> int:
        return len(self.body) + sum(map(len, tuple(self._encoded.values())))


def encoding_for(accepted: str, answer: Answer) -> str:
    """How to compress, by the header Accept-Encoding."""
    if len(answer.body) < _SMALLEST_COMPRESSED:
        return ""
    offers = dict(_offer(part) for part in accepted.lower().split(","))
    return next((name for name in ("zstd", "gzip") if offers.get(name, 0.0) > 0), "")


def _offer(part: str) -> tuple[str, float]:
    name, _, weight = part.partition(";")
    try:
        return name.strip(), float(weight.partition("=")[2]) if weight.strip() else 1.0
    except ValueError:
        return name.strip(), 0.0


class Answers:
    """The answers that are kept, the least recently asked for dropped first. Used in one event loop."""

    def __init__(self, largest: int = LARGEST_CACHE) -> None:
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._being_made: dict[Hashable, Task[Answer]] = {}
        self._largest = largest
        self._limiter: CapacityLimiter | None = None

    async def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The kept answer, else a new one, made in a thread: once, however many ask for it meanwhile."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._being_made:
            self._being_made[key] = create_task(self._made(key, make))
        return await shield(self._being_made[key])  # who leaves takes it from nobody

    async def _made(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        try:
            self._kept[key] = answer = await self.work(make)
            self._trim()
            return answer
        finally:
            del self._being_made[key]

    async def encoded(self, answer: Answer, encoding: str) -> bytes:
        """The text as that client takes it; compressed in a thread, where it is not yet."""
        if not answer.is_encoded(encoding):
            await self.work(lambda: answer.encoded(encoding))
            self._trim()
        return answer.encoded(encoding)

    async def work(self, make: Callable[[], T]) -> T:
        """What `make` gives, made in a thread, few at a time."""
        self._limiter = self._limiter or CapacityLimiter(_AT_ONCE)
        return await to_thread.run_sync(make, limiter=self._limiter)

    def _trim(self) -> None:
        while self.size > self._largest or len(self._kept) > MOST_ANSWERS:
            self._kept.popitem(last=False)

    @property
    def size(self) -> int:
        """Bytes of all kept answers."""
        return sum(answer.size for answer in self._kept.values())


def error_answer(refusal: RefusedError) -> Answer:
    return Answer(json.dumps({"error": str(refusal)}).encode(), False, refusal.status)
