"""The owner's side of the store: it creates the run, commits steps, and takes commands."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..config import Config
from ..errors import StoreError
from ..records import EVAL, TRAIN, Sample, StepRecord, pack
from . import upkeep
from .batches import StoredBatches
from .checks import seal_part, seal_step
from .inserts import as_json, insert_event, insert_samples, make_database, refuse_queued
from .metric_blocks import STEPS_A_BLOCK, without_block, write_block
from .ownership import Owner, file_identity, myself, owns
from .reader import RunReader
from .schema import DATABASE, ENDED, connect, or_damaged

_RESERVE = "reserve"
_RESERVE_BYTES = 256 * 1024
_PATIENCE_TO_CLOSE_S = 1.0
_LOG_MOVED_EVERY_S = 1.0
_OWNER = ("owner_pid", "owner_started", "owner_host", "heartbeat")


class RunStore:
    """Writes one run. Made by `create`; used by the run's owner alone, from one thread.

    on_commit: called after each commit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.on_commit: Callable[[], None] = lambda: None
        self._log_moved = 0.0
        self._batches = StoredBatches()
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{folder}: the run could not be opened for writing ({error}); check its permissions"
            ) from error

    def _open(self) -> None:
        self._connection = connect(self.folder, read_only=False)
        self._connection.execute("pragma journal_mode = wal")
        # In WAL mode this survives the death of the process; only a power cut can undo the last commits.
        self._connection.execute("pragma synchronous = normal")
        # Freed pages are written again soon; some builds of SQLite would fill them with zeros first.
        self._connection.execute("pragma secure_delete = off")
        self._files = upkeep.OpenFiles(self.folder)
        self._steps_without_block = without_block(self._connection)

    @classmethod
    def create(
        cls,
        folder: Path,
        run_id: str,
        name: str,
        preset: str,
        config: Config,
        parent: str = "",
        parent_step: int | None = None,
        fingerprints: Mapping[str, str] | None = None,
    ) -> RunStore:
        """Makes the folder, which must not exist yet, and the run's tables in it, in the state loading.

        fingerprints: of what a branch has from its parent.
        """
        try:
            folder.mkdir(parents=True)
            (folder / upkeep.NOTE).write_text(upkeep.NOTE_TEXT, encoding="utf-8")
            _put_reserve(folder)
            row = {"id": run_id, "name": name, "preset": preset, "parent": parent, "parent_step": parent_step}
            make_database(folder, config, {**row, "fingerprints": json.dumps(dict(fingerprints or {}))})
            return cls(folder)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{folder}: the run could not be stored here ({error}); choose another runs folder or free "
                "some disk space"
            ) from error

    @classmethod
    def reopen(cls, folder: Path, abandoned: bool = False) -> RunStore:
        """Makes this process the owner of a run that has ended or whose owner is dead. Raises `StoreError`
        while another lives.

        abandoned: this very process owned the run, and has given it up without being able to say so: its disk
        was full.
        """
        store = cls(folder)
        try:
            with store._transaction() as connection:
                state, file, *owner = connection.execute(
                    f"select state, owner_file, {', '.join(_OWNER)} from run"
                ).fetchone()
                before = Owner(*owner)
                lives = before.lives and owns(before, file, folder / DATABASE)
                if state not in ENDED and lives and not (abandoned and before.is_this_process):
                    raise StoreError(
                        f"{folder}: the run is still trained by {before.name}; stop it there first"
                    )
                new = {
                    "state": "loading",
                    "stage": "starting",
                    "error": "",
                    "traceback": "",
                    "seconds_per_step": 0.0,
                    "changed": "{}",
                }
                mine = {**myself(folder / DATABASE), **new}
                connection.execute(
                    f"update run set {', '.join(f'{name} = ?' for name in mine)}", tuple(mine.values())
                )
                last = connection.execute("select coalesce(max(step), -1) from steps").fetchone()[0]
                insert_event(connection, last, "state", {"state": "loading"})
                refuse_queued(connection, last, "the run ended before the command could be applied")
            _put_reserve(folder)
        except BaseException as error:
            store._connection.close()
            if isinstance(error, OSError):
                raise StoreError(f"{folder}: the run could not be written ({error})") from error
            raise
        return store

    def record(self, record: StepRecord) -> None:
        """Commits a step whole, so that a killed process does not lose it."""
        with self._transaction() as connection:
            connection.execute(
                "insert into steps values (?, ?, ?, ?)",
                (record.step, record.wall_time.isoformat(), record.config_version, as_json(record.metrics)),
            )
            for split, samples in ((TRAIN, record.samples), (EVAL, record.eval_samples)):
                insert_samples(connection, record.step, split, samples)
            if record.tokens is not None:
                connection.execute(
                    "insert into token_blocks values (?, ?)", (record.step, pack(record.tokens))
                )
            seal_step(connection, record.step)
            connection.execute("update run set heartbeat = ?", (time.time(),))
        self._write_blocks()
        self._move_log()

    def thin_batches(self, budget_bytes: int) -> None:
        """Deletes training samples and tokens of old steps once all take more than that, see `to_thin`.

        After a long time without it, it takes some calls until they fit.
        """
        with self.reader().connection() as connection:
            self._batches.count_new(connection)
        if self._batches.total_bytes > budget_bytes:
            with self._transaction() as connection:
                gone = self._batches.delete_old(connection, budget_bytes)
            self._batches.forget(gone)

    def add_evaluation(self, step: int, metrics: Mapping[str, float], samples: Sequence[Sample]) -> None:
        """Journals the evaluation of a step recorded without one: a recorded step never changes."""
        with self._transaction() as connection:
            insert_samples(connection, step, EVAL, samples)
            seal_part(connection, EVAL, step)
            insert_event(connection, step, "evaluation", {"metrics": dict(metrics)})

    def _write_blocks(self) -> None:
        """Brings the metrics of every so many steps into a block; a resumed run may have several to write."""
        self._steps_without_block += 1
        while self._steps_without_block >= STEPS_A_BLOCK:
            with self._transaction() as connection:
                write_block(connection)
            self._steps_without_block -= STEPS_A_BLOCK

    def _move_log(self) -> None:
        """Now and then moves the commits into the run's file, so that it is never far behind."""
        if time.monotonic() - self._log_moved > _LOG_MOVED_EVERY_S:
            # a full disk, or a reader in the middle of a call: the log keeps it until the next time
            with suppress(sqlite3.Error):
                self._connection.execute("pragma wal_checkpoint(passive)")
            self._log_moved = time.monotonic()

    def update_run(self, **fields: Any) -> None:
        """Sets columns of the run's row, the heartbeat with them."""
        fields["heartbeat"] = time.time()
        assignments = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction() as connection:
            connection.execute(f"update run set {assignments}", tuple(fields.values()))

    def keep_sources(self, fingerprints: Mapping[str, str], machine: Mapping[str, str]) -> None:
        """Records what the run is trained on, where that is not yet recorded, and with how many threads."""
        first, begun_on = (
            json.loads(text)
            for text in self._connection.execute("select fingerprints, machine from run").fetchone()
        )
        whole = {**fingerprints, **first}, begun_on or dict(machine)
        self.update_run(
            fingerprints=json.dumps(whole[0]), machine=json.dumps(whole[1]), threads=int(machine["threads"])
        )

    def enter_state(self, state: str, step: int, **fields: Any) -> None:
        """Changes and journals the run's state. At its end, pending commands are refused with it."""
        with self._transaction() as connection:
            if state in ENDED:
                refuse_queued(connection, step, f"the run has {state}")
            assignments = "".join(f", {name} = ?" for name in fields)
            connection.execute(
                f"update run set state = ?, heartbeat = ?{assignments}",
                (state, time.time(), *fields.values()),
            )
            insert_event(connection, step, "state", {"state": state, **fields})

    def event(self, step: int, kind: str, payload: Mapping[str, Any]) -> None:
        """Adds an event to the journal."""
        with self._transaction() as connection:
            insert_event(connection, step, kind, payload)

    def reader(self) -> RunReader:
        """A reader by the owner's connection, which sees every commit even if the log is removed."""
        return _OwnReader(self)

    def keep_whole(self) -> sqlite3.Connection:
        """The connection, once its files are known to be its own. Raises `StoreError`."""
        try:
            if self._files.log_is_gone():
                self._rescue()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{self.folder}: {upkeep.LOG_REMOVED} It could not be rewritten ({error})"
            ) from error
        return self._connection

    def queued(self) -> Sequence[tuple[int, str, dict[str, Any]]]:
        """The commands that wait, oldest first: id, kind, payload."""
        with self.reader().connection() as connection:
            query = "select id, kind, payload from commands where state = 'queued' order by id"
            rows = connection.execute(query).fetchall()
            return [(number, kind, json.loads(payload)) for number, kind, payload in rows]

    def settle(
        self, command: int, refusal: str, step: int, events: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ) -> None:
        """Marks a command applied, or refused for that reason; journals its effects with it."""
        with self._transaction() as connection:
            for kind, payload in events:
                insert_event(connection, step, kind, payload)
            connection.execute(
                "update commands set state = ?, reason = ?, step = ? where id = ?",
                ("refused" if refusal else "applied", refusal, step, command),
            )

    def has_jobs(self) -> bool:
        """Whether a job waits to be done."""
        with self.reader().connection() as connection:
            return (
                connection.execute("select 1 from jobs where state = 'queued' limit 1").fetchone() is not None
            )

    def free_reserve(self) -> None:
        """Gives back the space kept for the last words of a run whose disk is full."""
        with suppress(OSError):
            (self.folder / _RESERVE).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends writing. The journal is merged, so that the run opens from a read-only folder too."""
        self.free_reserve()
        self._connection.execute("pragma busy_timeout = 20")
        give_up = time.monotonic() + _PATIENCE_TO_CLOSE_S
        while time.monotonic() < give_up:
            try:
                self._connection.execute("pragma journal_mode = delete")
                break
            except sqlite3.OperationalError:
                # a reader is in the middle of a call; one that stays leaves the run readable as it is
                time.sleep(0.02)
        self._connection.close()

    def _rescue(self) -> None:
        """The log was removed: its content, still open here, is first saved to a new file."""
        last = self._connection.execute("select coalesce(max(step), -1) from steps").fetchone()[0]
        upkeep.write_anew(self._connection, self.folder)
        self._open()
        self._connection.execute("update run set owner_file = ?", (file_identity(self.folder / DATABASE),))
        insert_event(self._connection, last, "error", {"message": upkeep.LOG_REMOVED})

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.keep_whole()
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
            self.on_commit()
        except (sqlite3.Error, OSError) as error:
            hint = (
                "free some disk space"
                if "full" in str(error)
                else "check that the folder still exists and is writable"
            )
            raise StoreError(
                f"{self.folder}: the run could not be written ({error}); {hint}. Earlier data is kept"
            ) from error


class _OwnReader(RunReader):
    """Reads by the owner's connection."""

    def __init__(self, store: RunStore) -> None:
        super().__init__(store.folder)
        self._store = store

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        with or_damaged(self.folder):
            yield self._store.keep_whole()


def _put_reserve(folder: Path) -> None:
    """Space that is given back when the disk is full, so that the reason can still be written."""
    (folder / _RESERVE).write_bytes(os.urandom(_RESERVE_BYTES))
