"""The recorded example run: what the dashboard shows before anybody has pressed Start."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from ppo_engine.builtin import ASSETS
from ppo_engine.config import Config
from ppo_engine.errors import TrainingError
from ppo_engine.records import pack, unpack
from ppo_engine.session import create
from ppo_engine.store import DATABASE, RunReader

PRESET = "tiny-reviews"
STEPS = 40
SAMPLES = 48
HELD_OUT = 3


def record_example(folder: Path, world: Path = ASSETS, steps: int = STEPS) -> None:
    """Trains the preset on the models in `world`; keeps every metric and a few samples in `folder`: a run
    like any other, but small.
    """
    config = Config.preset(PRESET, steps=steps)
    local = config.changed(
        model_name=str(world / "policy"),
        reward_model=str(world / "classifier"),
        query_dataset=str(world / "reviews"),
    )
    with tempfile.TemporaryDirectory() as runs:
        run, owner = create(local, PRESET, Path(runs))
        owner.run()
        if owner.state != "finished":
            raise TrainingError(f"the example run ended as {owner.state}: {RunReader(run).info().error}")
        _thin(run / DATABASE, config)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / DATABASE, folder / DATABASE)


def _thin(database: Path, config: Config) -> None:
    """Keeps the last step's first samples and tokens, and the first held-out samples of the first and last
    evaluation.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        last = connection.execute("select max(step) from steps").fetchone()[0]
        connection.execute(
            "delete from samples where split = 'train' and (step < ? or sample >= ?)", (last, SAMPLES)
        )
        connection.execute(
            "delete from samples where split = 'eval' and (step not in (0, ?) or sample >= ?)",
            (last, HELD_OUT),
        )
        connection.execute("delete from token_blocks where step < ?", (last,))
        _thin_tokens(connection, last)
        # the checkpoints themselves do not come along
        connection.execute("delete from events where kind = 'checkpoint'")
        connection.execute(
            "update run set name = 'example', id = 'example', config = ?, digest = '', owner_host = '', "
            "owner_file = '', machine = '{}'",
            (config.model_dump_json(),),  # the rest is of the machine that built it
        )
        connection.execute("delete from digests")  # they are of all that was there
        connection.execute("vacuum")


def _thin_tokens(connection: sqlite3.Connection, step: int) -> None:
    tokens = unpack(
        connection.execute("select block from token_blocks where step = ?", (step,)).fetchone()[0]
    )
    connection.execute("update token_blocks set block = ? where step = ?", (pack(tokens.head(SAMPLES)), step))
