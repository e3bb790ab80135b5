"""The viewers' side of the store. Every call opens, reads and closes; nothing here can hold the trainer up."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..config import Config
from ..errors import StoreError
from ..records import TRAIN, Sample, TokenTable, unpack
from .ownership import Owner
from .schema import DATABASE, ENDED, reading


@dataclass(frozen=True)
class RunInfo:
    """The run's own row. `state` is one of STATES, or `interrupted` where the owner died without ending the run.

    config: what is in force now; start_config: what the run began with; config_version: edits between the two.
    """

    id: str
    name: str
    preset: str
    config: Config
    start_config: Config
    config_version: int
    versions: dict[str, str]
    created: datetime
    state: str
    stage: str
    error: str
    traceback: str
    device: str
    threads: int
    memory_bytes: int
    seconds_per_step: float
    last_step: int
    owner: Owner
    parent: str
    parent_step: int | None
    tags: tuple[str, ...]
    remark: str

    @property
    def alive(self) -> bool:
        """Whether the run still has an owner at work or waiting."""
        return self.state not in (*ENDED, "interrupted")


@dataclass(frozen=True)
class Edit:
    """A change of the configuration: in force from the step after `step` on. changes: field to (old, new)."""

    version: int
    step: int
    changes: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class StepRow:
    """A step's metrics, without its samples and tokens."""

    step: int
    wall_time: datetime
    config_version: int
    metrics: dict[str, float]


class RunReader:
    """Reads one run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def info(self) -> RunInfo:
        """The run's row as it stands."""
        with reading(self.folder) as connection:
            connection.row_factory = sqlite3.Row
            row = connection.execute("select *, coalesce((select max(step) from steps), -1) as last_step from run").fetchone()
            edits = [json.loads(one["payload"]) for one in connection.execute("select payload from events where kind = 'edit' order by id")]
        if row is None:
            raise StoreError(f"{self.folder}: the run was never begun")
        try:
            return self._info(row, edits)
        except (ValueError, KeyError) as error:
            raise StoreError(f"{self.folder}: written by another version of ppo-live, or damaged ({error})") from error

    def _info(self, row: sqlite3.Row, edits: list[dict[str, Any]]) -> RunInfo:
        state, owner = row["state"], Owner(row["owner_pid"], row["owner_started"], row["owner_host"], row["heartbeat"])
        if state not in ENDED and not owner.lives:
            state = "interrupted"
        plain = {
            name: row[name]
            for name in (
                "id",
                "name",
                "preset",
                "stage",
                "error",
                "traceback",
                "device",
                "threads",
                "memory_bytes",
                "seconds_per_step",
                "last_step",
                "parent",
                "parent_step",
                "remark",
            )
        }
        start = json.loads(row["config"])
        return RunInfo(
            **plain,
            state=state,
            owner=owner,
            config=Config(**edited(start, edits)),
            start_config=Config(**start),
            config_version=len(edits),
            tags=tuple(json.loads(row["tags"])),
            versions=json.loads(row["versions"]),
            created=datetime.fromisoformat(row["created"]),
        )

    def edits(self) -> list[Edit]:
        """Every change of the configuration, in order; the first makes version 1."""
        found = [event for event in self.events() if event["kind"] == "edit"]
        return [Edit(number, event["step"], event["payload"]["changes"]) for number, event in enumerate(found, 1)]

    def config_after(self, edits: int) -> Config:
        """The configuration after so many edits; 0 is the one that the run began with."""
        start = self.info().start_config.model_dump()
        return Config(**edited(start, [{"changes": edit.changes} for edit in self.edits()[:edits]]))

    def steps(self, after: int = -1) -> list[StepRow]:
        """The steps after that number, in order."""
        with reading(self.folder) as connection:
            rows = connection.execute("select * from steps where step > ? order by step", (after,)).fetchall()
        return [StepRow(step, datetime.fromisoformat(when), version, metrics_of(metrics)) for step, when, version, metrics in rows]

    def samples(self, step: int, split: str = TRAIN) -> list[Sample]:
        """The step's samples of that split, by their index; empty where there are none."""
        with reading(self.folder) as connection:
            rows = connection.execute("select * from samples where step = ? and split = ? order by sample", (step, split)).fetchall()
        return [_sample(row) for row in rows]

    def steps_with_samples(self, split: str) -> list[int]:
        """The steps that hold samples of that split, in order."""
        with reading(self.folder) as connection:
            rows = connection.execute("select distinct step from samples where split = ? order by step", (split,)).fetchall()
        return [row[0] for row in rows]

    def tokens(self, step: int) -> TokenTable | None:
        """The step's tokens, or None where none are kept. Raises `StoreError` for damaged ones."""
        with reading(self.folder) as connection:
            row = connection.execute("select block from token_blocks where step = ?", (step,)).fetchone()
        try:
            return None if row is None else unpack(row[0])
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise StoreError(f"step {step} of {self.folder.name}: its tokens are damaged ({error}); look at another step") from error

    def steps_with_tokens(self) -> list[int]:
        """The steps whose tokens are kept, in order."""
        with reading(self.folder) as connection:
            return [row[0] for row in connection.execute("select step from token_blocks order by step")]

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """The journal after that event number, in order: id, time, step, kind, payload."""
        with reading(self.folder) as connection:
            rows = connection.execute("select id, time, step, kind, payload from events where id > ? order by id", (after,)).fetchall()
        return [
            {"id": i, "time": when, "step": step, "kind": kind, "payload": json.loads(payload)} for i, when, step, kind, payload in rows
        ]

    def command(self, number: int) -> tuple[str, str]:
        """A command's state (queued, applied, refused) and the reason it was refused."""
        with reading(self.folder) as connection:
            row = connection.execute("select state, reason from commands where id = ?", (number,)).fetchone()
        if row is None:
            raise StoreError(f"{self.folder}: there is no command {number}")
        return str(row[0]), str(row[1])


def metrics_of(text: str) -> dict[str, float]:
    """A step's metrics, as stored: what JSON has no number for is a string there."""
    return {name: float(value) if isinstance(value, str) else value for name, value in json.loads(text).items()}


def edited(start: dict[str, Any], edits: list[dict[str, Any]]) -> dict[str, Any]:
    """A configuration's values after the edits' payloads."""
    values = dict(start)
    for edit in edits:
        values |= {name: new for name, (_, new) in edit["changes"].items()}
    return values


def list_runs(runs: Path) -> list[Path]:
    """The folders of the runs in that folder, newest first; a run's id begins with the time of its start."""
    if not runs.is_dir():
        return []
    return sorted((path.parent for path in runs.glob(f"*/{DATABASE}")), key=lambda folder: folder.name, reverse=True)


def _sample(row: Any) -> Sample:
    _, _, index, query, response, score, parts, length, ended, kl_sum = row
    nan = float("nan")
    return Sample(
        index, query, response, nan if score is None else score, json.loads(parts), length, bool(ended), nan if kl_sum is None else kl_sum
    )
