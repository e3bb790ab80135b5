"""The playground job: one opening continued by several models with the same random numbers."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from ...errors import ConfigError
from ...store import checkpoint_files
from ...training import step_record
from ...training.models import Policy
from ...training.rollout import sample
from ...training.trainer import Trainer
from .requests import POLICY, REFERENCE, PlaygroundRequest
from .results import PlayedSample, PlayedSource, PlaygroundResult


def playground(trainer: Trainer, folder: Path, step: int, request: PlaygroundRequest) -> PlaygroundResult:
    """Continues an opening with each source, all from the same random numbers. Raises `ConfigError`."""
    count, length, temperature = request.count, request.length, request.temperature
    ids = _opening_ids(trainer, request)
    generator = torch.Generator().manual_seed(request.seed)
    uniforms = torch.rand(count, length, generator=generator, dtype=torch.float64)

    def played(source: str | int) -> PlayedSource:
        model = _model(trainer, folder, source)
        return {
            "name": _name(source, step),
            "samples": _continuations(trainer, model, ids, uniforms, temperature),
        }

    return {"opening": request.opening, "sources": [played(source) for source in request.sources]}


def _opening_ids(trainer: Trainer, request: PlaygroundRequest) -> list[int]:
    """The token ids of the opening; end-of-text for an empty one."""
    opening = trainer.tokenizer(request.opening, add_special_tokens=False, verbose=False)["input_ids"]
    ids = [*trainer.special_tokens.begin, *opening] or [trainer.special_tokens.end[0]]
    room, length = trainer.room, request.length
    if room is not None and len(ids) + length > room:
        most = room - length
        raise ConfigError(
            [f"opening = {len(ids)} tokens: must be at most {most}; the policy's context is {room} tokens"]
        )
    return ids


def _name(source: str | int, step: int) -> str:
    if source == REFERENCE:
        return "reference"
    return f"policy after step {max(0, step) if source == POLICY else source}"


def _model(trainer: Trainer, folder: Path, source: str | int) -> Policy:
    """The requested model; a checkpoint's weights are loaded into a copy."""
    from safetensors.torch import load_model

    if source == REFERENCE:
        return trainer.reference
    if source == POLICY:
        policy: Policy = trainer.accelerator.unwrap_model(trainer.policy)
        return policy
    there = {one.step: one for one in checkpoint_files.list_checkpoints(folder)}
    if source not in there:
        allowed = ", ".join(map(str, there)) or "none"
        raise ConfigError([f"sources = {source}: this checkpoint was deleted; available: {allowed}"])
    there[int(source)].verify()
    model = copy.deepcopy(trainer.reference)
    load_model(model, there[int(source)].folder / "model.safetensors", device=str(trainer.accelerator.device))
    return model


def _continuations(
    trainer: Trainer, model: Policy, ids: list[int], uniforms: torch.Tensor, temperature: float
) -> list[PlayedSample]:
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


def _tokens(
    trainer: Trainer, ids: list[int], pieces: list[str], chances: list[float]
) -> list[tuple[str, float]]:
    ends = trainer.special_tokens.end
    rows = zip(ids, pieces, chances, strict=True)
    return [(" ∎" if i in ends else piece, round(chance, 4)) for i, piece, chance in rows]
