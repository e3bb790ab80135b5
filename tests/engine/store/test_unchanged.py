"""An ended run is read once for each version of its files, and whatever changes is seen at the next look."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ppo_engine.store import DATABASE, add_note, describe, unchanged
from ppo_engine.store.catalog import Summary, move_to_trash, restore_from_trash, survey
from ppo_engine.store.checks import seal_part
from ppo_engine.store.unchanged import Unchanged, version_of

SETTLED_S = 0.03
OWNER = """
import sqlite3, sys
from pathlib import Path
from ppo_engine.store.ownership import myself
database = Path(sys.argv[1])
mine = {**myself(database), "state": "running"}
with sqlite3.connect(database) as connection:
    connection.execute(f"update run set {', '.join(f'{name} = ?' for name in mine)}", [*mine.values()])
connection.close()
print("owned", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files settle sooner here than they may on a coarse file system."""
    monkeypatch.setattr(unchanged, "SETTLED_NS", int(SETTLED_S * 1e9 / 2))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases that were connected to since."""
    connect, asked = sqlite3.connect, []

    def counted(database: str, *arguments: Any, **more: Any) -> sqlite3.Connection:
        asked.append(database)
        return connect(database, *arguments, **more)

    monkeypatch.setattr(sqlite3, "connect", counted)
    return asked


@pytest.fixture
def home(runs: Path, tmp_path: Path) -> Path:
    """Two finished runs of this test's own, looked at before."""
    shutil.copytree(runs, tmp_path / "home")
    look(tmp_path / "home")
    return tmp_path / "home"


def look(home: Path) -> tuple[list[Summary], list[tuple[Path, str]]]:
    """A survey of files that have settled."""
    time.sleep(SETTLED_S)
    return survey(home)


def first(home: Path) -> Path:
    return look(home)[0][0].folder


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_an_ended_run_that_is_as_it_was_is_not_opened_again(home: Path, opened: list[str]) -> None:
    before = look(home)
    assert len(before[0]) == 2 and opened == []
    describe(before[0][0].folder, remark="another")
    opened.clear()
    after = look(home)
    assert len(opened) == 1 and after[0] == [replace(before[0][0], remark="another"), before[0][1]]
    opened.clear()
    assert look(home) == after and opened == []


def test_one_reading_takes_one_connection(home: Path, opened: list[str]) -> None:
    for folder in home.iterdir():
        os.utime(folder / DATABASE)
    look(home)
    assert len(opened) == 2


def another_step(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(
            "insert into steps select 4, wall_time, config_version, metrics from steps where step = 3"
        )
        seal_part(connection, "metrics", 4)


EDITS: dict[str, tuple[Callable[[Path], object], Callable[[Summary], bool]]] = {
    "a name": (lambda run: describe(run, name="renamed"), lambda one: one.name == "renamed"),
    "tags": (lambda run: describe(run, tags=["kept"]), lambda one: one.tags == ("kept",)),
    "a remark": (lambda run: describe(run, remark="the best"), lambda one: one.remark == "the best"),
    "a step": (another_step, lambda one: one.steps == 4),
    "a state": (
        lambda run: change(run, "update run set state = 'failed'"),
        lambda one: one.state == "failed",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_seen_at_the_next_look(home: Path, edit: str) -> None:
    make, shows = EDITS[edit]
    folder = first(home)
    make(folder)
    changed, other = look(home)[0]
    assert changed.folder == folder and shows(changed) and not shows(other)


def test_a_note_makes_the_run_be_read_again_and_its_journal_checked(home: Path, opened: list[str]) -> None:
    folder = first(home)
    add_note(folder, 2, "look here")
    opened.clear()
    look(home)
    assert len(opened) == 1
    change(folder, "delete from events where kind = 'note'")
    ((broken, reason),) = look(home)[1]
    assert broken == folder and "its journal has" in reason


def test_what_is_only_in_the_log_is_seen_too(home: Path) -> None:
    """The run's file is not written meanwhile."""
    folder = first(home)
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma wal_autocheckpoint = 0")
        look(home)
        before = (folder / DATABASE).stat()
        connection.execute("update run set name = 'in the log'")
        assert look(home)[0][0].name == "in the log"
        connection.execute("update run set name = 'in the rest'")
        assert look(home)[0][0].name == "in the rest"
        assert (folder / DATABASE).stat() == before


def test_a_deleted_checkpoint_is_seen_though_the_file_is_not_opened(home: Path, opened: list[str]) -> None:
    one = look(home)[0][0]
    checkpoint = one.folder / "checkpoints" / "step-000002"
    less = sum(path.stat().st_size for path in checkpoint.iterdir())
    assert less > 0
    shutil.rmtree(checkpoint)
    assert look(home)[0][0] == replace(one, size=one.size - less) and opened == []


def test_a_damaged_byte_is_seen_and_its_repair(home: Path) -> None:
    (one, other), none = look(home)
    whole = (one.folder / DATABASE).read_bytes()
    (one.folder / DATABASE).write_bytes(whole.replace(b"tiny-reviews", b"tiny-reviewz"))
    readable, ((broken, reason),) = look(home)
    assert none == [] and readable == [other] and broken == one.folder and "corrupted" in reason
    (one.folder / DATABASE).write_bytes(whole)
    assert look(home) == ([one, other], [])


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_put_in_its_place_with_the_same_size_and_time_is_seen(home: Path, in_place: bool) -> None:
    one = look(home)[0][0]
    database, aside = one.folder / DATABASE, home / "aside" / DATABASE
    aside.parent.mkdir()
    shutil.copy(database, aside)
    change(aside.parent, "update run set name = upper(name)")
    was = database.stat()
    if in_place:
        database.write_bytes(aside.read_bytes())
        shutil.rmtree(aside.parent)
    else:
        os.replace(aside, database)
    os.utime(database, ns=(was.st_atime_ns, was.st_mtime_ns))
    now = database.stat()
    assert (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert look(home)[0][0].name == one.name.upper() != one.name


def test_an_owner_that_dies_without_a_word_is_seen(home: Path, opened: list[str]) -> None:
    folder = first(home)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder / DATABASE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert owner.stdout is not None and owner.stdout.readline() == b"owned\n"
        assert look(home)[0][0].state == "running"
        before = version_of(folder)
    finally:
        owner.kill()
        owner.communicate()
    assert look(home)[0][0].state == "interrupted" and version_of(folder) == before
    opened.clear()
    look(home)
    assert len(opened) == 1, "another may take it up"


def test_a_run_thrown_away_and_restored_is_where_it_is(home: Path) -> None:
    one, other = look(home)[0]
    there = move_to_trash(one.folder)
    assert look(home)[0] == [other] and look(there.parent)[0] == [replace(one, folder=there)]
    restore_from_trash(there)
    assert look(home)[0] == [one, other]


def test_a_file_that_may_change_again_within_its_time_is_not_remembered(
    home: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "SETTLED_NS", 3600 * 10**9)
    os.utime(first(home) / DATABASE)
    opened.clear()
    look(home)
    look(home)
    assert len(opened) == 2


# What is remembered


def test_what_changed_while_it_was_read_is_read_again(home: Path) -> None:
    read: list[Path] = []

    def reading(folder: Path) -> int:
        read.append(folder)
        if len(read) == 1:
            describe(folder, remark="meanwhile")
            time.sleep(SETTLED_S)
        return len(read)

    number = Unchanged(reading, lambda _: True, most=9)
    folder = first(home)
    assert number(folder) == 1
    assert [number(folder), number(folder)] == [2, 2]


def test_what_does_not_last_and_what_fails_is_read_at_each_call(home: Path) -> None:
    read: list[Path] = []

    def reading(folder: Path) -> int:
        read.append(folder)
        if len(read) == 1:
            raise ValueError("not yet")
        return len(read)

    number, folder = Unchanged(reading, lambda number: number > 2, most=9), first(home)
    with pytest.raises(ValueError, match="not yet"):
        number(folder)
    assert [number(folder), number(folder), number(folder)] == [2, 3, 3]


def test_no_more_than_so_many_are_remembered_those_asked_for_last(home: Path) -> None:
    read: list[str] = []
    one, other = (found.folder for found in look(home)[0])
    third = other.with_name("third")
    shutil.copytree(other, third)
    time.sleep(SETTLED_S)
    name = Unchanged(lambda folder: read.append(folder.name) or folder.name, lambda _: True, most=2)  # type: ignore[func-returns-value]
    for folder in (one, other, one, third, one, other):
        assert name(folder) == folder.name
    assert read == [one.name, other.name, "third", other.name]
