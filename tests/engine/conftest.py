"""The engine's tests run on one thread: tiny tensors gain nothing from more, and numbers then repeat
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ppo_engine import Config, session
from ppo_engine.training.models import Policy
from tests.engine.checkpoints import make_policy, make_tokenizer, with_value_head
from tests.engine.runs import Run


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture
def policy(tokenizer: Any) -> Policy:
    """A fresh tiny policy, with a value head that is not 0."""
    return with_value_head(make_policy(tokenizer))


@pytest.fixture
def begin(tiny: Callable[..., Config], tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """`begin(**changes)`: a run of that configuration on a thread of its own, not yet started; ended with the
    test.
    """
    begun: list[Run] = []

    def start(made: tuple[Path, session.RunOwner] | None = None, **changes: object) -> Run:
        """A new run, or one that `session.reopen` or `session.fork` makes: `made` takes the callback for
        records.
        """
        begun.append(
            Run(made or (lambda seen: session.create(tiny(**changes), "tiny-reviews", tmp_path, seen)))
        )
        return begun[-1]

    yield start
    for run in begun:
        run.end()


@pytest.fixture(scope="module")
def runs(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs that differ in seed and lam."""
    home = tmp_path_factory.mktemp("runs")
    for changes in ({"seed": 1}, {"seed": 2, "lam": 0.5}):
        _, owner = session.create(tiny(steps=3, checkpoint_every=2, **changes), "tiny-reviews", home)
        owner.run()
    return home
