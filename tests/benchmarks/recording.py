"""Runs recorded without training, for `long_run`: a very long one, and more steps of it one by one.

    python -m tests.benchmarks.recording FOLDER

becomes the owner of the run in FOLDER, and records a step for every line that it reads: `begin`, then step
numbers. It ends with its input.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ppo_engine import Config, RunReader, session
from ppo_engine.metrics import METRICS
from ppo_engine.records import EVAL, StepRecord
from ppo_engine.store import RunStore

NAME = "20260101-000000-000-long"
WITH_BATCH = 5
"""The newest steps with their samples and tokens."""
EVAL_EVERY = 10
_TRAINED = 3


def trained() -> list[StepRecord]:
    """The untrained policy's record and those of a few steps of the preset, with their batches."""
    with tempfile.TemporaryDirectory() as home:
        config = Config.preset("tiny-reviews", steps=_TRAINED, eval_every=1)
        folder, owner = session.create(config, "tiny-reviews", Path(home))
        owner.run()
        return recorded(folder, range(_TRAINED + 1))


def recorded(folder: Path, steps: range | list[int]) -> list[StepRecord]:
    """The records of those steps."""
    reader, found = RunReader(folder), []
    for step in steps:
        row = reader.step(step)
        batch = tuple(reader.samples(step)), reader.tokens(step), tuple(reader.samples(step, EVAL))
        found.append(StepRecord(step, row.wall_time, 0, row.metrics, *batch))
    return found


def again(real: list[StepRecord], step: int, ended: datetime, chance: random.Random) -> StepRecord:
    """A record like the real ones, without texts: every metric there is, as the run would drift."""
    metrics = real[1 + step % (len(real) - 1)].metrics
    whole = {name: metrics.get(name, 1.0) * (1 + 0.1 * chance.gauss(0, 1)) for name in METRICS}
    evaluates = step % EVAL_EVERY == 0
    kept = {name: value for name, value in whole.items() if evaluates or not name.startswith("eval/")}
    return StepRecord(step, ended, 0, kept)


def records(steps: int, evaluated: bool) -> Iterator[StepRecord]:
    """The whole run's. evaluated: with the held-out texts of every evaluation, else of few."""
    real, chance = trained(), random.Random(0)
    begun = datetime.now(UTC) - timedelta(seconds=steps)
    yield replace(real[0], wall_time=begun)
    for step in range(1, steps + 1):
        record = again(real, step, begun + timedelta(seconds=step), chance)
        texts = real[1 + step % (len(real) - 1)]
        if step > steps - WITH_BATCH:
            record = replace(record, samples=texts.samples, tokens=texts.tokens)
        if step % EVAL_EVERY == 0 and (evaluated or step > steps - 10 * EVAL_EVERY):
            record = replace(record, eval_samples=texts.eval_samples)
        yield record


def make_long(folder: Path, steps: int, evaluated: bool) -> None:
    """The store of a run that was stopped after so many steps: recorded step by step, as an owner does."""
    config = Config.preset("tiny-reviews", steps=10 * steps, eval_every=EVAL_EVERY)
    aside = folder.with_name(f"{NAME}.part")
    store = RunStore.create(aside, NAME, "long", "tiny-reviews", config)
    store.enter_state("running", 0)
    for record in records(steps, evaluated):
        store.record(record)
    store.enter_state("stopped", steps)
    store.close()
    aside.rename(folder)


def follow(folder: Path) -> None:
    """Records a step for each line."""
    last = RunReader(folder).info().last_step
    batch = next(step for step in range(last, 0, -1) if RunReader(folder).tokens(step) is not None)
    real, chance = recorded(folder, [batch, batch]), random.Random(1)
    store = RunStore.reopen(folder)
    try:
        store.enter_state("running", last)
        print("begun", flush=True)
        for line in sys.stdin:
            if line.strip() == "begin":
                continue
            step = int(line)
            record = again(real, step, datetime.now(UTC), chance)
            store.record(replace(record, samples=real[0].samples, tokens=real[0].tokens))
            print(step, flush=True)
    finally:
        store.enter_state("stopped", RunReader(folder).info().last_step)
        store.close()


if __name__ == "__main__":
    follow(Path(sys.argv[1]))
