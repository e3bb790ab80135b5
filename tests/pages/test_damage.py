"""Whatever lies in the runs folder, every page comes up and says what is the matter."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.store import DATABASE
from tests.pages.components import app, said

PAGES = ["live", "tokens", "update", "what_if", "playground", "runs", "metrics"]


@pytest.fixture(scope="module")
def sound(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be copied and damaged."""
    folder, owner = session.create(tiny(), "tiny-reviews", tmp_path_factory.mktemp("sound"))
    owner.run()
    return folder


def noise(database: Path) -> None:
    database.write_bytes(b"no database" * 5000)


def empty(database: Path) -> None:
    database.write_bytes(b"")


def half(database: Path) -> None:
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])


def a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def of_another_program(database: Path) -> None:
    database.unlink()
    run(database, "create table run (id text)", "pragma user_version = 2")


def run(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


DAMAGES: dict[str, Callable[[Path], None] | str] = {
    "noise": noise,
    "empty": empty,
    "half": half,
    "a folder": a_folder,
    "another program's": of_another_program,
    "newer": "pragma user_version = 99",
    "no row": "delete from run",
    "config": "update run set config = '{'",
    "state": "update run set state = 'sleeping'",
    "metrics": "update steps set metrics = '{' where step = 1",
    "metrics of another kind": "update steps set metrics = '[1]'",
    "events": "update events set payload = 'x'",
    "times": "update steps set wall_time = 'yesterday'",
    "tokens": "update token_blocks set block = x'00'",
    "samples": "update samples set score_parts = '{'",
    "no steps": "drop table steps",
    "no samples": "delete from samples",
}


def damage_run(damage: str, folder: Path) -> None:
    how = DAMAGES[damage]
    if isinstance(how, str):
        run(folder / DATABASE, how)
    else:
        how(folder / DATABASE)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_takes_no_page_down(damage: str, sound: Path, runs: Path) -> None:
    other, broken = runs / "20260101-000000-000-sound-seal", runs / sound.name
    for folder in (other, broken):
        shutil.copytree(sound, folder)
    damage_run(damage, broken)
    page = app(run=broken.name)
    for name in PAGES:
        page.query_params["run"] = broken.name
        page.switch_page(f"../{name}.py").run()
        assert not page.exception, (name, page.exception)
    del page.query_params["run"]
    page.session_state["run_kept"] = None
    page.session_state["chosen_runs"] = [broken.name, other.name]
    page.switch_page("../runs.py").run()
    assert not page.exception
    listed = list(page.dataframe[0].value["name"])
    assert len(listed) == 2 or (broken.name in said(page) and "cannot be shown" in said(page))


def test_a_copy_of_the_run_that_is_on_is_not_commanded_in_its_place(
    running: session.Session, runs: Path
) -> None:
    copy = runs / f"{running.folder.name}-copy"
    shutil.copytree(running.folder, copy)
    page = app(run=copy.name)
    assert not page.exception
    able = {button.label: not button.disabled for button in page.button}
    assert not any(able[name] for name in ("Stop", "Pause", "Step", "Checkpoint"))
    page.number_input(key="knob-lam").set_value(0.5).run()
    assert "Apply" not in [button.label for button in page.button]
    assert RunReader(running.folder).info().state == "paused"


def test_what_is_no_run_at_all_is_left_alone(sound: Path, runs: Path) -> None:
    shutil.copytree(sound, runs / sound.name)
    (runs / "notes").mkdir()
    (runs / "notes" / "todo.txt").write_text("x")
    (runs / "a file").write_text("x")
    page = app()
    assert not page.exception and not page.warning
