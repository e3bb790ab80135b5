"""Processes jobs: between steps by the run's owner, or by a worker for a run that has ended.

A job only reads the models and has random generators of its own, so the run is unaffected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import PPOEngineError
from ...store import Job, RunReader, checkpoint_files, finish_job, requeue_jobs, take_job
from ..replay import JournaledTrainer
from .playground import playground
from .requests import PlaygroundRequest, UpdateTraceRequest, read_request
from .update_trace import update_trace

WORKER_WAITS_S = 120.0
"""How long a worker waits for the next job before it ends and frees its memory."""


def do_jobs(folder: Path, trainer_run: JournaledTrainer) -> int:
    """Processes every queued job; returns their number. The result of a failed job is its reason."""
    count = 0
    trainer_run.follow()  # an edit that came with the question counts
    while (job := take_job(folder)) is not None:
        result: Mapping[str, Any]
        try:
            result = _answer(job, folder, trainer_run)
        except PPOEngineError as error:
            result = {"error": str(error)}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        finish_job(folder, job.number, result)
        count += 1
    return count


def _answer(job: Job, folder: Path, trainer_run: JournaledTrainer) -> Mapping[str, Any]:
    trainer, step = trainer_run.trainer, trainer_run.step
    match read_request(job.kind, job.payload):
        case PlaygroundRequest() as request:
            return playground(trainer, folder, step, request)
        case UpdateTraceRequest() as request:
            return update_trace(trainer, step, request)
        case other:
            raise TypeError(other)


def work(
    folder: Path, patience_s: float = WORKER_WAITS_S, wait: Callable[[float], None] = time.sleep
) -> None:
    """Processes an ended run's jobs from its last checkpoint, until idle for a while or resumed."""
    requeue_jobs(folder)
    try:
        trainer_run = JournaledTrainer(folder, checkpoint_files.newest_sound(folder))
    except Exception as error:
        while (job := take_job(folder)) is not None:
            finish_job(folder, job.number, {"error": f"The run's models could not be loaded: {error}"})
        raise
    last = time.monotonic()
    while time.monotonic() - last < patience_s and not RunReader(folder).info().alive:
        if do_jobs(folder, trainer_run):
            last = time.monotonic()
        wait(0.2)
