"""Rows as they go into a run's database, and the database itself."""

from __future__ import annotations

import json
import math
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..config import Config
from ..files import written_aside
from ..metrics import DEFINITIONS, METRICS_VERSION
from ..records import Sample
from .checks import seal_event, seal_run, seal_schema
from .ownership import myself
from .schema import DATABASE, SCHEMA_VERSION, TABLES

_PACKAGES = ("torch", "transformers", "accelerate", "streamlit")


def make_database(folder: Path, config: Config, columns: Mapping[str, Any]) -> None:
    """The tables and the run's row, made aside and moved into place, so that nobody ever sees half a run."""
    with (
        written_aside(folder / DATABASE) as aside,
        closing(sqlite3.connect(aside, isolation_level=None)) as connection,
    ):
        connection.executescript(f"begin; {TABLES} pragma user_version = {SCHEMA_VERSION}; commit;")
        row = {
            **columns,
            "config": config.model_dump_json(),
            "versions": json.dumps(_versions()),
            "created": now(),
            "state": "loading",
            "stage": "starting",
            **myself(aside),
        }
        connection.execute(
            f"insert into run ({', '.join(row)}) values ({', '.join('?' * len(row))})", tuple(row.values())
        )
        seal_run(connection)
        seal_schema(connection)


def insert_event(connection: sqlite3.Connection, step: int, kind: str, payload: Mapping[str, Any]) -> None:
    """Adds a line to the journal."""
    row = now(), step, kind, json.dumps(payload)
    seal_event(
        connection,
        connection.execute(
            "insert into events (time, step, kind, payload) values (?, ?, ?, ?)", row
        ).lastrowid
        or 0,
    )


def refuse_queued(connection: sqlite3.Connection, step: int, reason: str) -> None:
    connection.execute(
        "update commands set state = 'refused', reason = ?, step = ? where state = 'queued'", (reason, step)
    )


def as_json(metrics: Mapping[str, float]) -> str:
    """JSON has no NaN, and SQLite refuses to look into a text that has one."""
    return json.dumps(
        {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    )


def insert_samples(connection: sqlite3.Connection, step: int, split: str, samples: Sequence[Sample]) -> None:
    rows = [_sample_row(step, split, sample) for sample in samples]
    connection.executemany("insert into samples values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _sample_row(step: int, split: str, sample: Sample) -> tuple[Any, ...]:
    row = {**asdict(sample), "score_parts": json.dumps(dict(sample.score_parts))}
    return (step, split, *row.values())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), DEFINITIONS: METRICS_VERSION}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time as the store writes it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
