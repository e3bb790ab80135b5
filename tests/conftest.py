"""What every test shares: no network, no caches outside a temporary folder, and a tiny world to train in.

Hypothesis runs the same examples every time; HYPOTHESIS_PROFILE=explore looks for new ones.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from ppo_engine import Config

_caches = tempfile.TemporaryDirectory(prefix="ppo-live-tests-")  # removed when the interpreter ends
os.environ |= {"HF_HOME": _caches.name, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

settings.register_profile("default", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("explore", deadline=None, derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `policy`, `classifier` and `reviews`: tiny, random, in the Hub's file layout."""
    from tests.engine.checkpoints import write_world

    folder = tmp_path_factory.mktemp("world")
    write_world(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(world: Path) -> Callable[..., Config]:
    """`tiny(**changes)`: the configuration of a run in that world whose steps take a twentieth
    of a second.
    """
    from ppo_engine import Config

    def make(**changes: Any) -> Config:
        return Config(
            **{
                "steps": 2,
                "batch_size": 8,
                "mini_batch_size": 3,
                "ppo_epochs": 2,
                "learning_rate": 1e-3,
                "eval_every": 2,
                "eval_batch_size": 6,
                "output_min_length": 1,
                "output_max_length": 8,
                "model_name": str(world / "policy"),
                "reward_model": str(world / "classifier"),
                "query_dataset": str(world / "reviews"),
                "device": "cpu",
                "threads": 1,
                **changes,
            }
        )

    return make
