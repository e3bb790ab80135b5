"""What anyone may write into a run's store: commands to its owner, notes, names and tags."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigError, StoreError
from .inserts import insert_event, now
from .reader import RunReader
from .rows import RunInfo
from .schema import COMMANDS, connect

LONGEST_NAME = 80
LONGEST_TAG = 40
LONGEST_REMARK = 2000


def submit(folder: Path, kind: str, issuer: str, **payload: Any) -> int:
    """Asks the run's owner for something; returns the command's number. Refuses the impossible."""
    if kind not in COMMANDS:
        raise ConfigError([f"command = {kind}: must be one of {', '.join(COMMANDS)}"])
    with writing(folder) as connection:
        refuse_without_owner(RunReader(folder).info(), kind)
        cursor = connection.execute(
            "insert into commands (time, issuer, kind, payload) values (?, ?, ?, ?)",
            (now(), issuer, kind, json.dumps(payload)),
        )
        return int(cursor.lastrowid or 0)


def refuse_without_owner(info: RunInfo, kind: str) -> None:
    """Raises `StoreError` for a run without a live owner: ended, interrupted, or a copy."""
    if info.copy_of and not info.alive:
        raise StoreError(
            f"{kind}: this folder is a copy of {info.copy_of} that no process trains; resume or branch it"
        )
    if not info.alive:
        words = "was interrupted" if info.state == "interrupted" else f"has {info.state}"
        raise StoreError(f"{kind}: the run {words}; resume it, branch it, or start a new one")


def add_note(folder: Path, step: int, text: str) -> None:
    """Pins a remark to a step of the run, ended or not."""
    with writing(folder) as connection:
        last = connection.execute("select coalesce(max(step), 0) from steps").fetchone()[0]
        if not 0 <= step <= last:
            raise ConfigError(
                [f"step = {step}: must be a whole number from 0 to {last}, the run's last step"]
            )
        insert_event(connection, step, "note", {"text": _checked("note", text, LONGEST_REMARK)})


def mark_branch(parent: Path, step: int, child: str, name: str) -> None:
    """Journals in the parent's store that another run left it there, so that the checkpoint is kept."""
    with writing(parent) as connection:
        insert_event(connection, step, "branch", {"run": child, "name": name})


def describe(
    folder: Path, name: str | None = None, tags: Sequence[str] | None = None, remark: str | None = None
) -> None:
    """Sets a run's name, tags or remark; None keeps it. The text is never used as a path or markup."""
    columns: dict[str, str] = {}
    if name is not None:
        columns["name"] = _checked("name", name, LONGEST_NAME)
    if tags is not None:
        columns["tags"] = json.dumps(list(dict.fromkeys(_checked("tag", tag, LONGEST_TAG) for tag in tags)))
    if remark is not None:
        columns["remark"] = _checked("remark", remark, LONGEST_REMARK, may_be_empty=True)
    with writing(folder) as connection:
        for column, value in columns.items():
            connection.execute(f"update run set {column} = ?", (value,))


def _checked(field: str, text: str, longest: int, may_be_empty: bool = False) -> str:
    plain = text.strip().encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
    if len(plain) > longest or not (plain or may_be_empty):
        shown = plain if len(plain) <= 30 else plain[:30] + "…"
        raise ConfigError(
            [
                f"{field} = “{shown}”: must be text of {0 if may_be_empty else 1} to {longest} characters, "
                f"not {len(plain)}"
            ]
        )
    return plain


@contextmanager
def writing(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one request, in one transaction: what it read is still so when it writes."""
    try:
        with closing(connect(folder, read_only=False)) as connection:
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{folder}: could not be written ({error}); check its permissions and the free disk space"
        ) from error
