"""Digests of what is stored, so that a flipped bit is found where it is read: SQLite itself has no checksums.

What was stored without one, by an older version, is read as it is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any

PARTS = {
    "metrics": "select * from steps where step = ?",
    "train": "select * from samples where step = ? and split = 'train' order by sample",
    "eval": "select * from samples where step = ? and split = 'eval' order by sample",
    "tokens": "select * from token_blocks where step = ?",
}
"""What a step has digests of, and how its rows are read."""

RUN = "select id, preset, config, versions, created, parent, parent_step from run"
"""What never changes in a run's row."""

EVENT = "select id, time, step, kind, payload from events where id = ?"


def digest(rows: Sequence[Sequence[Any]]) -> str:
    """Of rows as SQLite gives them."""
    return hashlib.blake2b(repr([tuple(row) for row in rows]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def check(rows: Sequence[Sequence[Any]], recorded: str, what: str) -> None:
    """Raises `ValueError` where the rows are not those that were stored."""
    if recorded and digest(rows) != recorded:
        raise ValueError(f"{what} not as stored")


def step_rows(connection: sqlite3.Connection, part: str, step: int) -> list[tuple[Any, ...]]:
    """The rows of a step's part, checked."""
    rows = connection.execute(PARTS[part], (step,)).fetchall()
    recorded = connection.execute("select digest from digests where part = ? and step = ?", (part, step)).fetchone()
    check(rows, recorded[0] if recorded else "", f"the {part} of step {step} are")
    return rows


def seal_step(connection: sqlite3.Connection, step: int) -> None:
    """Writes the digests of a step that was just stored."""
    for part, query in PARTS.items():
        rows = connection.execute(query, (step,)).fetchall()
        if rows:
            connection.execute("insert or replace into digests values (?, ?, ?)", (part, step, digest(rows)))


def seal_run(connection: sqlite3.Connection) -> None:
    """Writes the digest of a run's row."""
    connection.execute("update run set digest = ?", (digest(connection.execute(RUN).fetchall()),))


def seal_event(connection: sqlite3.Connection, number: int) -> None:
    """Writes the digest of an event that was just stored."""
    rows = connection.execute(EVENT, (number,)).fetchall()
    connection.execute("update events set digest = ? where id = ?", (digest(rows), number))
