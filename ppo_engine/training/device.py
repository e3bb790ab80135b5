"""The machine: which device, how much memory, and the one place that builds an `Accelerator`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch

from ..config import Config
from ..errors import ConfigError, DeviceError, OutOfMemoryError
from ..sources.faults import is_out_of_memory


def pick_device(wanted: str) -> str:
    """The device to use for `wanted`: itself if it is there, the best there is for auto."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in present.items() if there)
    if not present[wanted]:
        allowed = ", ".join(["auto", *(device for device, there in present.items() if there)])
        raise DeviceError(f"device = {wanted}: not available on this machine; allowed here: {allowed}")
    return wanted


def check_threads(config: Config) -> None:
    """Raises `ConfigError` for more threads than this machine has cores: they would wait for each other."""
    cores = os.cpu_count() or 1
    if config.threads > cores:
        allowed = f"must be a whole number from 0 to {cores} (the CPU cores here)"
        raise ConfigError([f"threads = {config.threads}: {allowed}"])


def make_accelerator(config: Config) -> Any:
    """An `Accelerator` for this run. Its state lives once per process: an earlier run's is dropped."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    # It warns at every checkpoint that tied weights are stored once, as they should be.
    logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
    device = pick_device(config.device)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    return Accelerator(cpu=device == "cpu", mixed_precision="bf16" if config.precision == "bf16" else "no")


def synchronize(device: torch.device) -> None:
    """Waits until the device has done its work, so that phase times are true."""
    if device.type in ("cuda", "mps"):
        torch.accelerator.synchronize()


def memory_in_use(device: torch.device) -> int:
    """Bytes: the device's allocated memory on CUDA, this process's resident memory elsewhere."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


@contextmanager
def within_memory(device: object, phase: str, remedy: str) -> Iterator[None]:
    """Turns a lack of memory inside into an `OutOfMemoryError` that names the phase and what to do."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"out of memory on {device} during “{phase}”: {remedy}") from error
        raise
