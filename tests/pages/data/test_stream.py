"""The stream on a real server, with real sockets: what it tells, when it is silent, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pages.data import routes, stream, watcher
from pages.data.stream import Streams, ended_by_signals
from pages.data.watcher import Change, Watcher, read_change
from ppo_engine import Config, RunReader, session
from ppo_engine.store import add_note, describe, list_runs
from ppo_engine.store.schema import connect
from tests.pages.components import wait_until
from tests.pages.data.served import Server, served


@pytest.fixture
def server(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(routes, "WATCHER", Watcher())
    monkeypatch.setattr(routes, "STREAMS", Streams(routes.WATCHER))
    with served() as server:
        yield server


@pytest.fixture
def elsewhere(tiny: Callable[..., Config], runs: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`elsewhere(**changes)`: trains a run of this folder in a process of its own."""
    begun: list[subprocess.Popen[bytes]] = []

    def train(**changes: object) -> subprocess.Popen[bytes]:
        settings = tiny(**changes).changes_from("tiny-reviews")
        sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "ppo_engine", "train", "--runs", str(runs), *sets]
        begun.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield train
    for process in begun:
        process.kill()
        process.wait()


def test_it_says_at_once_how_the_run_stands(server: Server, finished: Path) -> None:
    listener = server.stream(finished.name)
    assert listener.reply.status == 200
    assert listener.reply.headers["content-type"] == "text/event-stream"
    assert listener.reply.headers["cache-control"] == "no-store"
    assert listener.reply.headers["x-accel-buffering"] == "no"
    assert Change(**listener.change()) == read_change(finished.name)
    assert listener.retry == "1000", "milliseconds until a browser comes back"


def test_without_a_run_it_tells_of_the_first(
    server: Server, running: session.Session, tiny: Callable[..., Config], runs: Path
) -> None:
    listener = server.stream("")
    before = listener.change()
    assert (before["run"], before["step"], before["state"]) == ("", -1, "")
    session.create(tiny(), "tiny-reviews", runs)
    assert listener.change()["stamp"] != before["stamp"]


def test_each_commit_of_a_run_here_is_told(server: Server, running: session.Session) -> None:
    listener = server.stream(running.folder.name)
    now = listener.change()
    assert now["state"] == "paused" and now["step"] == RunReader(running.folder).info().last_step
    for step in range(now["step"] + 1, now["step"] + 4):
        session.command(running.folder, "step")
        assert listener.until(step=step, state="paused")["version"] != now["version"]
    session.command(running.folder, "stop")
    assert listener.until(state="stopped")["step"] == now["step"] + 3


def test_a_run_of_another_process_is_followed_from_its_first_step_to_its_last(
    server: Server, elsewhere: Callable[..., subprocess.Popen[bytes]], runs: Path
) -> None:
    anywhere = server.stream("")
    anywhere.change()
    elsewhere(steps=6)
    while not list_runs(runs):
        anywhere.change()  # the folder itself, then the run in it
    listener = server.stream(list_runs(runs)[0].name)
    told = [listener.change()]
    while told[-1]["state"] != "finished":
        told.append(listener.change())
    steps = [one["step"] for one in told]
    assert steps == sorted(steps) and steps[-1] == 6
    assert len({one["version"] for one in told}) == len(told) > 2


def test_an_owner_that_is_killed_leaves_an_interrupted_run(
    server: Server, elsewhere: Callable[..., subprocess.Popen[bytes]], runs: Path
) -> None:
    process = elsewhere(steps=10_000)
    wait_until(lambda: bool(list_runs(runs)) and RunReader(list_runs(runs)[0]).info().last_step >= 1)
    listener = server.stream(list_runs(runs)[0].name)
    assert listener.change()["state"] == "running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert listener.until(state="interrupted")["step"] >= 1


def test_it_is_silent_while_nothing_of_the_run_is_new(
    server: Server, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files change, as with an owner's heartbeats, and nothing that anybody is shown."""
    looks: list[str] = []
    monkeypatch.setattr(watcher, "read_change", lambda run: looks.append(run) or read_change(run))
    listener = server.stream(finished.name)
    listener.change()
    for beat in range(3):
        count = len(looks)
        with closing(connect(finished, read_only=False)) as connection:
            connection.execute("update run set heartbeat = ?", (float(beat),))
        wait_until(lambda count=count: len(looks) > count)
    add_note(finished, 1, "a remark")
    assert listener.change()["version"] == read_change(finished.name).version, "the next that it says"


def test_its_sign_of_life_is_what_it_said_last(
    server: Server, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    listener = server.stream(finished.name)
    said = [listener.message() for _ in range(4)]
    assert said[0] == said[1] == said[2] == said[3] and said[0]["data"]


def test_who_comes_back_is_told_nothing_twice(server: Server, finished: Path) -> None:
    first = server.stream(finished.name)
    last = first.message()["id"]
    first.close()
    again = server.stream(finished.name, last)
    assert again.message() == {"": "as you know"}
    add_note(finished, 1, "a remark")
    assert again.message()["id"] != last
    after = server.stream(finished.name, last)
    assert Change(**after.change()) == read_change(finished.name)


def test_who_comes_back_is_told_of_a_run_that_has_begun_meanwhile(
    server: Server, finished: Path, tiny: Callable[..., Config], runs: Path
) -> None:
    """This one has not changed, but what the page says around it has."""
    listener = server.stream(finished.name)
    last, before = listener.message()["id"], read_change(finished.name)
    listener.close()
    session.create(tiny(), "tiny-reviews", runs)
    wait_until(lambda: routes.WATCHER.now(finished.name).stamp != before.stamp)
    told = server.stream(finished.name, last).change()
    assert told["version"] == before.version and told["stamp"] != before.stamp


def test_nothing_is_left_of_clients_that_have_gone(server: Server, finished: Path) -> None:
    def come_and_go() -> tuple[int, int]:
        listeners = [server.stream(finished.name) for _ in range(5)]
        for listener in listeners:
            listener.change()
        assert len(routes.STREAMS) == 5 and server.tasks() > 5
        for listener in listeners:
            listener.close()
        wait_until(lambda: len(routes.STREAMS) == 0 and server.tasks() <= idle)
        assert not any(routes.WATCHER._listeners.values())
        return server.tasks(), threading.active_count()

    server.stream(finished.name).close()
    wait_until(lambda: len(routes.STREAMS) == 0)
    idle = server.tasks()
    for _ in range(3):
        come_and_go()  # until the pool of threads has all that it needs
    assert come_and_go() == come_and_go()


def test_one_stream_too_many_is_refused_in_words(
    server: Server, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 2)
    listeners = [server.stream(finished.name) for _ in range(2)]
    for listener in listeners:
        listener.change()
    refused = server.stream(finished.name)
    assert refused.reply.status == 503
    assert b"2 streams are open, the most allowed; ask `now`" in refused.reply.read()
    listeners[0].close()
    wait_until(lambda: len(routes.STREAMS) == 1)
    assert server.stream(finished.name).change()["run"] == finished.name


def test_all_streams_end_at_once(server: Server, finished: Path, running: session.Session) -> None:
    listeners = [server.stream(run) for run in (finished.name, running.folder.name, "")]
    for listener in listeners:
        listener.change()
    routes.STREAMS.end()
    assert [listener.message() for listener in listeners] == [{}, {}, {}]
    late = server.stream(finished.name)
    assert late.change()["run"] == finished.name and late.message() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_streams_and_is_handled_as_before(number: signal.Signals) -> None:
    heard: list[int] = []
    streams, before = Streams(Watcher()), signal.signal(number, lambda number, frame: heard.append(number))
    try:
        own = signal.getsignal(number)
        with ended_by_signals(streams):
            signal.raise_signal(number)
            assert streams._ended and heard == [number]
        assert signal.getsignal(number) is own
    finally:
        signal.signal(number, before)


def test_a_renamed_run_is_told(server: Server, finished: Path) -> None:
    listener = server.stream(finished.name)
    before = listener.change()
    describe(finished, name="another name")
    after = listener.change()
    assert after["version"] != before["version"] and after["stamp"] != before["stamp"]
