"""Metrics in blocks: the same numbers as in the steps' own rows, however a run was written and stopped."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ppo_engine import Config, RunReader, StepRecord
from ppo_engine.errors import StoreError
from ppo_engine.store import DATABASE, RunStore
from ppo_engine.store.metric_blocks import STEPS_A_BLOCK

KL, SCORE = "objective/kl", "eval/reward_mean"


def record(step: int) -> StepRecord:
    metrics = {KL: math.inf if step == 7 else step / 7}
    if step % 10 == 0:
        metrics[SCORE] = -float(step)
    return StepRecord(step, datetime.fromtimestamp(1e9 + step, UTC), 0, metrics)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    made = RunStore.create(tmp_path / "a-run", "a-run", "brave-otter", "tiny-reviews", Config())
    yield made
    made.close()


def blocks(folder: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute("select first, last from metric_blocks order by first").fetchall()


@pytest.mark.parametrize("after", [-1, 3, STEPS_A_BLOCK - 1, STEPS_A_BLOCK + 4, 2 * STEPS_A_BLOCK + 8])
def test_columns_are_the_rows(store: RunStore, after: int) -> None:
    for step in range(2 * STEPS_A_BLOCK + 9):
        store.record(record(step))
    reader = RunReader(store.folder)
    assert blocks(store.folder) == [(0, STEPS_A_BLOCK - 1), (STEPS_A_BLOCK, 2 * STEPS_A_BLOCK - 1)]
    columns, rows = reader.columns([KL, SCORE], after), reader.steps(after)
    assert columns["step"].tolist() == [row.step for row in rows]
    assert columns["wall_time"].tolist() == [row.wall_time.timestamp() for row in rows]
    for name in (KL, SCORE):
        np.testing.assert_array_equal(columns[name], [row.metrics.get(name, math.nan) for row in rows])


def test_a_resumed_run_goes_on_where_its_blocks_end(tmp_path: Path) -> None:
    """Also one of an older version, which has none yet."""
    store = RunStore.create(tmp_path / "a-run", "a-run", "brave-otter", "tiny-reviews", Config())
    for step in range(2 * STEPS_A_BLOCK + 2):
        store.record(record(step))
    store._connection.execute("delete from metric_blocks")
    store.enter_state("stopped", 0)
    store.close()
    again = RunStore.reopen(store.folder)
    again.record(record(2 * STEPS_A_BLOCK + 2))
    again.close()
    assert blocks(store.folder) == [(0, STEPS_A_BLOCK - 1), (STEPS_A_BLOCK, 2 * STEPS_A_BLOCK - 1)]
    steps = RunReader(store.folder).columns([KL])["step"]
    assert steps.tolist() == list(range(2 * STEPS_A_BLOCK + 3))


def test_a_late_evaluation_counts_for_its_step(store: RunStore) -> None:
    for step in range(STEPS_A_BLOCK):
        store.record(record(step))
    last = STEPS_A_BLOCK - 1
    store.add_evaluation(last, {SCORE: 2.5}, [])
    columns = RunReader(store.folder).columns([KL, SCORE])
    assert columns[SCORE][last] == 2.5 and columns[KL][last] == last / 7
    assert np.isfinite(columns[SCORE]).sum() == 1 + STEPS_A_BLOCK // 10 + 1


def test_a_flipped_bit_in_a_block_is_found(store: RunStore) -> None:
    for step in range(STEPS_A_BLOCK):
        store.record(record(step))
    block = bytearray(store._connection.execute("select block from metric_blocks").fetchone()[0])
    block[len(block) // 2] ^= 1
    store._connection.execute("update metric_blocks set block = ?", (bytes(block),))
    with pytest.raises(StoreError, match="the blocks of step 0 are corrupted"):
        RunReader(store.folder).columns([KL])
