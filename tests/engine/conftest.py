"""The engine's tests run on one thread: tiny tensors gain nothing from more, and numbers then repeat everywhere."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
