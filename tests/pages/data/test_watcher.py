"""What the watcher looks at, how seldom, and what makes a page new: a stamp differs after what the page's
script draws, and not after a mere step.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue

import pytest

from pages.data import watcher
from pages.data.folder import EXAMPLE
from pages.data.watcher import Change, Watcher, read_change
from ppo_engine import Config, RunReader, StepRecord, session
from ppo_engine.errors import StoreError
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.store import add_note, describe, read_job, submit
from ppo_engine.store.catalog import move_to_trash
from ppo_engine.store.schema import connect
from tests.pages.components import wait_until

PATIENCE_S = 30


@pytest.fixture
def watching(runs: Path) -> Iterator[Watcher]:
    begun = Watcher()
    begun.start()
    yield begun
    begun.stop()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose stores were read, in order."""
    seen: list[str] = []
    monkeypatch.setattr(watcher, "read_change", lambda run: seen.append(run) or read_change(run))
    return seen


def test_where_nobody_looks_on_nothing_is_read(
    watching: Watcher, running: session.Session, looks: list[str]
) -> None:
    step = RunReader(running.folder).info().last_step
    woken = threading.Event()
    end = session.listen(woken.set)  # after the watcher's own
    session.command(running.folder, "step")
    assert woken.wait(PATIENCE_S)
    wait_until(lambda: RunReader(running.folder).info().last_step > step)
    end()
    assert not looks
    told: Queue[Change] = Queue()
    watching.listen(running.folder.name, told.put)
    assert told.get(timeout=PATIENCE_S).run == running.folder.name and set(looks) == {running.folder.name}


def test_many_who_look_on_cost_one_reading(watching: Watcher, finished: Path, looks: list[str]) -> None:
    told: list[Queue[Change]] = [Queue() for _ in range(20)]
    for queue in told:
        watching.listen(finished.name, queue.put)
    watching.now(finished.name)
    wait_until(lambda: watching.now(finished.name) == read_change(finished.name))
    add_note(finished, 1, "a remark")
    version = read_change(finished.name).version
    for queue in told:
        while queue.get(timeout=PATIENCE_S).version != version:
            pass
    for _ in range(100):
        assert watching.now(finished.name).version == version
    assert len(looks) <= 4, "not one for each who looks on or asks"


def test_while_files_stay_as_they_are_no_store_is_read(
    watching: Watcher, finished: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_files: list[object] = []
    files = watcher._files
    monkeypatch.setattr(watcher, "_files", lambda folder: at_files.append(folder) or files(folder))
    monkeypatch.setattr(watcher, "_LOOK_S", 0.001)
    monkeypatch.setattr(watcher, "_SHORTEST_S", 0.001)
    monkeypatch.setattr(watcher, "_OWNER_LOOK_S", 1000.0)
    watching.listen(finished.name, lambda change: None)
    wait_until(lambda: len(looks) > 0)
    count, seen = len(looks), len(at_files)
    wait_until(lambda: len(at_files) > seen + 30)
    assert len(looks) <= count + 1  # it may have been at its first


def test_what_nobody_looks_on_any_more_is_forgotten(
    watching: Watcher, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that happens between two looks."""
    monkeypatch.setattr(watcher, "_REMEMBERED_S", 0.2)
    monkeypatch.setattr(watcher, "_SHORTEST_S", 0.4)
    before = watching.now(finished.name)
    wait_until(lambda: not watching._known)
    add_note(finished, 1, "a remark")
    now = watching.now(finished.name)
    assert now == read_change(finished.name) and now.version != before.version


def test_a_listener_that_has_left_hears_nothing(watching: Watcher, finished: Path) -> None:
    stays: Queue[Change] = Queue()
    left: list[Change] = []
    end = watching.listen(finished.name, left.append)
    watching.listen(finished.name, stays.put)
    stays.get(timeout=PATIENCE_S)
    end()
    heard = len(left)
    add_note(finished, 1, "a remark")
    version = read_change(finished.name).version
    while stays.get(timeout=PATIENCE_S).version != version:
        pass
    assert len(left) == heard


def test_it_can_be_begun_again_after_its_end(finished: Path) -> None:
    one, told = Watcher(), Queue[Change]()
    for _ in range(2):
        one.start()
        end = one.listen(finished.name, told.put)
        add_note(finished, 1, "a remark")
        version = read_change(finished.name).version
        while told.get(timeout=PATIENCE_S).version != version:
            pass
        end()
        one.stop()
    assert "ppo-live watcher" not in [thread.name for thread in threading.enumerate()]
    assert not session._listeners


def stamp(run: Path) -> str:
    return read_change(run.name).stamp


def test_a_mere_step_is_no_reason_to_draw_a_page_anew(tiny: Callable[..., Config], runs: Path) -> None:
    seen: dict[int, Change] = {}

    def look(record: StepRecord) -> None:
        seen[record.step] = read_change(folder.name)

    folder, owner = session.create(
        tiny(steps=6, eval_every=2, checkpoint_every=2), "tiny-reviews", runs, look
    )
    owner.run()
    assert sorted(seen) == [0, 1, 2, 3, 4, 5, 6]
    assert len({change.version for change in seen.values()}) == 7
    assert len({seen[step].stamp for step in range(1, 7)}) == 1
    assert seen[0].stamp != seen[1].stamp, "with the first step there are tokens to look at"


def test_a_note_is_no_reason_either(finished: Path) -> None:
    before = read_change(finished.name)
    add_note(finished, 1, "a remark")
    after = read_change(finished.name)
    assert after.stamp == before.stamp and after.version != before.version


def answered(run: Path, number: int) -> None:
    wait_until(lambda: RunReader(run).command(number)[0] != "queued")


def a_state(run: Path) -> None:
    session.command(run, "stop")
    wait_until(lambda: RunReader(run).info().state == "stopped")


def an_answer(run: Path) -> None:
    answered(run, session.command(run, "checkpoint"))


def another_speed(run: Path) -> None:
    answered(run, session.command(run, "speed", seconds_per_step=1.0))


def an_edit(run: Path) -> None:
    answered(run, session.command(run, "edit", changes={"lam": 0.5}))
    assert RunReader(run).info().config.lam == 0.5


def a_refusal(run: Path) -> None:
    number = submit(run, "edit", "a test", changes={"lam": 7})
    session.command(run, "checkpoint")  # which wakes the owner
    answered(run, number)
    assert RunReader(run).command(number)[0] == "refused"


def another_name(run: Path) -> None:
    describe(run, name="another name")


def a_job(run: Path) -> None:
    session.ask(run, UpdateTraceRequest(2, 0))


def a_newer_run(run: Path) -> None:
    shutil.copytree(run, run.parent / "99990101-000000-000-later-run")


@pytest.mark.parametrize(
    "happens",
    [a_state, an_answer, another_speed, an_edit, a_refusal, another_name, a_job, a_newer_run],
    ids=lambda happens: happens.__name__,
)
def test_what_the_page_draws_makes_it_new(happens: Callable[[Path], None], running: session.Session) -> None:
    before = stamp(running.folder)
    assert stamp(running.folder) == before
    happens(running.folder)
    assert stamp(running.folder) != before


def test_a_job_that_is_done_makes_it_new_once_more(running: session.Session) -> None:
    number = session.ask(running.folder, UpdateTraceRequest(2, 0))
    stamps = {stamp(running.folder)}

    def is_done() -> bool:
        stamps.add(stamp(running.folder))
        return read_job(running.folder, number).state == "done"

    wait_until(is_done)
    wait_until(lambda: len(stamps | {stamp(running.folder)}) > 1)


def test_another_run_that_starts_or_ends_makes_the_page_of_this_one_new(
    finished: Path, tiny: Callable[..., Config], runs: Path
) -> None:
    stamps = [stamp(finished)]
    begun = session.start(tiny(steps=500), "tiny-reviews", runs)
    stamps.append(stamp(finished))
    session.command(begun.folder, "stop")
    begun.thread.join(60)
    stamps.append(stamp(finished))
    assert len(set(stamps)) == 3, "it says that another is training, and then that one is newer"


def test_a_run_that_goes_away_makes_its_page_new(finished: Path) -> None:
    before = read_change(finished.name)
    move_to_trash(finished)
    after = read_change(finished.name)
    assert after.stamp != before.stamp and after.version != before.version
    assert (after.step, after.state) == (-1, "")


def test_a_store_that_breaks_is_a_change_and_no_error(finished: Path) -> None:
    before = read_change(finished.name)
    with closing(connect(finished, read_only=False)) as connection:
        connection.execute("drop table steps")
    after = read_change(finished.name)
    assert after.stamp != before.stamp and after.state == ""


def test_a_failure_that_could_not_be_written_is_a_change(
    running: session.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    before = read_change(running.folder.name)
    for written in ("enter_state", "event"):
        monkeypatch.setattr(running.owner.store, written, full)
    session.command(running.folder, "stop")
    running.thread.join(30)
    after = read_change(running.folder.name)
    assert after.state == "failed" and after.stamp != before.stamp and after.version != before.version


def test_the_example_is_watched_like_a_run(runs: Path) -> None:
    change = read_change(EXAMPLE.name)
    assert (change.step, change.state) == (40, "finished")


def test_a_folder_that_cannot_be_listed_is_no_end_of_watching(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> list[Path]:
        raise StoreError("the runs folder could not be read")

    before = read_change(finished.name)
    monkeypatch.setattr("pages.data.folder.list_runs", refuse)
    during = read_change(finished.name)
    assert during.stamp != before.stamp and during.version != before.version
