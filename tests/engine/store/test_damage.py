"""A damaged, copied or foreign folder is said to be one, and touches no other run: nothing but `StoreError`
ever comes out of a reader.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.charts.timeline import timeline_entries
from ppo_engine.errors import ConfigError, StoreError
from ppo_engine.export.report import html_report
from ppo_engine.export.tables import WHAT, table_bytes
from ppo_engine.store import DATABASE, add_note, checkpoint_files, submit
from ppo_engine.store.catalog import summary, survey
from tests.engine.fingerprints import table_fingerprint
from tests.engine.runs import Run

FLIPS = 6000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 240


@pytest.fixture(scope="module")
def finished(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with everything in its journal."""
    folder, owner = session.create(
        tiny(steps=3, checkpoint_every=1), "tiny-reviews", tmp_path_factory.mktemp("runs")
    )
    session.command(folder, "edit", changes={"lam": 0.5})
    owner.run()
    assert owner.state == "finished"
    add_note(folder, 2, "look here")
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "runs" / finished.name)
    return tmp_path / "runs" / finished.name


READERS: dict[str, Callable[[Path], Any]] = {
    "info": lambda run: replace(RunReader(run).info(), **UNSEALED),
    "edits": lambda run: RunReader(run).edits(),
    "config": lambda run: RunReader(run).config_after(1),
    "steps": lambda run: [
        (row.step, row.config_version, sorted(row.metrics.items())) for row in RunReader(run).steps()
    ],
    "samples": lambda run: [repr(RunReader(run).samples(step)) for step in range(4)],
    "held out": lambda run: [repr(RunReader(run).samples(step, "eval")) for step in range(4)],
    "tokens": lambda run: [
        table and table_fingerprint(table) for table in map(RunReader(run).tokens, range(4))
    ],
    "events": lambda run: RunReader(run).events(),
    "history": lambda run: timeline_entries(RunReader(run).events()),
    "command": lambda run: (RunReader(run).command(1), None)[1],
    "summary": lambda run: repr(replace(summary(run), name="", state="", tags=(), remark="", size=0)),
    "sources": lambda run: (RunReader(run).changed_sources(), None)[1],
}
UNSEALED: dict[str, Any] = {
    name: None
    for name in (
        "name", "state", "stage", "error", "traceback", "device", "threads", "memory_bytes",
        "seconds_per_step", "owner", "tags", "remark", "fingerprints", "machine", "copy_of",
    )
}  # fmt: skip
"""What changes in a run's row as it goes on, and so has no digest: any words may stand there, but nothing
that breaks a reader.
"""


def answer(read: Callable[[Path], Any], run: Path) -> Any:
    try:
        return read(run)
    except StoreError:
        return StoreError


def right_as_far_as_it_goes(found: Any, right: Any, name: str) -> bool:
    """A step's samples or tokens that cannot be found are those of a run that kept none: no answer, and no
    wrong one.
    """
    if name in ("samples", "held out", "tokens"):
        return all(one in (whole, None, "[]") for one, whole in zip(found, right, strict=True))
    return bool(found == right)


def places(whole: bytes) -> list[int]:
    """Bytes all over the file, and more of them where the schema, the run's row and the journal are."""
    draw = random.Random(9)
    lived_in = [
        i
        for word in (b'"lam"', b"look here", b"running", b"create table", b"metrics", b"tiny-reviews")
        for i in _found(whole, word)
    ]
    near = [
        max(0, min(len(whole) - 1, draw.choice(lived_in) + draw.randrange(-60, 60)))
        for _ in range(FLIPS // 3)
    ]
    return [
        *(draw.randrange(len(whole)) for _ in range(FLIPS // 3)),
        *near,
        *(draw.randrange(8192) for _ in range(FLIPS // 3)),
    ]


def _found(whole: bytes, word: bytes) -> list[int]:
    return [i for i in range(len(whole)) if whole.startswith(word, i)]


def test_a_flipped_bit_anywhere_gives_a_right_answer_or_a_store_error(run: Path) -> None:
    whole, right, refused = (
        (run / DATABASE).read_bytes(),
        {name: answer(read, run) for name, read in READERS.items()},
        0,
    )
    assert StoreError not in right.values()
    draw = random.Random(3)
    for place in places(whole):
        broken = bytearray(whole)
        broken[place] ^= 1 << draw.randrange(8)
        (run / DATABASE).write_bytes(broken)
        for name, read in READERS.items():
            found = answer(read, run)
            assert found is StoreError or right_as_far_as_it_goes(found, right[name], name), (place, name)
            refused += found is StoreError
    assert refused > FLIPS, "the flips hit something"


@pytest.mark.parametrize("length", [0, 1, 100, 4096, 20_000])
def test_a_truncated_store_gives_store_errors_alone(run: Path, length: int) -> None:
    (run / DATABASE).write_bytes((run / DATABASE).read_bytes()[:length])
    assert answer(READERS["info"], run) is StoreError
    for read in READERS.values():
        answer(read, run)


def change(run: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        connection.execute(statement, values)


def foreign(run: Path) -> None:
    (run / DATABASE).unlink()
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        connection.executescript("create table bookmarks (url text); pragma user_version = 2;")


def a_folder(run: Path) -> None:
    (run / DATABASE).unlink()
    (run / DATABASE).mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "an event that is no JSON": lambda run: change(
        run, "update events set payload = '{\"changes', digest = '' where kind = 'edit'"
    ),
    "an event that is a list": lambda run: change(run, "update events set payload = '[1]', digest = ''"),
    "a configuration that is none": lambda run: change(
        run, "update run set config = '{\"lam\": 7}', digest = ''"
    ),
    "a state that is none": lambda run: change(run, "update run set state = 'dancing'"),
    "a time that is none": lambda run: change(run, "update run set created = x'00ff', digest = ''"),
    "a table that is gone": lambda run: change(run, "drop table steps"),
    "no row": lambda run: change(run, "delete from run"),
    "another program's database": foreign,
    "a folder in its place": a_folder,
    "a text file in its place": lambda run: (run / DATABASE).write_text("hello " * 2000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_listed_with_its_reason_and_hides_no_other(run: Path, damage: str) -> None:
    shutil.copytree(run, run.with_name("zz-broken"))
    DAMAGES[damage](run.with_name("zz-broken"))
    readable, broken = survey(run.parent)
    assert [one.folder for one in readable] == [run]
    ((folder, reason),) = broken
    assert folder.name == "zz-broken" and "zz-broken" in reason
    for read in (
        *READERS.values(),
        html_report,
        *(lambda where, what=what: table_bytes(where, what, "csv") for what in WHAT),
    ):
        answer(read, folder)


def test_a_run_whose_file_may_not_be_read_is_one_of_the_damaged(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read anything, so the refusal is made up."""
    is_file = Path.is_file
    monkeypatch.setattr(
        Path, "is_file", lambda path: _forbidden(path) if path.parent == run else is_file(path)
    )
    assert answer(READERS["info"], run) is StoreError
    assert [folder for folder, _ in survey(run.parent)[1]] == [run]


def _forbidden(path: Path) -> bool:
    raise PermissionError(13, "Permission denied", str(path))


# Checkpoints


def test_folders_that_are_no_checkpoints_are_none(run: Path) -> None:
    real = checkpoint_files.path_of(run, 3)
    for name in ("step-000003 copy", "step-3", "step-", "step-0000x3", "step-9999999999999"):
        shutil.copytree(real, real.with_name(name))
    (real.parent / "step-000007").mkdir()
    assert [one.step for one in checkpoint_files.list_checkpoints(run)] == [1, 2, 3]
    assert checkpoint_files.newest_sound(run) == checkpoint_files.Checkpoint(real, 3)


def test_a_copied_checkpoints_folder_does_not_stop_a_run(begin: Callable[..., Run]) -> None:
    run = begin(steps=4, checkpoint_every=1)
    run.hold_at(2)
    shutil.copytree(checkpoint_files.path_of(run.folder, 1), run.folder / "checkpoints" / "step-000001 copy")
    (run.folder / "checkpoints" / ".making-step-000009").touch()
    run.let_go()
    assert run.join() == "finished", run.reader.info().error
    assert not [event for event in run.reader.events() if event.kind == "error"]


MANIFESTS = [
    "",
    "[]",
    "{}",
    '{"files": 3}',
    '{"files": {"a": 1}}',
    '{"files": {"a": {"sha256": 1, "bytes": "x"}}}',
    "\x00",
    '{"files": {}}',
]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_damaged_manifest_gives_checkpoint_errors_alone_and_thins_on(run: Path, manifest: str) -> None:
    one = checkpoint_files.list_checkpoints(run)[0]
    (one.folder / "manifest.json").write_text(manifest)
    (one.folder / "trainer.json").write_text(manifest)
    for look in (one.verify, lambda: one.size, lambda: one.config):
        assert answer(lambda _, look=look: look(), run) is StoreError
    assert checkpoint_files.newest_sound(run) == checkpoint_files.list_checkpoints(run)[-1]
    checkpoint_files.thin(run, (), 0)


# Copies


def test_a_copy_of_a_run_that_is_on_is_an_interrupted_one_that_takes_no_commands(
    begin: Callable[..., Run],
) -> None:
    run = begin(steps=4)
    run.hold_at(2)
    copy = run.folder.with_name(f"{run.folder.name} copy")
    shutil.copytree(run.folder, copy)
    try:
        info, own = RunReader(copy).info(), run.reader.info()
        assert (info.state, own.state) == ("interrupted", "running") and not info.alive
        assert info.copy_of == own.id and own.copy_of == ""
        assert info.id == copy.name != own.id and info.name == f"{own.name} ({copy.name})"
        assert {one.name for one in survey(copy.parent)[0]} == {info.name, own.name}
        for ask in (lambda: session.command(copy, "pause"), lambda: submit(copy, "stop", "a test")):
            with pytest.raises(StoreError, match=f"this folder is a copy of {own.id} that no process trains"):
                ask()
        assert [row.step for row in RunReader(copy).steps()] == [0, 1, 2]
    finally:
        run.let_go()
    assert run.join() == "finished"
    again = begin(lambda seen: session.reopen(copy, seen))
    again.thread.start()
    assert again.join() == "finished" and RunReader(copy).info().last_step == 4


def test_a_copy_under_the_same_name_elsewhere_is_none_of_the_owners_either(
    begin: Callable[..., Run], tmp_path: Path
) -> None:
    run = begin(steps=3)
    run.hold_at(1)
    copy = tmp_path / "backup" / run.folder.name
    shutil.copytree(run.folder, copy)
    assert RunReader(copy).info().state == "interrupted"
    with pytest.raises(StoreError, match="pause: the run was interrupted; resume it"):
        submit(copy, "pause", "a test")
    run.let_go()
    assert run.join() == "finished"


def test_an_interrupted_run_takes_no_commands(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    change(run.folder, "update run set owner_started = 1.0")
    with pytest.raises(StoreError, match="stop: the run was interrupted"):
        submit(run.folder, "stop", "a test")
    assert run.reader.info().state == "interrupted"


def test_unknown_commands_are_still_refused_first(run: Path) -> None:
    with pytest.raises(ConfigError, match="command = dance"):
        submit(run, "dance", "a test")
