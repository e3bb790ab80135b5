"""The phases of a step: timed, announced, and with what to lower where one runs out of memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..errors import StepAbandonedError
from .device import synchronize, within_memory

_LOWER = {
    "sample": "batch_size or output_max_length",
    "score": "batch_size or output_max_length",
    "reference": "mini_batch_size",
    "update": "mini_batch_size",
    "evaluate": "eval_batch_size",
    "record": "batch_size",
}
"""The setting to lower where a phase runs out of memory."""


class Phases:
    """on_stage: told each phase as it begins; interrupted: whether the step under way has to be abandoned."""

    def __init__(self, on_stage: Callable[[str], None], interrupted: Callable[[], bool]) -> None:
        self._on_stage = on_stage
        self._interrupted = interrupted
        self.begin()

    def begin(self) -> None:
        """A step begins."""
        self._started, self._times = time.perf_counter(), dict[str, float]()

    @contextmanager
    def phase(self, name: str, device: torch.device) -> Iterator[None]:
        """Times a phase, and says which one it was and what to lower when memory runs out."""
        self.stage(name)
        started = time.perf_counter()
        with within_memory(device, name, f"lower {_LOWER[name]}"):
            yield
            synchronize(device)
        self._times[name] = time.perf_counter() - started

    def seconds(self) -> dict[str, float]:
        """The metrics `time/...` of the step so far."""
        phases = {f"time/{name}": seconds for name, seconds in self._times.items()}
        return {**phases, "time/step": time.perf_counter() - self._started}

    def stage(self, name: str) -> None:
        """Announces what begins now, unless the run has to end."""
        self.give_up_if_interrupted()
        self._on_stage(name)

    def give_up_if_interrupted(self) -> None:
        """Raises `StepAbandonedError` where the run has to end now."""
        if self._interrupted():
            raise StepAbandonedError("the step was cancelled, unrecorded, because the run was stopped")
