"""A run's life: every command at the next step boundary, every end with its reason, and one run at a time."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.errors import RunBusyError, StoreError
from ppo_engine.store import DATABASE
from tests.engine.runs import PATIENCE_S, Run


def test_a_run_goes_from_loading_to_finished(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    assert run.reader.info().state == "loading"
    run.thread.start()
    assert run.join() == "finished"
    assert run.seen == [0, 1, 2, 3] == [row.step for row in run.reader.steps()]
    assert run.states() == ["running", "finished"]
    assert run.reader.info().memory_bytes > 1e6 and run.reader.info().device == "cpu"


def test_a_step_is_committed_before_it_is_announced(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.hold_at(1)
    assert run.reader.info().last_step == 1
    run.let_go()
    run.join()


def test_pause_step_resume_take_effect_between_steps(begin: Callable[..., Run]) -> None:
    run = begin(steps=4)
    run.hold_at(1)
    pause = run.tell("pause")
    run.let_go()
    assert run.wait_for_answer(pause) == ("applied", "")
    assert run.reader.info().state == "paused" and run.seen == [0, 1]

    assert run.wait_for_answer(run.tell("step")) == ("applied", "")
    run.wait_for(2)
    assert run.wait_for_answer(run.tell("pause")) == ("refused", "the run is already paused")
    assert run.seen == [0, 1, 2]

    assert run.wait_for_answer(run.tell("resume")) == ("applied", "")
    assert run.join() == "finished"
    states = run.states()
    assert states == ["running", "paused", "running", "finished"]


def test_step_while_running_takes_one_and_pauses(begin: Callable[..., Run]) -> None:
    run = begin(steps=5)
    run.hold_at(1)
    step = run.tell("step")
    run.let_go()
    run.wait_for_answer(step)
    run.wait_for(2)
    assert run.wait_for_answer(run.tell("pause"))[0] == "refused"
    assert run.seen == [0, 1, 2]


def test_step_before_training_has_begun_takes_one_ppo_step(begin: Callable[..., Run]) -> None:
    run = begin(steps=5)
    run.tell("pause")
    step = run.tell("step")
    run.thread.start()
    assert run.wait_for_answer(step) == ("applied", "")
    run.wait_for(1)
    assert run.wait_for_answer(run.tell("pause")) == ("refused", "the run is already paused")
    assert run.seen == [0, 1]


@pytest.mark.parametrize("first", ["pause", "step"])
def test_pause_while_loading_waits_for_the_models_and_still_heeds_stop(
    begin: Callable[..., Run], first: str
) -> None:
    run = begin(steps=5)
    run.tell(first)
    run.tell("pause")
    run.tell("stop")
    run.thread.start()
    assert run.join() == "stopped"
    states = run.states()
    assert states == ["stopped"], "it never left the loading state"


def test_a_folder_that_takes_no_more_words_leaves_them_with_the_owner(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.hold_at(1)
    with sqlite3.connect(run.folder / DATABASE) as connection:
        for table in ("steps", "events", "run"):
            connection.execute(f"drop table {table}")
    run.let_go()
    run.thread.join(PATIENCE_S)
    assert not run.thread.is_alive() and run.owner.state == "failed"
    assert "no such table" in run.owner.error_text


def test_resume_of_a_running_run_is_refused(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    run.hold_at(1)
    resume = run.tell("resume")
    run.let_go()
    run.join()
    assert run.reader.command(resume) == ("refused", "the run is not paused")


@pytest.mark.parametrize("paused", [False, True])
def test_stop_ends_the_run_and_keeps_its_steps(begin: Callable[..., Run], paused: bool) -> None:
    run = begin(steps=50)
    run.hold_at(2)
    if paused:
        run.tell("pause")
    run.tell("stop")
    run.let_go()
    assert run.join() == "stopped"
    assert [row.step for row in run.reader.steps()] == [0, 1, 2]
    with pytest.raises(StoreError, match="the run has stopped"):
        session.command(run.folder, "resume")


def test_commands_that_come_too_late_are_answered(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.hold_at(2)
    late = run.tell("pause")
    run.let_go()
    assert run.join() == "finished"
    assert run.reader.command(late) == ("refused", "the run has finished")


def test_stop_while_loading_ends_before_the_first_step(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.tell("stop")
    run.thread.start()
    assert run.join() == "stopped"
    assert run.seen == []


def test_speed_is_the_least_time_of_a_step_and_can_change(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    run.hold_at(0)
    run.tell("speed", seconds_per_step=0.4)
    run.let_go()
    run.join()
    times = [row.wall_time for row in run.reader.steps()]
    assert (times[2] - times[1]).total_seconds() > 0.2, (
        "the pause is counted from a step's beginning, and is far longer than a step"
    )
    assert run.reader.info().seconds_per_step == 0.4


def test_a_slow_run_still_obeys_at_once(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.hold_at(0)
    run.tell("speed", seconds_per_step=3600.0)
    run.let_go()
    run.wait_for(1)
    run.tell("stop")
    assert run.join() == "stopped"


def test_quitting_lets_the_step_finish_if_it_can(begin: Callable[..., Run]) -> None:
    run = begin(steps=50)
    run.hold_at(1)
    run.owner.quit(within_s=PATIENCE_S)
    run.let_go()
    assert run.join() == "stopped"
    assert run.reader.info().last_step == 1


def test_quitting_abandons_a_long_step_unrecorded(begin: Callable[..., Run]) -> None:
    """A step of very many epochs: it would take minutes, and is given up between two minibatches."""
    run = begin(steps=2, ppo_epochs=100, batch_size=256, mini_batch_size=1)
    run.thread.start()
    run.wait_for(0)
    begun = time.monotonic()
    run.owner.quit(within_s=0.1)
    assert run.join() == "stopped"
    assert time.monotonic() - begun < 5
    assert [row.step for row in run.reader.steps()] == [0]


def test_a_run_waits_for_the_imports_that_are_under_way(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing from transformers while another thread imports it fails: a Start right after the first page
    would fail its run.
    """
    order, run = [], session.RunOwner.run

    class Imports(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            order.append("imported")

    monkeypatch.setattr(session, "_warming", Imports())
    monkeypatch.setattr(session.RunOwner, "run", lambda owner: (order.append("run"), run(owner)))
    begun = session.start(tiny(steps=1), "tiny-reviews", tmp_path)
    begun.thread.join(PATIENCE_S)
    assert order == ["imported", "run"] and RunReader(begun.folder).info().state == "finished"


def test_one_run_at_a_time(tiny: Callable[..., Config], tmp_path: Path) -> None:
    first = session.start(tiny(steps=1_000_000), "tiny-reviews", tmp_path)
    try:
        with pytest.raises(RunBusyError, match=RunReader(first.folder).info().name):
            session.start(tiny(), "tiny-reviews", tmp_path)
        assert session.current() is first and first.alive
    finally:
        session.shutdown()
    assert not first.alive and RunReader(first.folder).info().state == "stopped"
    second = session.start(tiny(steps=1), "tiny-reviews", tmp_path)
    second.thread.join(PATIENCE_S)
    assert RunReader(second.folder).info().state == "finished"


def test_a_run_that_still_clears_its_models_away_is_not_on_and_can_be_resumed(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    first = session.start(tiny(steps=1_000_000), "tiny-reviews", tmp_path)
    clearing, go_on = threading.Event(), threading.Event()

    def hold(phase: str, _: dict[str, int]) -> None:
        if (
            phase == "start"
            and threading.current_thread() is first.thread
            and RunReader(first.folder).info().state == "stopped"
        ):
            clearing.set()
            go_on.wait(PATIENCE_S)

    gc.callbacks.append(hold)
    try:
        session.command(first.folder, "stop")
        assert clearing.wait(PATIENCE_S) and first.thread.is_alive()
        assert session.running() is None
        threading.Timer(0.1, go_on.set).start()
        assert session.resume(first.folder).alive and not first.thread.is_alive()
    finally:
        gc.callbacks.remove(hold)
        session.shutdown()
    assert RunReader(first.folder).info().state == "stopped"


def test_a_second_run_with_another_precision_works_in_the_same_process(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    for precision in ("fp32", "bf16"):
        begun = session.start(tiny(steps=1, precision=precision), "tiny-reviews", tmp_path)
        begun.thread.join(PATIENCE_S)
        info = RunReader(begun.folder).info()
        assert info.state == "finished", info.error


def test_a_missing_model_fails_the_run_with_what_to_do(begin: Callable[..., Run]) -> None:
    run = begin(model_name="/nowhere/at/all")
    run.thread.start()
    assert run.join() == "failed"
    assert "model_name = /nowhere/at/all" in run.reader.info().error


def test_the_models_of_an_ended_run_are_freed(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that failed: a traceback that is kept holds on to every frame, and so to the models."""
    from ppo_engine.training.models import Policy

    made: weakref.WeakSet[Policy] = weakref.WeakSet()
    build = Policy.__init__

    def remembered(policy: Policy, language_model: object) -> None:
        build(policy, language_model)
        made.add(policy)
        policy.itself = [policy]  # a cycle, as a large model has many: only a collection can free it

    monkeypatch.setattr(Policy, "__init__", remembered)
    for changes in ({}, {"query_dataset": "/no/such/folder"}):
        begun = session.start(tiny(steps=1, **changes), "tiny-reviews", tmp_path)
        begun.thread.join(PATIENCE_S)
        assert RunReader(begun.folder).info().state in ("finished", "failed")
        assert not made
