"""The store's tables, and how a connection to them is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import StoreError

DATABASE = "run.sqlite"
SCHEMA_VERSION = 1

STATES = ("loading", "running", "paused", "finished", "stopped", "failed")
ENDED = ("finished", "stopped", "failed")
COMMANDS = ("pause", "resume", "step", "stop", "speed")

TABLES = """
create table run (
    id text primary key, name text not null, preset text not null,
    config text not null,          -- JSON: the configuration at the start
    versions text not null,        -- JSON: of python and the packages that matter
    created text not null,         -- ISO 8601, UTC
    state text not null,           -- one of STATES
    stage text not null,           -- what is being loaded, or the phase of the step under way
    error text not null default '', traceback text not null default '',
    device text not null default '', threads integer not null default 0,
    memory_bytes integer not null default 0,
    seconds_per_step real not null default 0,  -- the least time a step may take, 0 is full speed
    owner_pid integer not null, owner_started real not null, heartbeat real not null  -- seconds since 1970
);
create table steps (
    step integer primary key, wall_time text not null, config_version integer not null,
    metrics text not null          -- JSON: name to number
);
create table samples (
    step integer not null, split text not null,  -- train or eval
    sample integer not null, query text not null, response text not null, score real, score_parts text not null,
    response_length integer not null, ended_by_eos integer not null, kl_sum real,
    primary key (step, split, sample)
) without rowid;
create table token_blocks (
    step integer primary key, block blob not null  -- an Arrow stream, zstd, see records.TokenTable
);
create table events (
    id integer primary key, time text not null, step integer not null,
    kind text not null, payload text not null    -- state, error, edit, checkpoint, note; JSON
);
create table commands (
    id integer primary key, time text not null, issuer text not null,
    kind text not null, payload text not null,   -- one of COMMANDS; JSON
    state text not null default 'queued',        -- queued, applied, refused
    reason text not null default '', step integer
);
create table jobs (
    id integer primary key, time text not null, kind text not null, payload text not null,
    state text not null default 'queued', result blob
);
"""

PATIENCE_S = 10.0
"""How long a connection waits for another's lock."""


def connect(folder: Path, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode. Raises `StoreError` where there is no store, or one of a newer version."""
    path = folder / DATABASE
    if not path.is_file():
        raise StoreError(f"{folder}: there is no run here (no {DATABASE}); give a run's folder")
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
    )
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        connection.close()
        raise StoreError(f"{path}: written by a newer version (schema {version}; this one reads up to {SCHEMA_VERSION}): update ppo-live")
    return connection


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection for one call, so that no reader ever holds a transaction open."""
    try:
        with closing(connect(folder, read_only=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{folder / DATABASE}: cannot be read ({error})") from error
