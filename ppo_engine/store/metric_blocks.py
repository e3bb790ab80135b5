"""The metrics of many steps as columns: a long run's curves are read at once, not one JSON text a step.

The owner writes a block for every 256 steps; later steps, and all steps of a store without blocks, are read
from their rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ..records import pack_table
from .checks import check, is_sealed, seal_part

STEPS_A_BLOCK = 256
Columns = dict[str, np.ndarray[Any, np.dtype[Any]]]
"""By name, all of one length: `step` (int64), `wall_time` (float64, seconds since 1970), and metrics
(float64, NaN where a step lacks one).
"""

_ROWS = (
    "select steps.*, digests.digest from steps left join digests on digests.part = 'metrics' and "
    "digests.step = steps.step where steps.step > ? order by steps.step limit ?"
)

_BLOCKS = (
    "select metric_blocks.*, digests.digest from metric_blocks left join digests "
    "on digests.part = 'blocks' and digests.step = metric_blocks.first where last > ? order by first"
)


def metrics_of(text: str) -> dict[str, float]:
    """A step's metrics, as stored: what JSON has no number for is a string there."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return {name: float(value) if isinstance(value, str) else value for name, value in found.items()}


def checked_rows(connection: sqlite3.Connection, after: int, most: int = -1) -> list[tuple[Any, ...]]:
    """The rows of the later steps (step, wall time, configuration, metrics), each checked."""
    found, sealed = [], is_sealed(connection)
    for *row, recorded in connection.execute(_ROWS, (after, most)).fetchall():
        check([row], recorded, f"the metrics of step {row[0]} are", sealed)
        found.append(tuple(row))
    return found


def read_columns(connection: sqlite3.Connection, after: int, names: Sequence[str]) -> Columns:
    """The later steps as columns, the chosen metrics only."""
    parts, sealed = [], is_sealed(connection)
    for *row, recorded in connection.execute(_BLOCKS, (after,)):
        check([row], recorded, f"the blocks of step {row[0]} are", sealed)
        parts.append(_unpacked(row[2], names))
    last = int(parts[-1]["step"][-1]) if parts else after
    whole = _joined([*parts, _from_rows(checked_rows(connection, last), names)], names)
    later = whole["step"] > after
    return whole if later.all() else {name: column[later] for name, column in whole.items()}


def without_block(connection: sqlite3.Connection) -> int:
    """How many steps no block holds yet."""
    query = "select count(*) from steps where step > coalesce((select max(last) from metric_blocks), -1)"
    return int(connection.execute(query).fetchone()[0])


def write_block(connection: sqlite3.Connection) -> None:
    """Writes the next block, in the transaction of the caller."""
    last = connection.execute("select coalesce(max(last), -1) from metric_blocks").fetchone()[0]
    rows = checked_rows(connection, last, STEPS_A_BLOCK)
    names = sorted({name for row in rows for name in metrics_of(row[3])})
    block = pack_table(pa.table(_from_rows(rows, names)))
    connection.execute("insert into metric_blocks values (?, ?, ?)", (rows[0][0], rows[-1][0], block))
    seal_part(connection, "blocks", rows[0][0])


def _from_rows(rows: Iterable[tuple[Any, ...]], names: Sequence[str]) -> Columns:
    rows = list(rows)
    metrics = [metrics_of(row[3]) for row in rows]
    return {
        "step": np.array([row[0] for row in rows], np.int64),
        "wall_time": np.array([datetime.fromisoformat(row[1]).timestamp() for row in rows], float),
        **{name: np.array([one.get(name, np.nan) for one in metrics], float) for name in names},
    }


def _joined(parts: Sequence[Columns], names: Sequence[str]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in ("step", "wall_time", *names)}


def _unpacked(block: bytes, names: Sequence[str]) -> Columns:
    there = pa.ipc.open_stream(block).schema.names
    wanted = [place for place, name in enumerate(there) if name in ("step", "wall_time", *names)]
    options = pa.ipc.IpcReadOptions(included_fields=wanted)
    table = pa.ipc.open_stream(block, options=options).read_all()
    missing = np.full(len(table), np.nan)
    return {
        name: table[name].to_numpy() if name in there else missing for name in ("step", "wall_time", *names)
    }
