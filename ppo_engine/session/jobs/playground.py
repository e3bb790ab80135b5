"""Jobs that need a run's models: done between steps by the run's owner, or by a worker for a run that has
ended.

A job reads the models and draws from generators of its own, so the run goes on as if it had never been asked.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...errors import ConfigError, PPOEngineError
from ...store import RunReader, checkpoint_files, finish_job, requeue_jobs, take_job
from ...training import step_record
from ...training.models import Policy
from ...training.rollout import sample
from ...training.trainer import Trainer
from ..replay import JournaledTrainer
from .update_trace import walk

POLICY, REFERENCE = "policy", "reference"
MOST_SAMPLES = 16
LONGEST_OPENING = 2000
WORKER_WAITS_S = 120.0
"""How long a worker waits for the next job before it ends and gives its memory back."""


def do_jobs(folder: Path, trainer_run: JournaledTrainer) -> int:
    """Answers every job that waits; returns how many. A job that fails leaves its reason as its answer and
    harms nothing else.
    """
    count = 0
    trainer_run.follow()  # an edit that came with the question counts
    while (job := take_job(folder)) is not None:
        try:
            result = JOBS[job.kind](trainer_run.trainer, folder, trainer_run.step, **job.payload)
        except PPOEngineError as error:
            result = {"error": str(error)}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        finish_job(folder, job.number, result)
        count += 1
    return count


def work(
    folder: Path, patience_s: float = WORKER_WAITS_S, wait: Callable[[float], None] = time.sleep
) -> None:
    """Answers the jobs of a run that has ended, from its last checkpoint, until none has come for a while or
    the run is taken up.
    """
    requeue_jobs(folder)
    try:
        trainer_run = JournaledTrainer(folder, checkpoint_files.newest_sound(folder))
    except Exception as error:
        while (job := take_job(folder)) is not None:
            finish_job(folder, job.number, {"error": f"The run's models cannot be loaded: {error}"})
        raise
    last = time.monotonic()
    while time.monotonic() - last < patience_s and not RunReader(folder).info().alive:
        if do_jobs(folder, trainer_run):
            last = time.monotonic()
        wait(0.2)


def playground(
    trainer: Trainer,
    folder: Path,
    step: int,
    *,
    opening: str,
    sources: list[str | int],
    count: int,
    length: int,
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """Continues an opening with the current policy, the reference and checkpoints (by step), all with the
    same random numbers.

    Result: opening; sources: for each its name and samples (text, score, tokens with their probabilities
    under the source).
    """
    _check(opening, sources, count, length, temperature)
    ids = [
        *trainer.special_tokens.begin,
        *trainer.tokenizer(opening, add_special_tokens=False, verbose=False)["input_ids"],
    ]
    ids, room = ids or [trainer.special_tokens.end[0]], trainer.room
    if room is not None and len(ids) + length > room:
        raise ConfigError(
            [
                f"opening = {len(ids)} tokens: must be at most {room - length}, because the policy takes "
                f"{room} tokens in all"
            ]
        )
    uniforms = torch.rand(count, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {
        "opening": opening,
        "sources": [
            {
                "name": _name(source, step),
                "samples": _continuations(
                    trainer, _model(trainer, folder, source), ids, uniforms, temperature
                ),
            }
            for source in sources
        ],
    }


def _check(opening: str, sources: list[str | int], count: int, length: int, temperature: float) -> None:
    problems = []
    if len(opening) > LONGEST_OPENING:
        problems.append(f"opening = {len(opening)} characters: must be at most {LONGEST_OPENING}")
    if not 1 <= count <= MOST_SAMPLES:
        problems.append(f"count = {count}: must be a whole number from 1 to {MOST_SAMPLES}")
    if not 1 <= length <= 256:
        problems.append(f"length = {length}: must be a whole number from 1 to 256")
    if not 0 < temperature <= 10:
        problems.append(f"temperature = {temperature}: must be a number above 0 to 10")
    if not sources:
        problems.append("sources: choose at least one of policy, reference and the checkpoints")
    if problems:
        raise ConfigError(problems)


def _name(source: str | int, step: int) -> str:
    if source == REFERENCE:
        return "reference"
    return f"policy after step {max(0, step) if source == POLICY else source}"


def _model(trainer: Trainer, folder: Path, source: str | int) -> Policy:
    """The model asked for; a checkpoint's weights go into a copy."""
    from safetensors.torch import load_model

    if source == REFERENCE:
        return trainer.reference
    if source == POLICY:
        policy: Policy = trainer.accelerator.unwrap_model(trainer.policy)
        return policy
    there = {one.step: one for one in checkpoint_files.list_checkpoints(folder)}
    if source not in there:
        raise ConfigError(
            [
                f"sources = {source}: has no checkpoint any more; those there are: "
                f"{', '.join(map(str, there)) or 'none'}"
            ]
        )
    there[int(source)].verify()
    model = copy.deepcopy(trainer.reference)
    load_model(model, there[int(source)].folder / "model.safetensors", device=str(trainer.accelerator.device))
    return model


def _continuations(
    trainer: Trainer, model: Policy, ids: list[int], uniforms: torch.Tensor, temperature: float
) -> list[dict[str, Any]]:
    count, length = uniforms.shape
    with trainer.accelerator.autocast():
        rollout = sample(
            model,
            [ids] * count,
            torch.full((count,), length),
            uniforms,
            end_ids=trainer.special_tokens.end,
            pad_id=trainer.special_tokens.pad,
            temperature=temperature,
        )
    rows = [row[mask].tolist() for row, mask in zip(rollout.response_ids, rollout.mask, strict=True)]
    texts = step_record.decoded(trainer.decoder, rollout)
    scores = trainer.score(texts).total.tolist()
    chances = [row[mask].exp().tolist() for row, mask in zip(rollout.logprobs, rollout.mask, strict=True)]
    return [
        {"text": text.response, "score": score, "tokens": _tokens(trainer, row, text.pieces, chance)}
        for text, score, row, chance in zip(texts, scores, rows, chances, strict=True)
    ]


def _tokens(trainer: Trainer, ids: list[int], pieces: list[str], chances: list[float]) -> list[list[Any]]:
    ends = trainer.special_tokens.end
    return [
        [" ∎" if i in ends else piece, round(chance, 4)]
        for i, piece, chance in zip(ids, pieces, chances, strict=True)
    ]


JOBS: dict[str, Callable[..., dict[str, Any]]] = {"playground": playground, "walk": walk}
