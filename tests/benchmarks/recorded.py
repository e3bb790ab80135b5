"""A finished run of large steps for the benchmarks to look at: 256 samples by 16 tokens by 4 epochs."""

from __future__ import annotations

from pathlib import Path

from ppo_engine import Config, session

SIZE = {
    "batch_size": 256,
    "mini_batch_size": 64,
    "ppo_epochs": 4,
    "output_min_length": 16,
    "output_max_length": 16,
    "target_kl": 0.0,
    "eval_every": 100,
    "eval_batch_size": 16,
}


def record(runs: Path, steps: int) -> Path:
    """Trains the built-in world for so many steps; returns the run's folder."""
    folder, owner = session.create(Config.preset("tiny-reviews", steps=steps, **SIZE), "tiny-reviews", runs)
    owner.run()
    return folder
