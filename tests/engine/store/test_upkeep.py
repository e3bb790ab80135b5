"""The files of a run that is on: what is taken away under it, what a copy of one file holds, what belongs
together.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ppo_engine import RunReader
from ppo_engine.errors import StoreError
from ppo_engine.store import DATABASE
from ppo_engine.store.upkeep import LOG_REMOVED
from tests.engine.runs import Run


def take_away(folder: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        (folder / f"{DATABASE}{suffix}").unlink()


def write_meanwhile(folder: Path) -> None:
    """What another process does that finds no log: it makes one of its own."""
    take_away(folder, "-wal", "-shm")
    code = (
        "import sys, pathlib; from ppo_engine.store import add_note; add_note(pathlib.Path(sys.argv[1]), 0, "
        "'unseen by the owner')"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=Path(__file__).parents[3])


REMOVALS: dict[str, Callable[[Path], None]] = {
    "the log": lambda folder: take_away(folder, "-wal"),
    "the log and its index": lambda folder: take_away(folder, "-wal", "-shm"),
    "the log, and another wrote a new one": write_meanwhile,
    "the log, replaced by an old copy": lambda folder: shutil.move(
        folder / "old-log", folder / f"{DATABASE}-wal"
    ),
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_log_that_is_taken_away_under_a_run_costs_no_step_and_is_journalled(
    begin: Callable[..., Run], removal: str
) -> None:
    run = begin(steps=5)
    run.hold_at(3)
    shutil.copyfile(run.folder / f"{DATABASE}-wal", run.folder / "old-log")
    REMOVALS[removal](run.folder)
    run.let_go()
    assert run.join() == "finished", run.owner.error_text
    assert [row.step for row in run.reader.steps()] == [0, 1, 2, 3, 4, 5]
    assert len(run.reader.samples(2)) == len(run.reader.samples(5)) > 0 and run.reader.tokens(3) is not None
    assert [event.payload["message"] for event in run.reader.events() if event.kind == "error"] == [
        LOG_REMOVED
    ]
    with closing(sqlite3.connect(run.folder / DATABASE)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_run_whose_log_was_taken_away_still_obeys(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.hold_at(2)
    take_away(run.folder, "-wal")
    run.let_go()
    run.wait_for(4)
    assert run.wait_for_answer(run.tell("stop")) == ("applied", "")
    assert run.join() == "stopped" and run.reader.info().last_step >= 4


def test_a_run_whose_file_is_taken_away_says_so(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.hold_at(2)
    shutil.rmtree(run.folder)
    run.let_go()
    run.thread.join(60)
    assert (
        run.owner.state == "failed"
        and run.owner.failure_unrecorded
        and "removed or replaced during the run" in run.owner.error_text
    )
    with pytest.raises(StoreError, match="not a run folder"):
        run.reader.info()


def test_the_main_file_alone_is_a_run_with_steps(begin: Callable[..., Run], tmp_path: Path) -> None:
    run = begin(steps=3)
    run.hold_at(1)
    (tmp_path / "copy").mkdir()
    shutil.copyfile(run.folder / DATABASE, tmp_path / "copy" / DATABASE)
    assert RunReader(tmp_path / "copy").info().last_step >= 0 and RunReader(tmp_path / "copy").samples(
        0, "eval"
    )
    run.let_go()
    run.join()


def test_a_runs_folder_says_what_belongs_together(begin: Callable[..., Run]) -> None:
    run = begin(steps=1)
    words = (run.folder / "README.txt").read_text(encoding="utf-8")
    assert "Copy, move or delete it as a whole" in words
    run.hold_at(1)
    files = {path.name for path in run.folder.iterdir()} - {"README.txt"}
    assert all(name in words for name in files), files
    run.let_go()
    run.join()
