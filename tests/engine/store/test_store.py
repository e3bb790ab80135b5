"""The run store: what was committed is read back, readers never see half a step, and every refusal says what
to do.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ppo_engine import Config, RunReader, StepRecord, Trainer
from ppo_engine.errors import ConfigError, StoreError
from ppo_engine.records import EVAL
from ppo_engine.store import DATABASE, RunStore, list_runs, submit
from ppo_engine.store.schema import SCHEMA_VERSION


@pytest.fixture(scope="module")
def records(tiny: Callable[..., Config]) -> list[StepRecord]:
    return list(Trainer(tiny(steps=3)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    made = RunStore.create(tmp_path / "a-run", "a-run", "brave-otter", "tiny-reviews", Config())
    yield made
    made.close()


def test_a_step_is_read_back_as_it_was_recorded(store: RunStore, records: list[StepRecord]) -> None:
    for record in records:
        store.record(record)
    reader = RunReader(store.folder)
    rows = reader.steps()
    assert [row.step for row in rows] == [0, 1, 2, 3]
    assert [row.metrics for row in rows] == [dict(record.metrics) for record in records]
    assert [row.wall_time for row in rows] == [record.wall_time for record in records]
    for record in records[1:]:
        assert reader.samples(record.step) == list(record.samples)
    held_out, recorded = reader.samples(0, EVAL), records[0].eval_samples
    assert [sample.response for sample in held_out] == [sample.response for sample in recorded]
    assert all(math.isnan(sample.kl_sum) for sample in held_out)


def test_tokens_are_read_back_bit_for_bit(store: RunStore, records: list[StepRecord]) -> None:
    store.record(records[2])
    tokens, recorded = RunReader(store.folder).tokens(2), records[2].tokens
    assert tokens is not None and recorded is not None
    assert tokens.text == recorded.text
    for name in (
        "token_id",
        "old_logprob",
        "whitened",
        "ratio",
        "new_value",
        "policy_clip",
        "value_clip",
        "kl",
        "reward",
        "delta",
        "return",
    ):
        np.testing.assert_array_equal(tokens.column(name), recorded.column(name), err_msg=name)


def test_steps_after_a_number_are_the_new_ones(store: RunStore, records: list[StepRecord]) -> None:
    for record in records:
        store.record(record)
    assert [row.step for row in RunReader(store.folder).steps(after=1)] == [2, 3]


def test_a_step_that_fails_half_way_leaves_nothing(store: RunStore, records: list[StepRecord]) -> None:
    store.record(records[1])
    with pytest.raises(StoreError):
        store.record(records[1])  # the same step again: its row is refused after the transaction has begun
    with sqlite3.connect(store.folder / DATABASE) as connection:
        assert connection.execute("select count(*) from samples where split = 'train'").fetchone()[0] == len(
            records[1].samples
        )
    store.record(records[2])
    assert RunReader(store.folder).info().last_step == 2


def test_a_reader_holds_no_transaction(store: RunStore, records: list[StepRecord]) -> None:
    """A checkpoint that has to wait for a reader reports busy; after any call of a reader none does."""
    reader = RunReader(store.folder)
    for record in records:
        store.record(record)
        (
            reader.steps(),
            reader.info(),
            reader.samples(record.step),
            reader.tokens(record.step),
            reader.events(),
        )
    with sqlite3.connect(store.folder / DATABASE) as connection:
        busy, pages, checkpointed = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert (busy, pages - checkpointed) == (0, 0)


def test_a_closed_run_opens_from_a_read_only_folder(tmp_path: Path, records: list[StepRecord]) -> None:
    store = RunStore.create(tmp_path / "run", "run", "name", "tiny-reviews", Config())
    store.record(records[1])
    store.enter_state("finished", 1)
    store.close()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {DATABASE, "README.txt"}
    with sqlite3.connect(tmp_path / "run" / DATABASE) as connection:
        assert connection.execute("pragma journal_mode").fetchone()[0] == "delete"
    os.chmod(tmp_path / "run", 0o500)
    assert RunReader(tmp_path / "run").info().state == "finished"


def test_the_run_row_tells_what_was_started(store: RunStore) -> None:
    info = RunReader(store.folder).info()
    assert (info.id, info.name, info.preset, info.state, info.last_step) == (
        "a-run",
        "brave-otter",
        "tiny-reviews",
        "loading",
        -1,
    )
    assert info.config == Config() and info.versions["torch"] and info.alive


def test_state_changes_are_journalled(store: RunStore) -> None:
    store.enter_state("running", 0, device="cpu")
    store.enter_state("paused", 4)
    events = RunReader(store.folder).events()
    assert [(event.step, event.payload["state"]) for event in events] == [(0, "running"), (4, "paused")]
    assert RunReader(store.folder).info().device == "cpu"


def test_a_command_is_queued_then_settled(store: RunStore) -> None:
    number = submit(store.folder, "speed", "tab", seconds_per_step=1.0)
    assert store.queued() == [(number, "speed", {"seconds_per_step": 1.0})]
    assert RunReader(store.folder).command(number) == ("queued", "")
    store.settle(number, "because", 3)
    assert RunReader(store.folder).command(number) == ("refused", "because")
    assert store.queued() == []


def test_an_unknown_command_is_refused_with_what_is_allowed(store: RunStore) -> None:
    with pytest.raises(
        ConfigError, match=r"command = dance: must be one of pause, resume, step, stop, speed"
    ):
        submit(store.folder, "dance", "tab")


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
def test_an_ended_run_takes_no_commands(store: RunStore, state: str) -> None:
    store.enter_state(state, 2)
    with pytest.raises(StoreError, match=f"pause: the run has {state}"):
        submit(store.folder, "pause", "tab")


def test_a_run_whose_owner_died_is_interrupted(tmp_path: Path) -> None:
    """A real process that makes a run, commits to it and is killed."""
    code = (
        "import sys, time; from pathlib import Path; from ppo_engine import Config; from ppo_engine.store "
        "import RunStore\nstore = RunStore.create(Path(sys.argv[1]), 'r', 'r', 'tiny-reviews', Config()); "
        "store.enter_state('running', 0)\nprint('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    assert RunReader(tmp_path / "run").info().state == "running"
    process.kill()
    process.wait()
    info = RunReader(tmp_path / "run").info()
    assert info.state == "interrupted" and not info.alive


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"not a run folder .* give the path of a run"):
        RunReader(tmp_path).info()


def test_a_newer_schema_is_refused(store: RunStore) -> None:
    with sqlite3.connect(store.folder / DATABASE) as connection:
        connection.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match="newer version"):
        RunReader(store.folder).info()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="could not be read"):
        RunReader(tmp_path).info()


def test_a_place_that_cannot_hold_runs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the runs folder should be")
    with pytest.raises(StoreError, match="choose another runs folder"):
        RunStore.create(tmp_path / "file" / "run", "r", "r", "tiny-reviews", Config())


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    for run_id in ("20260101-a", "20260301-b", "20260201-c"):
        RunStore.create(tmp_path / run_id, run_id, run_id, "tiny-reviews", Config()).close()
    (tmp_path / "not-a-run").mkdir()
    assert [folder.name for folder in list_runs(tmp_path)] == ["20260301-b", "20260201-c", "20260101-a"]
    assert list_runs(tmp_path / "nowhere") == []


def test_metrics_that_are_not_finite_survive(store: RunStore, records: list[StepRecord]) -> None:
    from dataclasses import replace

    store.record(replace(records[1], metrics={"ppo/loss/policy": math.nan, "objective/kl": math.inf}))
    metrics = RunReader(store.folder).steps()[0].metrics
    assert math.isnan(metrics["ppo/loss/policy"]) and metrics["objective/kl"] == math.inf


def test_the_configuration_is_stored_as_json(store: RunStore) -> None:
    with sqlite3.connect(store.folder / DATABASE) as connection:
        assert json.loads(connection.execute("select config from run").fetchone()[0]) == Config().model_dump()
