"""All runs at a glance, compared, exported whole, and thrown away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.errors import StoreError
from ppo_engine.store import describe, list_runs
from ppo_engine.store.catalog import (
    differences,
    list_trash,
    move_to_trash,
    restore_from_trash,
    same_prompts,
    survey,
)
from tests.engine.runs import Run

HOSTILE = "<script>alert(1)</script> $x$ **b** :red[c]"


def test_a_summary_is_what_the_metrics_say(runs: Path) -> None:
    for one in survey(runs)[0]:
        rows = RunReader(one.folder).steps()
        scores = [row.metrics["env/reward_mean"] for row in rows[1:]]
        assert (one.best_score, one.last_score) == (max(scores), scores[-1])
        assert (
            one.held_out == rows[-1].metrics["eval/reward_mean"]
            and one.last_kl == rows[-1].metrics["objective/kl"]
        )
        assert (one.steps, one.planned, one.state) == (3, 3, "finished")
        assert one.size > (one.folder / "checkpoints" / "step-000003" / "model.safetensors").stat().st_size
    assert [one.folder for one in survey(runs)[0]] == list_runs(runs)


def test_a_run_that_cannot_be_read_does_not_hide_the_others(runs: Path, tmp_path: Path) -> None:
    broken = runs / "20000101-broken"
    broken.mkdir()
    (broken / "run.sqlite").write_bytes(b"no database" * 500)
    try:
        assert len(survey(runs)[0]) == 2
    finally:
        (broken / "run.sqlite").unlink()
        broken.rmdir()


def test_comparing_lists_what_differs_and_only_that(runs: Path) -> None:
    folders = [one.folder for one in survey(runs)[0]]
    assert differences(folders) == {"seed": ["2", "1"], "lam": ["0.5", "0.95"]}
    table = same_prompts(folders)
    assert len(table) > 0 and list(table.columns) == [
        "query",
        "response 0",
        "score 0",
        "response 1",
        "score 1",
    ]
    assert not (table["response 0"] == table["response 1"]).all()


def test_comparing_says_after_which_step_a_setting_was_changed(begin: Callable[..., Run]) -> None:
    plain, edited = begin(steps=3), begin(steps=3)
    plain.thread.start()
    plain.join()
    edited.hold_at(2)
    edited.tell("edit", changes={"lam": 0.5})
    edited.let_go()
    edited.join()
    assert differences([plain.folder, edited.folder]) == {"lam": ["0.95", "0.95, after step 2: 0.5"]}


def test_a_deleted_run_is_in_the_trash_whole(tiny: Callable[..., Config], tmp_path: Path) -> None:
    folder, owner = session.create(tiny(steps=1), "tiny-reviews", tmp_path)
    with pytest.raises(StoreError, match="is running; stop it first"):
        move_to_trash(folder)
    owner.run()
    describe(folder, name="../../up")
    there = move_to_trash(folder)
    assert there == tmp_path / ".trash" / folder.name and RunReader(there).info().last_step == 1
    assert list_runs(tmp_path) == [] and survey(tmp_path)[0] == [] and list_trash(tmp_path) == [there]
    assert (
        restore_from_trash(there) == folder and list_runs(tmp_path) == [folder] and list_trash(tmp_path) == []
    )
    with pytest.raises(StoreError, match="could not be moved"):
        restore_from_trash(there)
