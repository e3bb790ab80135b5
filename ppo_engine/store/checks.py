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
    "blocks": "select * from metric_blocks where first = ?",
}
"""What has digests, by step, and how its rows are read. A block's step is its first."""

RUN = "select id, preset, config, versions, created, parent, parent_step from run"
"""What never changes in a run's row."""

SCHEMA = "select type, name, tbl_name, sql from sqlite_master order by name"
"""A bit in the definition of a table can make all of its rows unseen."""

EVENT = "select id, time, step, kind, payload from events where id = ?"


def digest(rows: Sequence[Sequence[Any]]) -> str:
    """Of rows as SQLite gives them."""
    return hashlib.blake2b(
        repr([tuple(row) for row in rows]).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def check(rows: Sequence[Sequence[Any]], recorded: str | None, what: str, sealed: bool = False) -> None:
    """Raises `ValueError` for rows that changed since. sealed: everything in this store has a digest."""
    if (sealed and not recorded) or (recorded and digest(rows) != recorded):
        raise ValueError(f"{what} corrupted")


def is_sealed(connection: sqlite3.Connection) -> bool:
    """Whether this store has had digests from its beginning."""
    return bool(connection.execute("select digest != '' from run").fetchone()[0])


def step_rows(connection: sqlite3.Connection, part: str, step: int) -> list[tuple[Any, ...]]:
    """The rows of a step's part, checked."""
    # One statement, so that rows and digest are of one moment: the owner may be deleting both.
    found = connection.execute(
        f"select *, (select digest from digests where part = ? and step = ?) from ({PARTS[part]})",
        (part, step, step),
    ).fetchall()
    rows = [row[:-1] for row in found]
    if rows:
        check(rows, found[0][-1], f"the {part} of step {step} are", is_sealed(connection))
    return rows


def metrics_row(connection: sqlite3.Connection, which: str, *values: Any) -> tuple[Any, ...] | None:
    """The first row of the table of steps by that SQL (where, order), checked; None where there is none."""
    rows = connection.execute(f"select step from steps {which} limit 1", values).fetchall()
    return step_rows(connection, "metrics", rows[0][0])[0] if rows else None


def seal_step(connection: sqlite3.Connection, step: int) -> None:
    """Writes the digests of a step that was just stored."""
    for part in PARTS:
        seal_part(connection, part, step)


def seal_part(connection: sqlite3.Connection, part: str, step: int) -> None:
    """Writes the digest of what was just stored of a step, if there is any."""
    if rows := connection.execute(PARTS[part], (step,)).fetchall():
        connection.execute("insert or replace into digests values (?, ?, ?)", (part, step, digest(rows)))


def seal_run(connection: sqlite3.Connection) -> None:
    """Writes the digest of a run's row."""
    connection.execute("update run set digest = ?", (digest(connection.execute(RUN).fetchall()),))


def seal_schema(connection: sqlite3.Connection) -> None:
    """Writes the digest of the tables' definitions."""
    connection.execute(
        "insert or replace into digests values ('schema', 0, ?)",
        (digest(connection.execute(SCHEMA).fetchall()),),
    )


def check_schema(connection: sqlite3.Connection) -> None:
    """Raises `ValueError` where the tables are not defined as they were."""
    recorded = connection.execute("select digest from digests where part = 'schema'").fetchone()
    check(connection.execute(SCHEMA).fetchall(), recorded and recorded[0], "its tables are")


def seal_event(connection: sqlite3.Connection, number: int) -> None:
    """Writes the digest of a new event, and how many events there are, so that a lost one is noticed."""
    rows = connection.execute(EVENT, (number,)).fetchall()
    connection.execute("update events set digest = ? where id = ?", (digest(rows), number))
    connection.execute("insert or replace into digests select 'events', 0, count(*) from events")


def check_journal(connection: sqlite3.Connection) -> None:
    """Raises `ValueError` where events are missing."""
    # One statement, so that both are of one moment: the owner may be adding to it.
    there, recorded = connection.execute(
        "select (select count(*) from events), (select digest from digests where part = 'events')"
    ).fetchone()
    if is_sealed(connection) and there != int(recorded or 0):
        raise ValueError(f"its journal has {there} events, but {recorded or 0} were written")
