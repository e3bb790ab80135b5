"""The batches of old steps during a run: thinned to its budget, which no resume, replay or export minds."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ppo_engine import Config, RunReader, session
from ppo_engine.export.tables import table
from ppo_engine.records import first_difference
from ppo_engine.session.replay import replay
from ppo_engine.store import DATABASE, add_note
from tests.engine.runs import Run

SMALL: dict[str, Any] = {
    "batch_size": 2,
    "mini_batch_size": 2,
    "ppo_epochs": 1,
    "output_max_length": 3,
    "eval_every": 53,
    "checkpoint_every": 0,
}
KEPT = [1, 3, *range(7, 107)]
"""Of 106 steps with a note at the third, without any room to spare."""


@pytest.fixture(scope="module")
def thinned(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 106 steps."""
    config, home = tiny(steps=106, token_disk_mb=0, **SMALL), tmp_path_factory.mktemp("thinned")
    run = Run(lambda seen: session.create(config, "tiny-reviews", home, seen))
    run.hold_at(3)
    add_note(run.folder, 3, "look here")
    run.let_go()
    assert run.join() == "finished"
    return run.folder


@pytest.fixture
def run(thinned: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(thinned, tmp_path / "runs" / thinned.name)
    return tmp_path / "runs" / thinned.name


def test_a_run_keeps_the_batches_that_its_budget_asks_for(run: Path) -> None:
    reader = RunReader(run)
    assert reader.steps_with_tokens() == reader.steps_with_samples("train") == KEPT
    assert [row.step for row in reader.steps()] == list(range(107))
    assert reader.steps_with_samples("eval") == [0, 53, 106]


def test_a_thinned_run_replays_identically(run: Path) -> None:
    assert replay(run) == ""


def test_a_thinned_run_resumes_and_finds_no_difference(run: Path, begin: Callable[..., Run]) -> None:
    """From its start, so that steps with their batch and without are recomputed."""
    before = RunReader(run).steps()
    shutil.rmtree(run / "checkpoints")
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        for name in ("steps", "samples", "token_blocks"):
            connection.execute(f"delete from {name} where step > 104")
    rest = begin(lambda seen: session.reopen(run, seen))
    rest.thread.start()
    assert rest.join() == "finished"
    assert not {event.kind for event in rest.reader.events()} & {"difference", "error"}
    after = rest.reader.steps()
    assert [row.step for row in after] == [row.step for row in before]
    for old, new in zip(before, after, strict=True):
        assert first_difference(old.metrics, new.metrics) == ""
    assert rest.reader.steps_with_tokens() == KEPT


def test_an_export_has_the_batches_that_are_kept(run: Path) -> None:
    samples, tokens = table(run, "samples"), table(run, "tokens")
    assert sorted(set(samples[samples["split"] == "train"]["step"])) == KEPT == sorted(set(tokens["step"]))
    assert sorted(set(samples[samples["split"] == "eval"]["step"])) == [0, 53, 106]
    assert list(table(run, "metrics")["step"]) == list(range(107))


def test_the_budget_can_be_lowered_during_a_run(begin: Callable[..., Run]) -> None:
    run = begin(steps=105, **SMALL)
    run.hold_at(104)
    assert run.reader.steps_with_tokens() == list(range(1, 105))
    run.tell("edit", changes={"token_disk_mb": 0})
    run.let_go()
    assert run.join() == "finished"
    assert run.reader.steps_with_tokens() == [1, *range(6, 106)]


def test_a_run_whose_old_samples_are_damaged_goes_on_unthinned_and_says_so(begin: Callable[..., Run]) -> None:
    part = begin(steps=50, **SMALL | {"batch_size": 16})  # so many that new ones are on another page
    part.hold_at(40)
    part.tell("stop")
    part.let_go()
    assert part.join() == "stopped"
    blank_page(part.folder, part.reader.samples(1)[0].response)
    rest = begin(lambda seen: session.reopen(part.folder, seen))
    rest.thread.start()
    assert rest.join() == "finished", rest.owner.error_text
    (message,) = [event.payload["message"] for event in rest.reader.events() if event.kind == "error"]
    assert (
        message.startswith("Samples and tokens of old steps are no longer deleted: ") and "damaged" in message
    )
    assert [row.step for row in rest.reader.steps()] == list(range(51))


def blank_page(folder: Path, response: str) -> None:
    """Zeros in the place of the first page of samples that holds this text."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        size = connection.execute("pragma page_size").fetchone()[0]
    whole = bytearray((folder / DATABASE).read_bytes())
    for start in range(size, len(whole), size):
        page = whole[start : start + size]
        if page[0] == 10 and response.encode() in page and b"train" in page and b"NEGATIVE" in page:
            whole[start : start + size] = bytes(size)
            break
    else:
        raise AssertionError("no such page")
    (folder / DATABASE).write_bytes(whole)
