"""Stores of other versions and other owners: an older schema is migrated, a living owner is respected, words
are only words.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from ppo_engine import Config, RunReader
from ppo_engine.errors import ConfigError, StoreError
from ppo_engine.store import DATABASE, Owner, RunStore, add_note, describe, submit
from ppo_engine.store.ownership import SILENT_S, _started, myself
from ppo_engine.store.schema import SCHEMA_VERSION


def make(folder: Path) -> Path:
    RunStore.create(folder, folder.name, "brave-otter", "tiny-reviews", Config()).close()
    return folder


def set_columns(folder: Path, **columns: object) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for name, value in columns.items():
            connection.execute(f"update run set {name} = ?", (value,))


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A run as schema 1 left it."""
    folder = make(tmp_path / "an-old-run")
    set_columns(folder, state="finished")
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        added = (
            "owner_host",
            "parent",
            "parent_step",
            "tags",
            "remark",
            "owner_file",
            "fingerprints",
            "machine",
            "changed",
            "digest",
        )
        for name in added:
            connection.execute(f"alter table run drop column {name}")
        connection.execute("alter table events drop column digest")
        connection.execute("drop table digests")
        connection.execute("drop table metric_blocks")
        connection.execute("pragma user_version = 1")
    return folder


def version_of(folder: Path) -> int:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return int(connection.execute("pragma user_version").fetchone()[0])


def test_an_older_store_is_migrated_when_it_is_read(old_run: Path) -> None:
    info = RunReader(old_run).info()
    assert (info.name, info.parent, info.tags, info.remark) == ("brave-otter", "", (), "")
    assert version_of(old_run) == SCHEMA_VERSION
    describe(old_run, tags=["old"])
    assert RunReader(old_run).info().tags == ("old",)


def test_an_older_store_that_cannot_be_written_is_read_as_it_is(
    old_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only media: root may write anywhere, so the refusal is SQLite's own, by a lock
    that another holds.
    """
    monkeypatch.setattr("ppo_engine.store.schema.PATIENCE_S", 0.05)
    with closing(sqlite3.connect(old_run / DATABASE, isolation_level=None)) as holder:
        holder.execute("begin immediate")
        assert RunReader(old_run).info().name == "brave-otter"
        holder.execute("rollback")
    assert version_of(old_run) == 1


def test_owners_are_told_apart(tmp_path: Path) -> None:
    began = myself(tmp_path)["owner_started"]
    here = Owner(os.getpid(), began, platform.node(), 0.0)
    assert here.lives and here.is_this_process
    assert not Owner(os.getpid(), began - 60, platform.node(), time.time()).lives, (
        "an earlier process of the same number"
    )
    far = Owner(os.getpid(), began, "another-machine", time.time())
    assert far.lives and "another-machine" in far.name
    assert not Owner(1, 0.0, "another-machine", time.time() - SILENT_S - 1).lives, "no heartbeat for a minute"


def test_an_owner_lives_on_when_the_clock_is_set_and_not_as_a_zombie(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(child.pid, _started(child.pid), platform.node(), 0.0)
    monkeypatch.setattr("psutil.boot_time", lambda: psutil.boot_time() + 3600)
    assert owner.lives
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()
    assert not owner.lives, "killed, and not yet reaped by its parent"
    child.wait()
    assert not owner.lives


def test_only_a_dead_owners_run_is_taken_over(tmp_path: Path) -> None:
    folder = make(tmp_path / "a-run")
    set_columns(folder, state="running", owner_host="another-machine", heartbeat=time.time())
    with pytest.raises(StoreError, match=r"still trained by process .* on another-machine"):
        RunStore.reopen(folder)
    set_columns(folder, heartbeat=time.time() - SILENT_S - 1)
    assert RunReader(folder).info().state == "interrupted"
    RunStore.reopen(folder).close()
    assert RunReader(folder).info().owner.is_this_process


def test_two_that_reopen_at_once_do_not_both_own_it(tmp_path: Path) -> None:
    folder = make(tmp_path / "a-run")
    set_columns(folder, state="stopped")
    take = """
import pathlib, sys, ppo_engine.store
ppo_engine.store.RunStore.reopen(pathlib.Path(sys.argv[1]))
print("mine", flush=True)
input()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", take, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "mine\n"
    with pytest.raises(StoreError, match=f"still trained by process {other.pid}"):
        RunStore.reopen(folder)
    other.kill()
    other.wait()
    RunStore.reopen(folder).close()


def test_a_run_that_could_not_write_its_last_words_can_be_taken_up_by_the_same_process(
    tmp_path: Path,
) -> None:
    folder = make(tmp_path / "a-run")
    set_columns(folder, state="running")
    with pytest.raises(StoreError, match="still trained by"):
        RunStore.reopen(folder)
    RunStore.reopen(folder, abandoned=True).close()


def test_what_is_asked_of_a_run_as_it_ends_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "a-run")
    store = RunStore.reopen(folder, abandoned=True)
    number = submit(folder, "pause", "a test")
    store.enter_state("finished", 3)
    assert RunReader(folder).command(number) == ("refused", "the run has finished")
    with pytest.raises(StoreError, match="pause: the run has finished"):
        submit(folder, "pause", "a test")
    store.close()


def test_an_empty_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with pytest.raises(StoreError, match="not a run's database, or damaged"):
        RunReader(tmp_path).info()


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    folder = make(tmp_path / "a-run")
    describe(folder, name="half \ud83d")
    add_note(folder, 0, "\ud83d")
    assert RunReader(folder).info().name == "half ?"


HOSTILE = [
    "<script>alert(1)</script>",
    "$x$ **bold** :red[x]",
    "../../etc/passwd",
    "=1+1",
    "a'; drop table run; --",
    "\N{PILE OF POO}",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_names_tags_remarks_and_notes_are_kept_as_they_are_and_are_no_paths(
    tmp_path: Path, words: str
) -> None:
    folder = make(tmp_path / "a-run")
    describe(folder, name=words, tags=[words, words], remark=words)
    add_note(folder, 0, words)
    info = RunReader(folder).info()
    assert (info.name, info.tags, info.remark) == (words, (words,), words)
    assert [event.payload for event in RunReader(folder).events() if event.kind == "note"] == [
        {"text": words}
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a-run"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": " "}, "name = “”: must be text of 1 to 80 characters, not 0"),
        ({"name": "x" * 81}, "must be text of 1 to 80 characters, not 81"),
        ({"tags": ["fine", "y" * 41]}, "tag = .* must be text of 1 to 40 characters"),
        ({"remark": "z" * 2001}, "remark = .* must be text of 0 to 2000 characters"),
    ],
)
def test_words_that_are_too_long_are_refused_and_nothing_changes(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    folder = make(tmp_path / "a-run")
    with pytest.raises(ConfigError, match=problem):
        describe(folder, **change)  # type: ignore[arg-type]
    info = RunReader(folder).info()
    assert (info.name, info.tags, info.remark) == ("brave-otter", (), "")


@pytest.mark.parametrize("step", [-1, 1])
def test_a_note_needs_a_step_that_was_taken(tmp_path: Path, step: int) -> None:
    folder = make(tmp_path / "a-run")
    with pytest.raises(ConfigError, match=f"step = {step}: must be a whole number from 0 to 0"):
        add_note(folder, step, "hm")
