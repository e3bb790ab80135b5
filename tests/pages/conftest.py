"""What the pages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ppo_engine.journal  # noqa: F401  before the warm-up of the first page would import it in a thread beside the tests
from ppo_engine import session


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runs folder of the test's own; what it leaves going is ended."""
    monkeypatch.setenv("PPO_LIVE_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    session.shutdown()
