"""Recorded runs that the door's tests ask about."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ppo_engine import Config, session
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.session.jobs.work import work
from ppo_engine.store import ask_job


@pytest.fixture(scope="session")
def recorded_once(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three steps whose clips bind, with one update taken apart (job 1)."""
    config = tiny(
        steps=3,
        batch_size=24,
        mini_batch_size=8,
        ppo_epochs=3,
        learning_rate=5e-3,
        target_kl=0.0,
        eval_every=1,
    )
    folder, owner = session.create(config, "tiny-reviews", tmp_path_factory.mktemp("recorded"))
    owner.run()
    assert ask_job(folder, UpdateTraceRequest.kind, UpdateTraceRequest(2, 0).payload()) == 1
    work(folder, patience_s=0.1)
    return folder


@pytest.fixture
def recorded(recorded_once: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That run in this server's folder, alone. Not to be changed."""
    monkeypatch.setenv("PPO_LIVE_RUNS", str(recorded_once.parent))
    return recorded_once


@pytest.fixture(scope="session")
def finished_once(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, owner = session.create(tiny(), "tiny-reviews", tmp_path_factory.mktemp("finished"))
    owner.run()
    return folder


@pytest.fixture
def finished(finished_once: Path, runs: Path) -> Path:
    """A run of two steps that a test may change."""
    return shutil.copytree(finished_once, runs / finished_once.name)
