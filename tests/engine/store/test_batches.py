"""The batches of old steps go by the rule that is stated, whole and within the budget; all else stays."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppo_engine import Config, RunReader, StepRecord, Trainer
from ppo_engine.errors import StoreError
from ppo_engine.records import EVAL, TRAIN
from ppo_engine.store import DATABASE, RunStore, add_note
from ppo_engine.store.batches import NEWEST_KEPT, StoredBatches, to_thin
from ppo_engine.store.checks import seal_run

TEN = dict.fromkeys(range(1, 111), 10)
"""110 steps of 10 bytes: 1100. The first and 11 to 110, the newest 100, are safe; 2 to 10 are not."""


@pytest.mark.parametrize(
    ("noted", "budget", "gone"),
    [
        ((), 1100, []),
        ((), 1099, [3]),
        ((), 1070, [3, 5, 7]),
        ((), 1060, [3, 5, 7, 9]),
        ((), 1059, [3, 5, 7, 9, 2]),  # the odd ones are gone: now those not divisible by 4
        ((), 1030, [3, 5, 7, 9, 2, 6, 10]),
        ((), 1020, [3, 5, 7, 9, 2, 6, 10, 4]),  # then those not divisible by 8
        ((), 0, [3, 5, 7, 9, 2, 6, 10, 4, 8]),
        ((5, 4, 60, 999), 1020, [3, 7, 9, 2, 6, 10, 8]),
    ],
)
def test_odd_steps_go_first_the_oldest_before_others(
    noted: tuple[int, ...], budget: int, gone: list[int]
) -> None:
    assert to_thin(TEN, noted, budget) == gone


def test_no_more_go_than_needed_whatever_their_sizes() -> None:
    assert to_thin(TEN | {3: 40}, (), 1100) == [3]  # 1130 - 40 = 1090
    # 1210 - 40 - 6 * 10 = 1110, and with the 90 of step 4 1020
    assert to_thin(TEN | {3: 40, 4: 90}, (), 1100) == [3, 5, 7, 9, 2, 6, 10, 4]
    assert to_thin({}, (), 0) == []


def test_a_branchs_first_step_is_the_first_it_has() -> None:
    assert to_thin(dict.fromkeys(range(21, 125), 1), (), 0) == [23, 22, 24]


def twos(step: int) -> int:
    """How often 2 divides it."""
    return 0 if step % 2 else 1 + twos(step // 2)


@given(
    first=st.integers(1, 70),
    sizes=st.lists(st.integers(1, 9), min_size=NEWEST_KEPT, max_size=NEWEST_KEPT + 80),
    noted=st.frozensets(st.integers(1, 250), max_size=12),
    budget=st.integers(0, 900),
)
def test_a_run_that_grows_keeps_what_it_must_and_fits_if_it_can(
    first: int, sizes: list[int], noted: frozenset[int], budget: int
) -> None:
    kept: dict[int, int] = {}
    for step, size in enumerate(sizes, first):
        before = kept | {step: size}
        gone = to_thin(before, noted, budget)
        kept = {one: size for one, size in before.items() if one not in gone}
        assert len(set(gone)) == len(gone) and set(gone) <= set(before)
        safe = {first, *range(step - NEWEST_KEPT + 1, step + 1), *noted} & set(before)
        assert safe <= set(kept)
        assert sum(kept.values()) <= budget or set(kept) == safe
        assert not gone or sum(kept.values()) + before[gone[-1]] > budget, "one too many"
        spared = set(kept) - safe
        assert not gone or min(map(twos, spared), default=99) >= max(map(twos, gone))


@pytest.fixture(scope="module")
def template(tiny: Callable[..., Config]) -> StepRecord:
    """A step with a batch and held-out samples."""
    return list(Trainer(tiny(steps=2)))[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    made = RunStore.create(tmp_path / "a-run", "a-run", "brave-otter", "tiny-reviews", Config())
    yield made
    made.close()


def write(store: RunStore, template: StepRecord, first: int, last: int, budget: int | None = None) -> None:
    """Records the same step under these numbers, thinning after each as a run does."""
    for step in range(first, last + 1):
        store.record(replace(template, step=step))
        if budget is not None:
            store.thin_batches(budget)


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        yield connection


def bytes_counted(folder: Path) -> int:
    """What a store that is opened now says that its batches take."""
    batches = StoredBatches()
    with opened(folder) as connection:
        batches.count_new(connection)
    return batches.total_bytes


def assert_sound(folder: Path, steps: int, template: StepRecord) -> None:
    """Each step is whole, with its batch or without."""
    reader = RunReader(folder)
    assert [row.metrics for row in reader.steps()] == [dict(template.metrics)] * steps
    kept = reader.steps_with_tokens()
    assert reader.steps_with_samples(TRAIN) == kept
    assert reader.steps_with_samples(EVAL) == list(range(1, steps + 1))
    for step in range(1, steps + 1):
        assert reader.samples(step) == (list(template.samples) if step in kept else [])
        assert (reader.tokens(step) is not None) == (step in kept)
        assert repr(reader.samples(step, EVAL)) == repr(list(template.eval_samples))
    with opened(folder) as connection:
        sealed = "select part, step from digests where part in ('tokens', 'train') order by part, step"
        assert connection.execute(sealed).fetchall() == [
            (part, step) for part in ("tokens", "train") for step in kept
        ]
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_an_old_batch_goes_whole_and_nothing_else_does(store: RunStore, template: StepRecord) -> None:
    write(store, template, 1, 110)
    add_note(store.folder, 5, "look here")
    store.thin_batches(0)
    assert RunReader(store.folder).steps_with_tokens() == [1, 5, *range(11, 111)]
    assert_sound(store.folder, 110, template)


def test_nothing_goes_while_all_fit(store: RunStore, template: StepRecord) -> None:
    write(store, template, 1, 110)
    store.thin_batches(bytes_counted(store.folder))
    assert RunReader(store.folder).steps_with_tokens() == list(range(1, 111))
    store.thin_batches(bytes_counted(store.folder) - 1)
    assert 3 not in RunReader(store.folder).steps_with_tokens()


def test_the_file_stays_about_as_large_as_the_budget(store: RunStore, tiny: Callable[..., Config]) -> None:
    """Pages that are freed are used again. 150 of 900 batches fit. Batches this small leave a fifth of their
    pages empty; of 192 samples, the whole file takes 1.04 times its budget.
    """
    bare = replace(list(Trainer(tiny(steps=1, batch_size=40)))[1], metrics={}, eval_samples=())
    write(store, bare, 1, 1)
    budget = 150 * bytes_counted(store.folder)
    sizes = []
    for last in (300, 600, 900):
        write(store, bare, last - 299 if last > 300 else 2, last, budget)
        assert budget * 0.95 < bytes_counted(store.folder) <= budget
        with opened(store.folder) as connection:
            sizes.append(connection.execute("pragma page_count").fetchone()[0] * 4096)
    assert sizes[-1] < 1.35 * budget and sizes[-1] < 1.05 * sizes[0], (sizes, budget)
    kept = RunReader(store.folder).steps_with_tokens()
    assert kept[0] == 1 and kept[-100:] == list(range(801, 901))
    assert len(kept) >= 140 and all(step % 8 == 0 for step in kept[1:20]), kept


def test_a_large_excess_goes_in_parts(store: RunStore, template: StepRecord) -> None:
    write(store, replace(template, metrics={}, eval_samples=()), 1, 330)
    counts = []
    for _ in range(4):
        store.thin_batches(0)
        counts.append(len(RunReader(store.folder).steps_with_tokens()))
    assert counts == [230, 130, 101, 101]


def test_looking_at_the_sizes_costs_the_same_however_many_steps_there_are(
    store: RunStore, template: StepRecord
) -> None:
    """In instructions of SQLite's machine."""

    def instructions(step: int) -> int:
        store.record(replace(template, step=step))
        count = [0]
        store._connection.set_progress_handler(lambda: count.__setitem__(0, count[0] + 1), 1)
        store.thin_batches(10**12)
        store._connection.set_progress_handler(None, 1)
        return count[0]

    few = [instructions(step) for step in range(1, 4)][-1]
    write(store, template, 4, 120, budget=10**12)
    assert 0 < instructions(121) <= few * 1.1


def test_a_reopened_store_counts_what_it_finds(tmp_path: Path, template: StepRecord) -> None:
    store = RunStore.create(tmp_path / "run", "run", "brave-otter", "tiny-reviews", Config())
    write(store, template, 1, 104, budget=0)
    store.enter_state("stopped", 104)
    store.close()
    again = RunStore.reopen(store.folder)
    write(again, template, 105, 106, budget=0)
    assert RunReader(store.folder).steps_with_tokens() == [1, *range(7, 107)]
    assert again._batches.total_bytes == bytes_counted(store.folder)
    assert_sound(store.folder, 106, template)
    again.close()


def test_a_thinning_that_fails_half_way_leaves_all_and_is_done_later(
    store: RunStore, template: StepRecord
) -> None:
    write(store, template, 1, 104)
    with opened(store.folder) as connection:
        connection.execute(
            "create trigger fails before delete on digests when old.part = 'train' and old.step = 3 "
            "begin select raise(abort, 'no more'); end"
        )
    with pytest.raises(StoreError, match="no more"):
        store.thin_batches(0)
    with opened(store.folder) as connection:
        connection.execute("drop trigger fails")
    assert RunReader(store.folder).steps_with_tokens() == list(range(1, 105))
    assert_sound(store.folder, 104, template)
    store.thin_batches(0)
    assert RunReader(store.folder).steps_with_tokens() == [1, *range(5, 105)]
    assert_sound(store.folder, 104, template)


KILLED = """
import os, signal, sys
from pathlib import Path
from ppo_engine.store import RunStore

store = RunStore(Path(sys.argv[1]))
def die(statement):
    if statement.startswith("delete from digests"):
        os.kill(os.getpid(), signal.SIGKILL)
store._connection.set_trace_callback(die)
store.thin_batches(0)
"""


def test_a_kill_between_two_deletions_leaves_all_and_is_done_later(
    store: RunStore, template: StepRecord
) -> None:
    """Tokens and samples are deleted already, their digests are not."""
    write(store, template, 1, 104)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.folder)], cwd=Path(__file__).parents[3], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert RunReader(store.folder).steps_with_tokens() == list(range(1, 105))
    assert_sound(store.folder, 104, template)
    store.thin_batches(0)
    assert RunReader(store.folder).steps_with_tokens() == [1, *range(5, 105)]
    assert_sound(store.folder, 104, template)


@pytest.mark.parametrize("part", ["samples", "tokens"])
def test_a_batch_that_goes_while_it_is_read_is_there_or_not_but_not_damaged(
    store: RunStore, template: StepRecord, part: str
) -> None:
    """It goes just before the reader's last query that looks for a digest."""
    write(store, template, 1, 104)
    reader = RunReader(store.folder)

    def thin(statement: str) -> None:
        if "select digest from digests where part = 'schema'" not in statement and (
            "from digests" in statement
        ):
            store.thin_batches(0)

    with reader.connection() as connection:
        reader._snapshot = connection
        connection.set_trace_callback(thin)
        read: Callable[[int], object] = getattr(reader, part)
        assert read(3) in ([], None)
    assert RunReader(store.folder).steps_with_tokens() == [1, *range(5, 105)]


def test_a_run_from_before_there_was_a_budget_opens_with_the_default(store: RunStore) -> None:
    values = Config().model_dump()
    del values["token_disk_mb"]
    with opened(store.folder) as connection:
        connection.execute("update run set config = ?", (json.dumps(values),))
        seal_run(connection)
    info = RunReader(store.folder).info()
    assert info.config == info.start_config == Config() and info.config.token_disk_mb == 1000
