"""A run's head for those who follow it, the list of runs, and runs side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pages.data import head, run_line
from ppo_engine import RunReader, session
from ppo_engine.store import describe
from tests.pages.door import answer


def test_the_head_gives_metrics_and_events_after_a_cursor(recorded: Path) -> None:
    whole, rows = answer(f"runs/{recorded.name}/head"), RunReader(recorded).steps()
    assert whole["metrics"]["step"] == [0, 1, 2, 3] and not whole["more"]
    assert whole["metrics"]["env/reward_mean"][1:] == pytest.approx(
        [row.metrics["env/reward_mean"] for row in rows[1:]], rel=1e-6
    )
    numbers = [one["number"] for one in whole["events"]]
    assert numbers == sorted(numbers) and len(numbers) > 2
    later = answer(f"runs/{recorded.name}/head?after=2&events={numbers[1]}")
    assert later["metrics"]["step"] == [3] and [one["number"] for one in later["events"]] == numbers[2:]
    assert (later["state"], later["step"], later["steps"]) == ("finished", 3, 3)
    assert later["config"]["batch_size"] == 24


def test_the_head_says_where_there_is_more(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "MOST_STEPS", 2)
    first = answer(f"runs/{recorded.name}/head?events=0")
    assert first["metrics"]["step"] == [0, 1] and first["more"]
    rest = answer(f"runs/{recorded.name}/head?after=1&events=999")
    assert rest["metrics"]["step"] == [2, 3] and not rest["more"]


def test_time_left_counts_the_pace_on_the_wall() -> None:
    assert run_line._seconds_per_step(np.array([0.0, 1.0, 3.0, 13.0])) == 2
    assert np.isnan(run_line._seconds_per_step(np.array([5.0])))


def test_the_line_of_a_run_under_way(running: session.Session) -> None:
    told = answer(f"runs/{running.folder.name}/line")
    step = RunReader(running.folder).info().last_step
    assert told["run"]["state"] == "paused" and told["run"]["step"] == f"step {step} of 50"
    assert told["run"]["share"] == step / 50 and told["parent_step"] is None
    assert told["run"]["machine"].startswith("cpu")


def test_every_run_is_listed_and_what_cannot_be_read_with_its_reason(finished: Path, runs: Path) -> None:
    broken = runs / "20990101-000000-000-broken"
    broken.mkdir()
    (broken / "run.sqlite").write_bytes(b"no database" * 500)
    listed = answer("runs")
    assert [one["id"] for one in listed["runs"]] == [finished.name]
    assert [one["run"] for one in listed["damaged"]] == [broken.name] and listed["damaged"][0]["error"]
    assert str(runs) not in str(listed["runs"])


def test_runs_side_by_side(finished: Path, runs: Path) -> None:
    other = shutil.copytree(finished, runs / "20990101-000000-000-other-run")
    describe(other, name="other")
    told = answer(f"compare?runs={finished.name},{other.name}&metrics=env/reward_mean,objective/kl&points=50")
    assert told["runs"] == [finished.name, other.name] and told["settings"] == {}
    assert set(told["curves"]) == {"env/reward_mean", "objective/kl"}
    rows = RunReader(finished).steps()
    for curve in told["curves"]["env/reward_mean"]:
        assert curve["x"] == [1, 2]
        assert curve["y"] == pytest.approx([row.metrics["env/reward_mean"] for row in rows[1:]], rel=1e-4)
    assert told["openings"]
