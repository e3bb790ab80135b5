"""The viewers' side of the store. Every call opens, reads and closes; none holds up the trainer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..config import Config
from ..errors import StoreError
from ..records import TRAIN, Sample, TokenTable, unpack
from .checks import RUN, check, check_journal, is_sealed, metrics_row, step_rows
from .metric_blocks import Columns, checked_rows, metrics_of, read_columns
from .ownership import Owner, owns
from .rows import Edit, Event, RunInfo, StepRow
from .schema import DATABASE, ENDED, EVENTS, STATES, or_damaged, reading


class RunReader:
    """Reads one run's folder. Whatever is damaged in it, nothing but `StoreError` is raised."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._snapshot: sqlite3.Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[RunReader]:
        """A reader whose calls all see the same moment, for an export; hold it for seconds only."""
        with reading(self.folder) as connection:
            connection.execute("begin")
            frozen = RunReader(self.folder)
            frozen._snapshot = connection
            yield frozen

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one read; whatever that runs into is raised as `StoreError`."""
        if self._snapshot is None:
            with reading(self.folder) as connection:
                yield connection
        else:
            with or_damaged(self.folder):
                yield self._snapshot

    def info(self) -> RunInfo:
        """The run's row as it stands."""
        with self.connection() as connection:
            cursor = connection.execute("select * from run")
            names, row = [column[0] for column in cursor.description], cursor.fetchone()
            if row is None:
                raise StoreError(f"{self.folder}: the run has no data; delete the folder")
            last = metrics_row(connection, "order by step desc")
            columns = {**dict(zip(names, row, strict=True)), "last_step": last[0] if last else -1}
            check(connection.execute(RUN).fetchall(), columns["digest"], "its configuration is")
            edits = [event.payload for event in self._edits(connection)]
            return self._info(columns, edits)

    def _info(self, row: dict[str, Any], edits: list[dict[str, Any]]) -> RunInfo:
        state, owner = (
            row["state"],
            Owner(row["owner_pid"], row["owner_started"], row["owner_host"], row["heartbeat"]),
        )
        if state not in STATES:
            raise ValueError(f"state {state!r}")
        if state not in ENDED and not (
            owner.lives and owns(owner, row["owner_file"], self.folder / DATABASE)
        ):
            state = "interrupted"
        here = self.folder.resolve().name
        copied = row["id"] != here
        suffix = f" ({here})" if copied and not row["name"].endswith(f" ({here})") else ""
        values = json.loads(row["config"])
        start = Config(**values)
        return RunInfo(
            **{name: kind(row[name]) for name, kind in _PLAIN.items()},
            id=here,
            name=row["name"] + suffix,
            copy_of=row["id"] if copied else "",
            state=state,
            owner=owner,
            config=Config(**edited(values, edits)) if edits else start,
            start_config=start,
            config_version=len(edits),
            parent_step=None if row["parent_step"] is None else int(row["parent_step"]),
            tags=tuple(map(str, json.loads(row["tags"]))),
            versions=_words(row["versions"]),
            fingerprints=_words(row["fingerprints"]),
            machine=_words(row["machine"]),
            created=datetime.fromisoformat(row["created"]),
        )

    def changed_sources(self) -> dict[str, str]:
        """Which models and data differ from the run's first ones, and how, while a decision is awaited."""
        with self.connection() as connection:
            return _words(connection.execute("select changed from run").fetchone()[0])

    def fingerprints(self, after: int | None = None) -> dict[str, str]:
        """Those in force after that step (None: the last): the first ones, or others accepted since."""
        found = dict(self.info().fingerprints)
        for event in self.events():
            if event.kind == "accepted" and (after is None or event.step <= after):
                found |= event.payload["fingerprints"]
        return found

    def edits(self) -> list[Edit]:
        """Every change of the configuration, in order; the first makes version 1."""
        with self.connection() as connection:
            return [
                Edit(
                    number,
                    event.step,
                    {name: (old, new) for name, (old, new) in event.payload["changes"].items()},
                )
                for number, event in enumerate(self._edits(connection), 1)
            ]

    def config_after(self, edits: int) -> Config:
        """The configuration after so many edits; 0 is the one that the run began with."""
        start = self.info().start_config.model_dump()
        return Config(**edited(start, [{"changes": edit.changes} for edit in self.edits()[:edits]]))

    def steps(self, after: int = -1, late_evaluations: bool = True) -> list[StepRow]:
        """The later steps, in order, each with its evaluation even if that was stored later."""
        with self.connection() as connection:
            late = self._late_evaluations(connection, after) if late_evaluations else {}
            return [
                StepRow(
                    int(step),
                    datetime.fromisoformat(when),
                    int(version),
                    metrics_of(metrics) | late.get(int(step), {}),
                )
                for step, when, version, metrics in checked_rows(connection, after)
            ]

    def step(self, step: int) -> StepRow:
        """One step's metrics. Raises `StoreError` where it is not recorded."""
        with self.connection() as connection:
            row = metrics_row(connection, "where step = ?", step)
            if row is None:
                raise StoreError(f"{self.folder}: step {step} is not recorded")
            late = self._late_evaluations(connection, step - 1).get(step, {})
            return StepRow(step, datetime.fromisoformat(row[1]), int(row[2]), metrics_of(row[3]) | late)

    def columns(self, names: Sequence[str], after: int = -1) -> Columns:
        """The later steps' metrics as columns: `step`, `wall_time` and those names."""
        with self.connection() as connection:
            found = read_columns(connection, after, names)
            late = self._late_evaluations(connection, after)
        for step, metrics in late.items():
            for name in set(names) & set(metrics):
                found[name] = np.where(found["step"] == step, metrics[name], found[name])
        return found

    def _late_evaluations(self, connection: sqlite3.Connection, after: int) -> dict[int, dict[str, float]]:
        """What was journalled of steps that had been recorded without an evaluation."""
        late = self._events(connection, "kind = 'evaluation' and step > ?", after)
        return {event.step: event.payload["metrics"] for event in late}

    def samples(self, step: int, split: str = TRAIN) -> list[Sample]:
        """The step's samples of that split, by their index; empty where there are none."""
        with self.connection() as connection:
            return [_sample(row) for row in step_rows(connection, split, step)]

    def steps_with_samples(self, split: str) -> list[int]:
        """The steps that hold samples of that split, in order."""
        with self.connection() as connection:
            query = "select distinct step from samples where split = ? order by step"
            return _steps(connection, split, query, split)

    def tokens(self, step: int) -> TokenTable | None:
        """The step's tokens, or None where none are kept. Raises `StoreError` for damaged ones."""
        with self.connection() as connection:
            try:
                rows = step_rows(connection, "tokens", step)
                return unpack(rows[0][1]) if rows else None
            except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
                raise StoreError(
                    f"step {step} of {self.folder.name}: damaged tokens ({error}); choose another step"
                ) from error

    def steps_with_tokens(self) -> list[int]:
        """The steps whose tokens are kept, in order."""
        with self.connection() as connection:
            return _steps(connection, "tokens", "select step from token_blocks order by step")

    def events(self, after: int = 0) -> list[Event]:
        """The journal after that event number, in order."""
        with self.connection() as connection:
            return self._events(connection, "id > ?", after)

    def _events(self, connection: sqlite3.Connection, where: str, *values: Any) -> list[Event]:
        rows = connection.execute(
            f"select id, time, step, kind, payload, digest from events where {where} order by id", values
        )
        found, sealed = [], is_sealed(connection)
        check_journal(connection)
        for *row, recorded in rows.fetchall():
            check([row], recorded, f"event {row[0]} is", sealed)
            number, when, step, kind, payload = row
            found.append(Event(number, str(when), int(step), str(kind), _mapping(payload)))
        return found

    def _edits(self, connection: sqlite3.Connection) -> list[Event]:
        """The journal's edits. Unknown kinds are checked too: a damaged one may have been an edit."""
        known = ", ".join(f"'{kind}'" for kind in EVENTS if kind != "edit")
        return [event for event in self._events(connection, f"kind not in ({known})") if event.kind == "edit"]

    def command(self, number: int) -> tuple[str, str]:
        """A command's state (queued, applied, refused) and the reason it was refused."""
        with self.connection() as connection:
            row = connection.execute("select state, reason from commands where id = ?", (number,)).fetchone()
        if row is None:
            raise StoreError(f"{self.folder}: no such command: {number}")
        return str(row[0]), str(row[1])


_PLAIN: dict[str, type] = {
    "preset": str,
    "stage": str,
    "error": str,
    "traceback": str,
    "device": str,
    "threads": int,
    "memory_bytes": int,
    "seconds_per_step": float,
    "last_step": int,
    "parent": str,
    "remark": str,
}
"""Columns of the run's row that are read as they are."""


def _mapping(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _words(text: str) -> dict[str, str]:
    return {name: str(value) for name, value in _mapping(text).items()}


def _steps(connection: sqlite3.Connection, part: str, query: str, *values: Any) -> list[int]:
    """The steps that have such a part: those with a digest of it, where each has one, so that a long run's
    table is not walked through.
    """
    if is_sealed(connection):
        query, values = "select step from digests where part = ? order by step", (part,)
    return [int(row[0]) for row in connection.execute(query, values).fetchall()]


def edited(start: dict[str, Any], edits: list[dict[str, Any]]) -> dict[str, Any]:
    """A configuration's values after the edits' payloads."""
    values = dict(start)
    for edit in edits:
        values |= {name: new for name, (_, new) in edit["changes"].items()}
    return values


def list_runs(runs: Path) -> list[Path]:
    """The runs' folders, damaged ones too, newest first: an id begins with its start time."""
    try:
        return sorted(
            (path.parent for path in runs.glob(f"*/{DATABASE}")), key=lambda folder: folder.name, reverse=True
        )
    except OSError as error:
        raise StoreError(
            f"{runs}: the runs folder could not be read ({error.strerror}); check its permissions"
        ) from error


def _sample(row: Any) -> Sample:
    _, _, index, query, response, score, parts, length, ended, kl_sum = row
    nan = float("nan")
    return Sample(
        index,
        query,
        response,
        nan if score is None else score,
        json.loads(parts),
        length,
        bool(ended),
        nan if kl_sum is None else kl_sum,
    )
