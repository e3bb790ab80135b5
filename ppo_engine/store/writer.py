"""The owner's side of the store: it creates the run, commits steps, and takes commands."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from ..config import Config
from ..errors import ConfigError, StoreError
from ..records import EVAL, TRAIN, Sample, StepRecord, pack
from .schema import COMMANDS, DATABASE, ENDED, SCHEMA_VERSION, TABLES, connect, reading

_RESERVE = "reserve"
_RESERVE_BYTES = 256 * 1024
_PATIENCE_TO_CLOSE_S = 1.0
_PACKAGES = ("torch", "transformers", "accelerate", "streamlit")


class RunStore:
    """Writes one run. Made by `create`; used by the run's owner alone, from one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection = connect(folder, read_only=False)
        self._connection.execute("pragma journal_mode = wal")
        # In WAL mode this survives the death of the process, at any moment; only a power cut can take the last commits back.
        self._connection.execute("pragma synchronous = normal")

    @classmethod
    def create(cls, folder: Path, run_id: str, name: str, preset: str, config: Config) -> RunStore:
        """Makes the folder, which must not exist yet, and the run's tables in it, in the state loading."""
        try:
            folder.mkdir(parents=True)
            # Given back when the disk is full, so that the reason can still be written.
            (folder / _RESERVE).write_bytes(os.urandom(_RESERVE_BYTES))
            _make_database(folder, run_id, name, preset, config)
            return cls(folder)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{folder}: the run cannot be stored here ({error}). Choose another runs folder, or free some space"
            ) from error

    def record(self, record: StepRecord) -> None:
        """Commits a step whole: metrics, samples and tokens. After this returns, a killed process does not lose it."""
        with self._transaction() as connection:
            connection.execute(
                "insert into steps values (?, ?, ?, ?)",
                (record.step, record.wall_time.isoformat(), record.config_version, json.dumps(dict(record.metrics))),
            )
            for split, samples in ((TRAIN, record.samples), (EVAL, record.eval_samples)):
                connection.executemany(
                    "insert into samples values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [_sample_row(record.step, split, sample) for sample in samples],
                )
            if record.tokens is not None:
                connection.execute("insert into token_blocks values (?, ?)", (record.step, pack(record.tokens)))
            connection.execute("update run set heartbeat = ?", (time.time(),))

    def update_run(self, **fields: Any) -> None:
        """Sets columns of the run's row, the heartbeat with them."""
        fields["heartbeat"] = time.time()
        assignments = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction() as connection:
            connection.execute(f"update run set {assignments}", tuple(fields.values()))

    def enter_state(self, state: str, step: int, **fields: Any) -> None:
        """Changes the run's state and journals the change."""
        with self._transaction() as connection:
            assignments = "".join(f", {name} = ?" for name in fields)
            connection.execute(f"update run set state = ?, heartbeat = ?{assignments}", (state, time.time(), *fields.values()))
            _insert_event(connection, step, "state", {"state": state, **fields})

    def event(self, step: int, kind: str, payload: Mapping[str, Any]) -> None:
        """Adds an event to the journal."""
        with self._transaction() as connection:
            _insert_event(connection, step, kind, payload)

    def queued(self) -> Sequence[tuple[int, str, dict[str, Any]]]:
        """The commands that wait, oldest first: id, kind, payload."""
        rows = self._connection.execute("select id, kind, payload from commands where state = 'queued' order by id").fetchall()
        return [(number, kind, json.loads(payload)) for number, kind, payload in rows]

    def settle(self, command: int, refusal: str, step: int) -> None:
        """Marks a command applied, or refused where `refusal` gives a reason."""
        with self._transaction() as connection:
            connection.execute(
                "update commands set state = ?, reason = ?, step = ? where id = ?",
                ("refused" if refusal else "applied", refusal, step, command),
            )

    def free_reserve(self) -> None:
        """Gives back the space kept for the last words of a run whose disk is full."""
        with suppress(OSError):
            (self.folder / _RESERVE).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends writing. The journal goes back into the file, so that the run opens from a read-only folder too."""
        self.free_reserve()
        self._connection.execute("pragma busy_timeout = 20")
        give_up = time.monotonic() + _PATIENCE_TO_CLOSE_S
        while time.monotonic() < give_up:
            try:
                self._connection.execute("pragma journal_mode = delete")
                break
            except sqlite3.OperationalError:
                time.sleep(0.02)  # a reader is in the middle of a call; one that stays leaves the run readable as it is
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
        except sqlite3.Error as error:
            hint = "free some space on that disk" if "full" in str(error) else "look whether the folder is still there and writable"
            raise StoreError(f"{self.folder}: the run cannot be written ({error}); {hint}. What was stored before is kept") from error


def _make_database(folder: Path, run_id: str, name: str, preset: str, config: Config) -> None:
    """The tables and the run's row, made aside and moved into place, so that nobody ever sees half a run."""
    aside = folder / f"{DATABASE}.new"
    with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
        connection.executescript(f"begin; {TABLES} pragma user_version = {SCHEMA_VERSION}; commit;")
        connection.execute(
            "insert into run (id, name, preset, config, versions, created, state, stage, owner_pid, owner_started, heartbeat) "
            "values (?, ?, ?, ?, ?, ?, 'loading', 'starting', ?, ?, ?)",
            (
                run_id,
                name,
                preset,
                config.model_dump_json(),
                json.dumps(_versions()),
                _now(),
                os.getpid(),
                psutil.Process().create_time(),
                time.time(),
            ),
        )
    aside.rename(folder / DATABASE)


def submit(folder: Path, kind: str, issuer: str, **payload: Any) -> int:
    """Asks the run's owner for something; returns the command's number. Refused here if it can never be obeyed."""
    if kind not in COMMANDS:
        raise ConfigError([f"command = {kind}: must be one of {', '.join(COMMANDS)}"])
    with reading(folder) as connection:
        state = connection.execute("select state from run").fetchone()[0]
    if state in ENDED:
        raise StoreError(f"{kind}: the run has {state}; start a new one")
    try:
        with closing(connect(folder, read_only=False)) as connection:
            cursor = connection.execute(
                "insert into commands (time, issuer, kind, payload) values (?, ?, ?, ?)", (_now(), issuer, kind, json.dumps(payload))
            )
            return int(cursor.lastrowid or 0)
    except sqlite3.Error as error:
        raise StoreError(f"{folder}: the command {kind} cannot be written ({error})") from error


def _insert_event(connection: sqlite3.Connection, step: int, kind: str, payload: Mapping[str, Any]) -> None:
    connection.execute("insert into events (time, step, kind, payload) values (?, ?, ?, ?)", (_now(), step, kind, json.dumps(payload)))


def _sample_row(step: int, split: str, sample: Sample) -> tuple[Any, ...]:
    row = {**asdict(sample), "score_parts": json.dumps(dict(sample.score_parts))}
    return (step, split, *row.values())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat()
