"""What the pages' tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ppo_engine.session.replay  # noqa: F401  before a page imports it in a thread beside the tests
from ppo_engine import Config, RunReader, session
from tests.pages.components import wait_until


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runs folder of the test's own; what it leaves going is ended."""
    monkeypatch.setenv("PPO_LIVE_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    session.shutdown()


@pytest.fixture
def running(tiny: Callable[..., Config], runs: Path) -> Iterator[session.Session]:
    """A run that is paused after a step or two, so that it waits for what is asked."""
    begun = session.start(tiny(steps=50), "tiny-reviews", runs)
    wait_until(lambda: RunReader(begun.folder).info().last_step >= 1)
    session.command(begun.folder, "pause")
    wait_until(lambda: RunReader(begun.folder).info().state == "paused")
    yield begun
    session.shutdown()
