"""Steering a run: live edits, exact resume, branches, replay, and numbers that are not finite."""

from __future__ import annotations

import json
import math
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch

from ppo_engine import Config, RunReader, session
from ppo_engine.charts.timeline import timeline_entries
from ppo_engine.errors import CheckpointError, ConfigError, StoreError
from ppo_engine.records import EVAL, first_difference
from ppo_engine.session.replay import replay
from ppo_engine.store import DATABASE, checkpoint_files
from ppo_engine.store.catalog import survey
from ppo_engine.store.checks import seal_step
from tests.engine.runs import Run


def metrics_of(folder: Path) -> dict[int, dict[str, float]]:
    """As the steps left them: without the evaluation of a run that was stopped."""
    return {row.step: row.metrics for row in RunReader(folder).steps(late_evaluations=False)}


def assert_same(one: Path, other: Path) -> None:
    first, second = metrics_of(one), metrics_of(other)
    assert list(first) == list(second)
    for step in first:
        assert first_difference(first[step], second[step]) == "", step


def edits(run: Run) -> list[tuple[int, dict[str, list[object]]]]:
    return [(event.step, event.payload["changes"]) for event in run.reader.events() if event.kind == "edit"]


def test_an_edit_comes_into_force_at_the_next_step(begin: Callable[..., Run]) -> None:
    run = begin(steps=4)
    run.hold_at(1)
    edit = run.tell("edit", changes={"init_kl_coef": 0.7, "lam": "0.5"})
    run.let_go()
    assert run.wait_for_answer(edit) == ("applied", "")
    run.join()
    assert edits(run) == [(1, {"init_kl_coef": [0.2, 0.7], "lam": [0.95, 0.5]})]
    rows = run.reader.steps()
    assert [row.config_version for row in rows] == [0, 0, 1, 1, 1]
    assert rows[2].metrics["objective/kl_coef"] == 0.7 != rows[1].metrics["objective/kl_coef"]
    info = run.reader.info()
    assert (info.config.lam, info.start_config.lam, info.config_version) == (0.5, 0.95, 1)
    assert checkpoint_files.path_of(run.folder, 1).is_dir(), "an edit keeps the models as they were before it"


def test_an_edit_while_loading_waits_for_the_models(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    edit = run.tell("edit", changes={"temperature": 0.5})
    run.thread.start()
    assert run.wait_for_answer(edit) == ("applied", "")
    run.join()
    assert edits(run) == [(-1, {"temperature": [1.0, 0.5]})]


IMPOSSIBLE_EDITS: list[tuple[dict[str, object], str]] = [
    ({"seed": 3}, "seed = 3: fixed during a run; branch the run to change it"),
    ({"lam": 2}, "lam = 2: must be a number from 0 to 1"),
    ({"nothing": 2}, "nothing: unknown setting"),
    ({"mini_batch_size": 9}, "mini_batch_size = 9: must be at most batch_size, which is 8"),
    ({"steps": 1}, "steps = 1: must be more than the 1 already completed"),
    ({"gamma": 1.0}, "gamma = 1.0: already has this value"),
]


def test_an_edit_that_cannot_be_is_refused_where_it_is_asked_for(begin: Callable[..., Run]) -> None:
    run = begin(steps=4)
    run.hold_at(1)
    for changes, problem in IMPOSSIBLE_EDITS:
        with pytest.raises(ConfigError, match=problem):
            run.tell("edit", changes=changes)
    run.let_go()
    assert run.join() == "finished" and edits(run) == []


def test_an_edit_that_another_made_impossible_meanwhile_is_refused_by_the_owner(
    begin: Callable[..., Run],
) -> None:
    run = begin(steps=4)
    run.hold_at(1)
    first, second = (
        run.tell("edit", changes={"batch_size": 4}),
        run.tell("edit", changes={"mini_batch_size": 8}),
    )
    too_long = run.tell("edit", changes={"output_max_length": 200})
    run.let_go()
    run.join()
    assert run.reader.command(first) == ("applied", "")
    assert run.reader.command(second) == (
        "refused",
        "mini_batch_size = 8: must be at most batch_size, which is 4",
    )
    assert (
        run.reader.command(too_long)[0] == "refused"
        and "the policy's context is 64 tokens" in run.reader.command(too_long)[1]
    )


@pytest.mark.parametrize("stop_at", [0, 3, 4])
def test_a_stopped_run_resumes_exactly(begin: Callable[..., Run], stop_at: int) -> None:
    whole = begin(steps=6, checkpoint_every=2)
    whole.thread.start()
    whole.join()
    part = begin(steps=6, checkpoint_every=2)
    part.hold_at(stop_at)
    part.tell("stop")
    part.let_go()
    assert part.join() == "stopped"
    rest = begin(lambda seen: session.reopen(part.folder, seen))
    rest.thread.start()
    assert rest.join() == "finished"
    assert_same(whole.folder, part.folder)


@pytest.mark.parametrize("checkpoint_every", [0, 2])
def test_steps_after_the_last_checkpoint_are_taken_again_and_stay(
    begin: Callable[..., Run], checkpoint_every: int
) -> None:
    """As after a kill: the checkpoints that the stop kept are gone, those of every so many
    steps are there.
    """
    whole = begin(steps=6, checkpoint_every=0)
    whole.thread.start()
    whole.join()
    part = begin(steps=6, checkpoint_every=checkpoint_every)
    part.hold_at(5)
    part.tell("stop")
    part.let_go()
    part.join()
    shutil.rmtree(checkpoint_files.path_of(part.folder, 5))
    before = part.reader.steps()
    rest = begin(lambda seen: session.reopen(part.folder, seen))
    rest.thread.start()
    assert rest.join() == "finished"
    assert part.reader.steps()[:6] == before, "what was recorded stays as it was, times included"
    assert_same(whole.folder, part.folder)
    assert not [event for event in part.reader.events() if event.kind == "difference"]


def test_a_step_that_comes_out_otherwise_pauses_the_run_and_says_so(begin: Callable[..., Run]) -> None:
    part = begin(steps=5, checkpoint_every=0)
    part.hold_at(3)
    part.tell("stop")
    part.let_go()
    part.join()
    shutil.rmtree(part.folder / "checkpoints")
    tamper(part.folder, 2)
    rest = begin(lambda seen: session.reopen(part.folder, seen))
    rest.thread.start()
    rest.wait_for_state("paused")
    assert (
        "Step 2, recomputed, differs from the record: env/reward_mean was 9.0, now"
        in part.reader.info().error
    )
    rest.tell("resume")
    assert rest.join() == "finished"
    assert metrics_of(part.folder)[2]["env/reward_mean"] == 9.0 and list(metrics_of(part.folder)) == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


def tamper(folder: Path, step: int) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        metrics = json.loads(
            connection.execute("select metrics from steps where step = ?", (step,)).fetchone()[0]
        )
        connection.execute(
            "update steps set metrics = ? where step = ?",
            (json.dumps({**metrics, "env/reward_mean": 9.0}), step),
        )
        seal_step(connection, step)


def edited_and_paused(begin: Callable[..., Run]) -> Run:
    """A run with three live edits, a pause and a resume."""
    run = begin(steps=6, checkpoint_every=0)
    run.hold_at(1)
    run.tell("edit", changes={"learning_rate": 5e-3, "temperature": 0.9})
    run.tell("pause")
    run.let_go()
    run.wait_for_state("paused")
    run.wait_for_answer(run.tell("edit", changes={"batch_size": 6, "output_max_length": 5}))
    run.wait_for_answer(run.tell("step"))
    run.wait_for(2)
    run.wait_for_answer(run.tell("edit", changes={"adap_kl_ctrl": False, "ppo_epochs": 1}))
    run.tell("resume")
    assert run.join() == "finished"
    assert [step for step, _ in edits(run)] == [1, 1, 2]
    return run


def test_replay_repeats_a_run_with_its_edits(begin: Callable[..., Run]) -> None:
    run = edited_and_paused(begin)
    seen: list[int] = []
    assert replay(run.folder, lambda record: seen.append(record.step)) == ""
    assert seen == [0, 1, 2, 3, 4, 5, 6]


def test_replay_names_the_first_step_and_metric_that_differ(begin: Callable[..., Run]) -> None:
    run = edited_and_paused(begin)
    tamper(run.folder, 4)
    tamper(run.folder, 5)
    assert replay(run.folder).startswith("step 4: env/reward_mean was 9.0, now ")
    with closing(sqlite3.connect(run.folder / DATABASE)) as connection, connection:
        connection.execute("delete from events where kind = 'edit' and step = 2")
        connection.execute("update digests set digest = digest - 1 where part = 'events'")
    assert replay(run.folder).startswith("step 3: "), "the journal is what it follows"


def test_an_edited_run_resumes_exactly_from_before_its_edits(begin: Callable[..., Run]) -> None:
    run = edited_and_paused(begin)
    whole = metrics_of(run.folder)
    shutil.rmtree(run.folder / "checkpoints")
    with closing(sqlite3.connect(run.folder / DATABASE)) as connection, connection:
        connection.execute("delete from steps where step > 4")
        connection.execute("delete from samples where step > 4")
        connection.execute("delete from token_blocks where step > 4")
    rest = begin(lambda seen: session.reopen(run.folder, seen))
    rest.thread.start()
    assert rest.join() == "finished"
    again = metrics_of(run.folder)
    assert list(again) == list(whole) and all(
        first_difference(whole[step], again[step]) == "" for step in whole
    )


def test_a_branch_goes_on_from_its_parents_checkpoint(begin: Callable[..., Run], tmp_path: Path) -> None:
    parent = begin(steps=5, checkpoint_every=2)
    parent.thread.start()
    parent.join()
    same = begin(lambda seen: session.fork(parent.folder, 2, {}, tmp_path, seen))
    same.thread.start()
    assert same.join() == "finished"
    info = same.reader.info()
    assert (info.parent, info.parent_step, info.last_step) == (parent.folder.name, 2, 5)
    assert list(metrics_of(same.folder)) == [3, 4, 5]
    for step, metrics in metrics_of(same.folder).items():
        assert first_difference(metrics_of(parent.folder)[step], metrics) == ""
    other = begin(lambda seen: session.fork(parent.folder, 2, {"seed": 4, "steps": 4}, tmp_path, seen))
    other.thread.start()
    assert other.join() == "finished"
    assert first_difference(metrics_of(parent.folder)[3], metrics_of(other.folder)[3])
    assert [event.payload["run"] for event in parent.reader.events() if event.kind == "branch"] == [
        same.folder.name,
        other.folder.name,
    ]


def test_a_branch_needs_its_parent_no_more(begin: Callable[..., Run], tmp_path: Path) -> None:
    parent = begin(steps=3, checkpoint_every=1)
    parent.thread.start()
    parent.join()
    child = begin(lambda seen: session.fork(parent.folder, 1, {"lam": 0.5}, tmp_path, seen))
    shutil.rmtree(parent.folder)
    child.thread.start()
    assert child.join() == "finished"
    assert replay(child.folder) == ""
    shutil.rmtree(child.folder / "checkpoints")
    with pytest.raises(CheckpointError, match="the checkpoint this branch started from is missing"):
        replay(child.folder)


IMPOSSIBLE_BRANCHES: list[tuple[int, dict[str, object], str]] = [
    (1, {}, "step = 1: no checkpoint at this step; available: 2, 3"),
    (2, {"steps": 2}, "steps = 2: must be greater than 2, the checkpoint the branch starts from"),
    (2, {"model_name": "gpt2"}, "model_name = gpt2: a branch keeps the parent's policy"),
    (2, {"lam": 7}, "lam = 7: must be a number from 0 to 1"),
]


def test_a_branch_that_cannot_be_is_refused(begin: Callable[..., Run]) -> None:
    parent = begin(steps=3, checkpoint_every=2)
    parent.thread.start()
    parent.join()
    for step, changes, problem in IMPOSSIBLE_BRANCHES:
        with pytest.raises(ConfigError, match=problem):
            session.fork(parent.folder, step, changes, parent.folder.parent)


def test_a_run_with_a_living_owner_is_not_taken_over(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    run.hold_at(1)
    with pytest.raises(StoreError, match=r"still trained by process"):
        session.reopen(run.folder)
    run.let_go()
    run.join()
    with pytest.raises(ConfigError, match="has completed every step; branch it with more"):
        session.reopen(run.folder)


def test_numbers_that_are_not_finite_pause_the_run_where_it_was(begin: Callable[..., Run]) -> None:
    whole = begin(steps=4)
    whole.thread.start()
    whole.join()
    run = begin(steps=4)
    run.hold_at(2)
    assert run.owner.trainer_run is not None
    with torch.no_grad():
        next(run.owner.trainer_run.trainer.policy.parameters()).fill_(float("nan"))
    run.let_go()
    run.wait_for_state("paused")
    info = run.reader.info()
    assert "Step 3 failed:" in info.error and "The run was restored to step 2." in info.error
    assert "log-probability of sample" in info.error and "Lower learning_rate" in info.error
    assert any(event.kind == "error" and event.step == 2 for event in run.reader.events())
    run.tell("resume")
    assert run.join() == "finished", run.reader.info().traceback
    assert run.reader.info().error == ""
    assert_same(whole.folder, run.folder)


def test_without_anyone_to_resume_it_such_a_run_fails(tiny: Callable[..., Config], tmp_path: Path) -> None:
    def break_the_policy(_: object) -> None:
        assert owner.trainer_run is not None
        with torch.no_grad():
            next(owner.trainer_run.trainer.policy.parameters()).fill_(float("nan"))

    folder, owner = session.create(
        tiny(), "tiny-reviews", tmp_path / "runs", break_the_policy, attended=False
    )
    owner.run()
    info = RunReader(folder).info()
    assert info.state == "failed" and "Traceback" in info.traceback
    assert [row.step for row in RunReader(folder).steps()] == [0], "what was recorded before stays"


def test_a_branch_that_cannot_be_copied_leaves_nothing_behind(
    begin: Callable[..., Run], tmp_path: Path
) -> None:
    parent = begin(steps=2, checkpoint_every=1)
    parent.thread.start()
    parent.join()
    runs = tmp_path / "branches"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            shutil, "copytree", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(StoreError, match="No space left on device"):
            session.fork(parent.folder, 1, {}, runs)
    assert list(runs.iterdir()) == []


def test_more_steps_asked_for_during_the_wait_after_the_last_are_taken(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.hold_at(1)
    run.tell("speed", seconds_per_step=60.0)
    run.let_go()
    run.wait_for(2)
    more = run.tell("edit", changes={"steps": 3})
    full = run.tell("speed", seconds_per_step=0.0)
    assert run.wait_for_answer(more) == run.wait_for_answer(full) == ("applied", "")
    assert run.join() == "finished"
    assert run.reader.info().last_step == 3


def test_branches_of_one_checkpoint_have_names_of_their_own(begin: Callable[..., Run]) -> None:
    names = []
    for _ in range(6):
        torch.manual_seed(0)
        random.seed(0)  # as restoring a checkpoint does
        names.append(begin(steps=1).reader.info().name)
    assert len(set(names)) > 1


def test_metrics_that_are_no_numbers_hide_no_run(begin: Callable[..., Run], tmp_path: Path) -> None:
    """One token of one sample: its returns have no variance, so what share of it the values explain is no
    number, and is left out.
    """
    run = begin(steps=1, batch_size=1, mini_batch_size=1, output_min_length=1, output_max_length=1)
    run.thread.start()
    assert run.join() == "finished"
    metrics = metrics_of(run.folder)[1]
    assert "ppo/val/var_explained" not in metrics and all(map(math.isfinite, metrics.values()))
    assert [one.folder for one in survey(tmp_path)[0]] == [run.folder]
    assert replay(run.folder) == ""


@pytest.mark.parametrize("paused_first", [False, True])
def test_a_run_that_somebody_stops_is_evaluated_as_it_was_left(
    begin: Callable[..., Run], tmp_path: Path, paused_first: bool
) -> None:
    """By the numbers of an evaluation that was due then; and it goes on, and is replayed, as if nobody had
    looked.
    """
    due = begin(steps=5, eval_every=3)
    due.thread.start()
    due.join()
    run = begin(steps=5, eval_every=5)
    run.hold_at(3)
    asked = [run.tell(kind) for kind in (["pause"] if paused_first else []) + ["stop"]]
    run.let_go()
    assert run.join() == "stopped" and all(run.wait_for_answer(number) == ("applied", "") for number in asked)
    evaluation = {
        name: value for name, value in metrics_of(due.folder)[3].items() if name.startswith("eval/")
    }
    assert len(evaluation) == 2 and evaluation.items() <= run.reader.steps()[3].metrics.items()
    assert repr(run.reader.samples(3, EVAL)) == repr(due.reader.samples(3, EVAL)) != "[]"
    assert (
        next(one for one in survey(tmp_path)[0] if one.folder == run.folder).held_out
        == evaluation["eval/reward_mean"]
    )
    assert "Final held-out evaluation" in " ".join(one.text for one in timeline_entries(run.reader.events()))
    assert replay(run.folder) == ""
    again = begin(made=lambda seen: session.reopen(run.folder, seen))
    again.thread.start()
    assert again.join() == "finished" and not [
        event for event in again.reader.events() if event.kind == "difference"
    ]
    assert {step: row["ppo/loss/total"] for step, row in metrics_of(run.folder).items() if step} == {
        step: row["ppo/loss/total"] for step, row in metrics_of(due.folder).items() if step
    }


def test_a_run_that_has_to_end_takes_no_time_to_evaluate(begin: Callable[..., Run]) -> None:
    run = begin(steps=9, eval_every=9)
    run.hold_at(2)
    run.owner.quit()
    run.let_go()
    assert run.join() == "stopped" and run.reader.steps_with_samples(EVAL) == [0]
