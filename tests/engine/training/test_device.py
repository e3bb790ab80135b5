"""The machine: which device is taken, what is said when it is not there, and what is measured of it."""

from __future__ import annotations

import pytest
import torch

from ppo_engine import Config, PPOEngineError
from ppo_engine.errors import DeviceError
from ppo_engine.training.device import make_accelerator, memory_in_use, pick_device


def present() -> list[str]:
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device, there in found.items() if there]


def test_auto_takes_the_best_there_is() -> None:
    assert pick_device("auto") == present()[0]
    assert pick_device("cpu") == "cpu"


@pytest.mark.parametrize("missing", sorted({"cuda", "mps"} - set(present())))
def test_a_device_that_is_not_there_is_refused_with_those_that_are(missing: str) -> None:
    with pytest.raises(
        DeviceError, match=f"^device = {missing}: .* allowed here: {', '.join(['auto', *present()])}$"
    ):
        make_accelerator(Config(device=missing))
    assert issubclass(DeviceError, PPOEngineError)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp32"])
def test_accelerators_of_any_precision_follow_each_other(precision: str) -> None:
    accelerator = make_accelerator(Config(device="cpu", precision=precision))
    assert accelerator.device.type == "cpu"
    assert accelerator.mixed_precision == {"fp32": "no", "bf16": "bf16"}[precision]


def test_memory_in_use_counts_what_is_allocated() -> None:
    before = memory_in_use(torch.device("cpu"))
    held = torch.ones(64 * 2**20, dtype=torch.uint8)
    assert 60 * 2**20 < memory_in_use(torch.device("cpu")) - before < 200 * 2**20
    del held
