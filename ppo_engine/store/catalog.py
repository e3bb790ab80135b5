"""All runs of a folder at a glance, and what is done to whole runs: summing up, comparing, throwing away."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from ..config import Config
from ..errors import StoreError
from ..formatting import setting
from ..records import EVAL
from . import RunReader, list_runs
from .checks import metrics_row
from .metric_blocks import metrics_of
from .schema import ENDED
from .unchanged import Unchanged

TRASH = ".trash"
"""Deleted runs go here, beside the others; deleting this folder is up to its owner."""


@dataclass(frozen=True)
class Summary:
    """A run in one line. Scores are means over the training batch; NaN before the first step."""

    folder: Path
    id: str
    name: str
    state: str
    preset: str
    reward: str
    created: datetime
    steps: int
    planned: int
    best_score: float
    last_score: float
    held_out: float
    last_kl: float
    parent: str
    parent_step: int | None
    tags: tuple[str, ...]
    remark: str
    size: int


def survey(runs: Path) -> tuple[list[Summary], list[tuple[Path, str]]]:
    """A summary of each run that can be read, newest first, and the folders of the others with the reason."""
    found, damaged = [], []
    for folder in list_runs(runs):
        try:
            found.append(summary(folder))
        except StoreError as error:
            damaged.append((folder, str(error)))
    return found, damaged


def summary(folder: Path, reader: RunReader | None = None) -> Summary:
    """The run so far; `reader` may be a snapshot, see `RunReader.snapshot`. Raises `StoreError`."""
    return replace(_without_size(reader) if reader else glance(folder), size=_size(folder))


def _without_size(reader: RunReader) -> Summary:
    info = reader.info()
    with reader.connection() as connection:
        last = _metrics(connection, "order by step desc")
        best = _metrics(connection, f"where {_SCORE} is not null order by {_SCORE} desc")
        held_out = _held_out(connection, reader)
    return Summary(
        folder=reader.folder,
        id=info.id,
        name=info.name,
        state=info.state,
        preset=info.preset,
        reward=info.config.reward,
        created=info.created,
        steps=max(0, info.last_step),
        planned=info.config.steps,
        best_score=best.get("env/reward_mean", math.nan),
        last_score=last.get("env/reward_mean", math.nan),
        held_out=held_out,
        last_kl=last.get("objective/kl", math.nan),
        parent=info.parent,
        parent_step=info.parent_step,
        tags=info.tags,
        remark=info.remark,
        size=0,
    )


def _at_one_moment(folder: Path) -> Summary:
    with RunReader(folder).snapshot() as reader:
        return _without_size(reader)


glance = Unchanged(_at_one_moment, lambda one: one.state in ENDED, most=10_000)
"""A run's summary with size 0: checkpoints come and go without a change of its file. An ended run is read
again only when that has changed. Raises `StoreError`.
"""

_SCORE = """json_extract(metrics, '$."env/reward_mean"')"""


def _held_out(connection: sqlite3.Connection, reader: RunReader) -> float:
    """The mean score of the newest evaluation, of a step or, where a run was stopped, after its last one."""
    late = [event for event in reader.events() if event.kind == "evaluation"]
    row = metrics_row(
        connection, "where json_extract(metrics, ?) is not null order by step desc", '$."eval/reward_mean"'
    )
    if late and (row is None or late[-1].step > row[0]):
        return float(late[-1].payload["metrics"]["eval/reward_mean"])
    return math.nan if row is None else float(metrics_of(row[3])["eval/reward_mean"])


def _metrics(connection: sqlite3.Connection, which: str) -> dict[str, float]:
    """The metrics of the first step by that SQL; empty before the first step."""
    row = metrics_row(connection, which)
    return {} if row is None else metrics_of(row[3])


def _size(folder: Path) -> int:
    """Bytes of all its files; those that vanish meanwhile, as old checkpoints do, count nothing."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(inside, name)).st_size
    return total


def differences(folders: Sequence[Path]) -> dict[str, list[str]]:
    """The settings that differ between the runs at any time, in words: "0.95, after step 30: 0.5"."""
    courses = [_courses(RunReader(folder)) for folder in folders]
    found = {name: [course[name] for course in courses] for name in Config.model_fields}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def _courses(reader: RunReader) -> dict[str, str]:
    """Each setting's value at a run's beginning, and what it was changed to after which step."""
    words = {name: setting(value) for name, value in reader.info().start_config}
    for edit in reader.edits():
        for name, (_, new) in edit.changes.items():
            words[name] += f", after step {max(0, edit.step)}: {setting(new)}"
    return words


def same_prompts(folders: Sequence[Path]) -> pd.DataFrame:
    """Held-out openings that all the runs continued at their last evaluation: a row an opening, columns
    query, then (response, score) of each run by its place in `folders`.
    """
    tables = []
    for place, folder in enumerate(folders):
        reader = RunReader(folder)
        steps = reader.steps_with_samples(EVAL)
        samples = reader.samples(steps[-1], EVAL) if steps else []
        columns = {
            "query": [one.query for one in samples],
            f"response {place}": [one.response for one in samples],
        }
        tables.append(
            pd.DataFrame({**columns, f"score {place}": [one.score for one in samples]}).drop_duplicates(
                "query"
            )
        )
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.merge(table, on="query")
    return joined


def branches_of(run: Summary, among: Sequence[Summary]) -> list[str]:
    """The names of the runs that branched from that one."""
    return [one.name for one in among if one.parent == run.id]


def move_to_trash(folder: Path) -> Path:
    """Moves a run into the trash folder beside it; returns its new path. Raises `StoreError`."""
    info = RunReader(folder).info()
    if info.alive:
        raise StoreError(f"{info.name} is running; stop it first")
    trash = folder.parent / TRASH
    target = trash / folder.name
    try:
        trash.mkdir(exist_ok=True)
        folder.rename(target)
    except OSError as error:
        raise StoreError(
            f"{folder}: could not be moved to {trash} ({error.strerror}); check the permissions"
        ) from error
    return target


def list_trash(runs: Path) -> list[Path]:
    """The runs in the trash folder, newest first."""
    return list_runs(runs / TRASH)


def restore_from_trash(folder: Path) -> Path:
    """Moves a run out of the trash folder to where it was; returns where it is now. Raises `StoreError`."""
    target = folder.parent.parent / folder.name
    try:
        folder.rename(target)
    except OSError as error:
        raise StoreError(
            f"{folder}: could not be moved to {target.parent} ({error.strerror}); check the permissions"
        ) from error
    return target
