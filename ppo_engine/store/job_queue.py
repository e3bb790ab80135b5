"""Jobs need a run's models but leave the run unchanged. Anyone asks; its owner or a worker answers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .inserts import now
from .requests import writing
from .schema import reading


@dataclass(frozen=True)
class Job:
    """A question. state: queued, working, done or failed; result: the answer, or {"error": message}."""

    number: int
    kind: str
    payload: dict[str, Any]
    state: str
    result: dict[str, Any] | None


def ask_job(folder: Path, kind: str, payload: dict[str, Any]) -> int:
    """Puts a question; returns the job's number."""
    with writing(folder) as connection:
        row = now(), kind, json.dumps(payload)
        cursor = connection.execute("insert into jobs (time, kind, payload) values (?, ?, ?)", row)
        return int(cursor.lastrowid or 0)


def take_job(folder: Path) -> Job | None:
    """The oldest job that waits, now this process's; None where there is none. One that cannot be read fails,
    so that it holds up no other.
    """
    with writing(folder) as connection:
        while (row := connection.execute(_TAKE).fetchone()) is not None:
            try:
                return _job(row)
            except (ValueError, TypeError) as error:
                _finish(connection, row[0], {"error": f"the request is damaged ({error})"})
    return None


_TAKE = (
    "update jobs set state = 'working' where id = (select min(id) from jobs where state = 'queued') "
    "returning id, kind, payload, state, result"
)


def finish_job(folder: Path, number: int, result: Mapping[str, Any]) -> None:
    """Stores the answer; one with an `error` counts as failed."""
    with writing(folder) as connection:
        _finish(connection, number, result)


def _finish(connection: sqlite3.Connection, number: int, result: Mapping[str, Any]) -> None:
    values = "failed" if "error" in result else "done", json.dumps(result).encode(), number
    connection.execute("update jobs set state = ?, result = ? where id = ?", values)


def requeue_jobs(folder: Path) -> None:
    """Puts back what a process had taken that died."""
    with writing(folder) as connection:
        connection.execute("update jobs set state = 'queued' where state = 'working'")


def read_job(folder: Path, number: int) -> Job:
    """A job and its answer."""
    with reading(folder) as connection:
        row = connection.execute(
            "select id, kind, payload, state, result from jobs where id = ?", (number,)
        ).fetchone()
        if row is None:
            raise StoreError(f"{folder.name}: no such job: {number}")
        return _job(row)


def newest_job(folder: Path, kind: str) -> int | None:
    """The number of the last job of that kind that was answered; None where there is none."""
    with reading(folder) as connection:
        done = "select max(id) from jobs where kind = ? and state = 'done'"
        row = connection.execute(done, (kind,)).fetchone()
    return None if row[0] is None else int(row[0])


def _job(row: tuple[Any, ...]) -> Job:
    number, kind, payload, state, result = row
    return Job(number, kind, json.loads(payload), state, None if result is None else json.loads(result))
