"""What the exports' tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, session


@pytest.fixture(scope="module")
def runs(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs that differ in seed and lam."""
    home = tmp_path_factory.mktemp("runs")
    for changes in ({"seed": 1}, {"seed": 2, "lam": 0.5}):
        _, owner = session.create(tiny(steps=3, checkpoint_every=2, **changes), "tiny-reviews", home)
        owner.run()
    return home
