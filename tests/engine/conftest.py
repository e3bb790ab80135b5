"""The engine's tests run on one thread: tiny tensors gain nothing from more, and numbers then repeat everywhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ppo_engine.models import Policy
from tests.engine.checkpoints import make_policy, make_tokenizer, with_value_head


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
