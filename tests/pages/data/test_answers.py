"""Answers are made once and kept within bounds, and a client's wishes for compression are read as HTTP has
them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pages.data import answers, steps
from pages.data.answers import Answer, Answers, RefusedError, encoding_for
from tests.pages.door import fetch


def counted(size: int = 10) -> tuple[list[int], Callable[[], Answer]]:
    """How often an answer of that size was made, and what makes it."""
    made: list[int] = []

    def make() -> Answer:
        made.append(1)
        return Answer(b"x" * size, is_final=True)

    return made, make


def test_fifty_who_ask_at_once_share_one_making(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    found = steps.batch_of
    monkeypatch.setattr(steps, "batch_of", lambda reader, step: read.append(step) or found(reader, step))
    path = f"runs/{recorded.name}/steps/2?columns=reward,delta"

    async def all_at_once() -> set[bytes]:
        replies = await asyncio.gather(*(fetch(path) for _ in range(50)))
        return {reply.sent for reply in replies if reply.status == 200}

    assert len(asyncio.run(all_at_once())) == 1 and read == [2]


def test_fifty_who_ask_at_once_share_one_compressing(monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[int] = []
    gzip = answers._ENCODINGS["gzip"]
    monkeypatch.setitem(answers._ENCODINGS, "gzip", lambda body: compressed.append(1) or gzip(body))
    kept, answer = Answers(), Answer(b"x" * 10**6, True)

    async def all_at_once() -> None:
        await asyncio.gather(*(kept.encoded(answer, "gzip") for _ in range(50)))

    asyncio.run(all_at_once())
    assert compressed == [1]


def test_who_leaves_takes_the_answer_from_nobody() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def make() -> Answer:
        begun.set()
        assert let_go.wait(30)
        return Answer(b"x", True)

    async def one_leaves() -> Answer:
        kept = Answers()
        first = asyncio.create_task(kept.get("key", make))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(kept.get("key", make))
        await asyncio.sleep(0)
        first.cancel()
        let_go.set()
        return await second

    assert asyncio.run(one_leaves()).body == b"x"


def test_no_more_than_two_answers_are_made_at_a_time() -> None:
    let_go = threading.Event()

    def make() -> Answer:
        assert let_go.wait(30)
        return Answer(b"x", True)

    async def six() -> tuple[int, int]:
        kept = Answers()
        asking = asyncio.gather(*(kept.get(key, make) for key in range(6)))
        for _ in range(10):  # turns of the loop, in which all six have asked
            await asyncio.sleep(0)
        assert kept._limiter is not None
        found = kept._limiter.statistics()
        let_go.set()
        await asking
        return found.borrowed_tokens, found.tasks_waiting

    assert asyncio.run(six()) == (2, 4)


def test_the_cache_is_bounded_in_bytes_and_drops_what_was_asked_for_longest_ago() -> None:
    made, make = counted(size=100)

    async def ask() -> None:
        kept = Answers(largest=350)
        for key in ("a", "b", "c", "a", "d"):
            await kept.get(key, make)
            assert kept.size <= 350
        assert len(made) == 4
        for key in ("a", "c", "d"):
            await kept.get(key, make)
        assert len(made) == 4
        await kept.get("b", make)
        assert len(made) == 5

    asyncio.run(ask())


def test_compressed_copies_count_too() -> None:
    async def ask() -> None:
        kept = Answers(largest=1000)
        for key in range(3):
            answer = await kept.get(key, lambda: Answer(b"x" * 330, True))
        assert kept.size == 990
        assert await kept.encoded(answer, "gzip")
        assert kept.size <= 1000 and await kept.get(2, lambda: Answer(b"", True)) is answer

    asyncio.run(ask())


def test_the_cache_is_bounded_in_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 3)
    made, make = counted(size=0)

    async def ask() -> None:
        kept = Answers()
        for key in (0, 1, 2, 3, 3, 2, 1):
            await kept.get(key, make)
        assert len(made) == 4
        await kept.get(0, make)
        assert len(made) == 5

    asyncio.run(ask())


def test_an_answer_larger_than_the_cache_is_given_and_not_kept() -> None:
    made, make = counted(size=100)

    async def ask() -> None:
        kept = Answers(largest=50)
        for _ in range(2):
            assert len((await kept.get("key", make)).body) == 100
        assert len(made) == 2 and kept.size == 0

    asyncio.run(ask())


def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    made: list[int] = []

    def refuse() -> Answer:
        made.append(1)
        raise RefusedError(404, "not yet")

    async def ask() -> None:
        kept = Answers()
        told = await asyncio.gather(*(kept.get("key", refuse) for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in told] == ["not yet"] * 5 and len(made) == 1
        assert (await kept.get("key", lambda: Answer(b"now", True))).body == b"now"

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip;q=1.0, zstd;q=0.001", "zstd"),
        ("gzip ; q=0.2", "gzip"),
        ("zstd;q=0", ""),
        ("gzip;q=", ""),
        (",", ""),
    ],
)
def test_weights_of_zero_and_nonsense_refuse(accepted: str, encoding: str) -> None:
    assert encoding_for(accepted, Answer(b"x" * 1000, True)) == encoding
