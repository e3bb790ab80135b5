"""The store's tables, and how a connection to them is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import StoreError
from .checks import check_schema, seal_schema

DATABASE = "run.sqlite"
SCHEMA_VERSION = 4

STATES = ("loading", "running", "paused", "finished", "stopped", "failed")
ENDED = ("finished", "stopped", "failed")
EVENTS = (
    "state",
    "error",
    "edit",
    "checkpoint",
    "note",
    "branch",
    "difference",
    "remark",
    "accepted",
    "evaluation",
)
COMMANDS = ("pause", "resume", "step", "stop", "speed", "edit", "checkpoint")

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
    owner_pid integer not null, owner_started real not null,  -- see ownership.py
    heartbeat real not null,       -- seconds since 1970
    owner_host text not null default '',
    parent text not null default '', parent_step integer,  -- of a branch: the run it left, after which step
    tags text not null default '[]', remark text not null default '', -- what people wrote; tags: a JSON list
    owner_file text not null default '',          -- which file the owner opened, which a copy is not
    fingerprints text not null default '{}',      -- JSON: of the models and data that the run began with
    machine text not null default '{}',           -- JSON: what else decides the last digits, at first
    changed text not null default '{}',           -- JSON: which were found changed, until accepted
    digest text not null default ''               -- of what never changes in this row; see checks.py
);
create table steps (
    step integer primary key, wall_time text not null, config_version integer not null,
    metrics text not null          -- JSON: name to number
);
create table samples (
    step integer not null, split text not null,  -- train or eval
    sample integer not null, query text not null, response text not null, score real,
    score_parts text not null,
    response_length integer not null, ended_by_eos integer not null, kl_sum real,
    primary key (step, split, sample)
) without rowid;
create table metric_blocks (
    first integer primary key, last integer not null,  -- the steps that it holds
    block blob not null            -- an Arrow stream, zstd, see metric_blocks.py: what steps has
);
create table token_blocks (
    step integer primary key, block blob not null  -- an Arrow stream, zstd, see records.TokenTable
);
create table events (
    id integer primary key, time text not null, step integer not null, digest text not null default '',
    kind text not null, payload text not null    -- one of EVENTS; JSON
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
create table digests (
    part text not null, step integer not null,   -- metrics, train, eval, tokens of a step, block; checks.py
    digest text not null, primary key (part, step)
) without rowid;
"""

MIGRATIONS = {
    1: (
        """
alter table run add column owner_host text not null default '';
alter table run add column parent text not null default '';
alter table run add column parent_step integer;
alter table run add column tags text not null default '[]';
alter table run add column remark text not null default '';
"""
    ),
    2: (
        """
alter table run add column owner_file text not null default '';
alter table run add column fingerprints text not null default '{}';
alter table run add column machine text not null default '{}';
alter table run add column changed text not null default '{}';
alter table run add column digest text not null default '';
alter table events add column digest text not null default '';
create table digests (
    part text not null, step integer not null, digest text not null, primary key (part, step)
) without rowid;
"""
    ),
    3: (
        """
create table metric_blocks (first integer primary key, last integer not null, block blob not null);
"""
    ),
}
"""What brings a store of that version to the next."""

PATIENCE_S = 10.0
"""How long a connection waits for another's lock."""


def connect(folder: Path, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode; an older store is migrated. Raises `StoreError`."""
    path = folder / DATABASE
    if not path.is_file():
        raise StoreError(f"{folder}: not a run folder (no {DATABASE}); give the path of a run")
    connection = _open(path, read_only)
    try:
        version = connection.execute("pragma user_version").fetchone()[0]
        if not 1 <= version <= SCHEMA_VERSION:
            raise StoreError(_foreign(path, version))
        if version < SCHEMA_VERSION:
            # another program's database is left as it is
            connection.execute("select id, owner_pid, heartbeat from run")
            return _migrated(connection, path, read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _foreign(path: Path, version: int) -> str:
    if version < 1:
        return f"{path}: not a run's database, or damaged; move its folder elsewhere"
    supported = f"schema {version}, supported up to {SCHEMA_VERSION}"
    return f"{path}: written by a newer version ({supported}); update ppo-live"


def _open(path: Path, read_only: bool) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    return sqlite3.connect(
        address, uri=True, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
    )


def _migrated(old: sqlite3.Connection, path: Path, read_only: bool) -> sqlite3.Connection:
    """A connection to the migrated store: in its file, or if that is read-only, a copy in memory."""
    try:
        with closing(_open(path, read_only=False)) as connection:
            _migrate(connection)
    except sqlite3.OperationalError:
        if not read_only:
            raise
        with closing(old):
            copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            old.backup(copy)
        _migrate(copy)
        return copy
    old.close()
    return _open(path, read_only)


def _migrate(connection: sqlite3.Connection) -> None:
    """Brings a store to this version, all or nothing, whoever else tries the same at once."""
    connection.execute("begin immediate")
    try:
        for version in range(connection.execute("pragma user_version").fetchone()[0], SCHEMA_VERSION):
            for statement in filter(str.strip, MIGRATIONS[version].split(";")):
                connection.execute(statement)
        connection.execute(f"pragma user_version = {SCHEMA_VERSION}")
        seal_schema(connection)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection for one call: no reader holds a transaction open. Raises `StoreError`."""
    with or_damaged(folder), closing(connect(folder, read_only=True)) as connection:
        check_schema(connection)
        yield connection


@contextmanager
def or_damaged(folder: Path) -> Iterator[None]:
    """Turns whatever reading a store runs into, or making sense of what was read, into a `StoreError`.

    A damaged file may hold anything: no JSON, a number where a text should be, a table that is not there.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{folder / DATABASE}: could not be read ({error}); the file is damaged or lacks read permission"
        ) from error
    except _NO_SENSE as error:
        raise StoreError(
            f"{folder}: written by another version of ppo-live, or damaged ({error or type(error).__name__})"
        ) from error


_NO_SENSE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
