"""The Tokens page's payload for a recorded step: the batch, one sample, one token's trace."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from ppo_engine import ppo
from ppo_engine.analysis.highlights import highlights
from ppo_engine.analysis.token_trace import clip_cases, token_trace
from ppo_engine.charts.series import shortened_or_none
from ppo_engine.columns import COLUMNS, Column, names
from ppo_engine.config import Config
from ppo_engine.records import Array, TokenTable
from ppo_engine.store import RunReader

from ..payloads.tokens import BatchTexts, Highlight, Scatter, StepPart, TokensBatch, TokensState
from ..run_view import batch_of
from ..scales import scale_limit

_FLOATS = names(per_epoch=False, kinds=("float",))
_BY_EPOCH = names(per_epoch=True)
_CLIP_STATE = "Where a clip binds in the chosen epoch: P for the policy clip, V for the value clip."
COLOURS = {name: COLUMNS[name] for name in names(kinds=("float",)) if COLUMNS[name].centre is not None}
"""The columns that can colour the tokens, and, last, where the clips bind."""
COLOURS["clip"] = Column("ratio", "Clip state", "", _CLIP_STATE, centre=1.0, per_epoch=True)


@dataclass(frozen=True)
class ViewState:
    """The page's view. step: None to follow the newest; sample, token: None for the first; epoch: None for
    the last; has: the `batch_key` of the batch that the browser already holds.
    """

    step: int | None = None
    sample: int | None = None
    token: int | None = None
    epoch: int | None = None
    colour: str = "whitened"
    has: str = ""


def payload(folder: Path, look: ViewState) -> TokensState | None:
    """Everything the page draws, the batch only where the browser lacks it; None where no step has tokens."""
    reader = RunReader(folder)
    kept = reader.steps_with_tokens()
    if not kept:
        return None
    step = kept[-1] if look.step is None else min(kept, key=lambda other: abs(other - (look.step or 0)))
    missing = (
        ""
        if look.step in (None, step)
        else f"Step {look.step} has no stored tokens. The nearest step with stored tokens is {step}."
    )
    batch = _batch(folder, step)
    tokens, samples = batch.tokens, batch.whole["samples"]
    epochs = batch.part["epochs"]
    epoch = epochs - 1 if look.epoch is None or not 0 <= look.epoch < epochs else look.epoch
    sample = look.sample if look.sample is not None and 0 <= look.sample < len(samples) else 0
    length = int((tokens.sample == sample).sum())
    token = min(max(look.token or 0, 0), length - 1) if length else None
    key = f"{folder.name}/{step}/{epoch}"
    state: TokensState = {
        **batch.part,
        "batch_key": key,
        "batch": None if look.has == key else _with_scatter(batch.whole, _scatter(folder, step, epoch)),
        "steps": kept,
        "count": len(samples),
        "following": look.step is None,
        "missing": missing,
        "look": {"step": step, "sample": sample, "token": token, "epoch": epoch, "colour": look.colour},
        "epoch_chosen": look.epoch is not None,
        "sample": _sample(tokens, sample, epochs),
        "story": None if token is None else _story(folder, step, sample, token),
    }
    return state


def _with_scatter(whole: BatchTexts, scatter: Scatter) -> TokensBatch:
    return {**whole, "scatter": scatter}


@dataclass(frozen=True)
class _Batch:
    tokens: TokenTable
    config: Config
    part: StepPart
    whole: BatchTexts


@lru_cache(maxsize=16)
def _batch(folder: Path, step: int) -> _Batch:
    """The whole batch's part, computed once per step."""
    reader = RunReader(folder)
    found, config = batch_of(reader, step), _config(folder, step)
    assert found is not None
    tokens, samples = found
    limits = {
        name: scale_limit(shortened_or_none(_at_last(tokens, column)), column.centre or 0.0)
        for name, column in COLOURS.items()
    }
    whole: BatchTexts = {
        "samples": [(one.query, one.response, round(one.score, 4), round(one.kl_sum, 4)) for one in samples],
        "finds": [cast(Highlight, asdict(one)) for one in highlights(tokens, samples)],
    }
    part: StepPart = {
        "step": step,
        "limits": limits,
        "colours": {
            name: {"label": column.title, "centre": column.centre or 0.0, "about": column.tooltip}
            for name, column in COLOURS.items()
        },
        "epochs": int(tokens.epochs_seen.max(initial=0)),  # those that the update reached
        "cliprange": config.cliprange,
        "cliprange_value": config.cliprange_value,
        "restricted": bool(config.top_k or config.top_p < 1),
    }
    return _Batch(tokens, config, part, whole)


def _config(folder: Path, step: int) -> Config:
    """The configuration in force at that step."""
    reader = RunReader(folder)
    row = next(iter(reader.steps(after=step - 1)))
    return reader.config_after(row.config_version)


def _at_last(tokens: TokenTable, column: Column) -> Array:
    if column.per_epoch:
        return tokens.at_last_epoch(column.name, float("nan"))
    return tokens.column(column.name)


def _sample(tokens: TokenTable, sample: int, epochs: int) -> dict[str, Any]:
    """All columns of one sample; per-epoch ones as lists of tokens by epoch, None where never updated."""
    rows = np.flatnonzero(tokens.sample == sample)
    seen = tokens.epochs_seen[rows]
    plain = {name: shortened_or_none(tokens.column(name)[rows]) for name in _FLOATS}
    by_epoch: dict[str, list[list[Any]]] = {}
    for name in _BY_EPOCH:
        column = getattr(tokens, name)[rows]
        by_epoch[name] = [
            [
                value if epoch < count else None
                for value, count in zip(_listed(column[:, epoch]), seen, strict=True)
            ]
            for epoch in range(epochs)
        ]
    return {
        "text": [tokens.text[row] for row in rows],
        "id": tokens.token_id[rows].tolist(),
        **plain,
        **by_epoch,
    }


def _listed(column: Array) -> list[Any]:
    return column.tolist() if column.dtype == bool else shortened_or_none(column)


@lru_cache(maxsize=256)
def _story(folder: Path, step: int, sample: int, token: int) -> dict[str, Any]:
    batch = _batch(folder, step)
    trace = asdict(token_trace(batch.tokens, batch.config, sample, token))
    told = {**trace.pop("columns"), **trace}
    told["returned"] = told.pop("return")
    for epoch in told["epochs"]:
        epoch["case"] = ppo.CLIP_CASES[epoch["case"]]
    return told


@lru_cache(maxsize=32)
def _scatter(folder: Path, step: int, epoch: int) -> Scatter:
    """Each token that the update reached in that epoch: ratio, advantage, case; and counts by case."""
    batch = _batch(folder, step)
    tokens = batch.tokens
    cases = clip_cases(tokens, batch.part["cliprange"], epoch) if epoch >= 0 else np.full(len(tokens), -1)
    there = cases >= 0
    names, counts = ppo.CLIP_CASES, np.bincount(cases[there], minlength=len(ppo.CLIP_CASES))
    return {
        "ratio": shortened_or_none(tokens.ratio[there, epoch]) if there.any() else [],
        "advantage": shortened_or_none(tokens.whitened[there]),
        "case": cases[there].tolist(),
        "sample": tokens.sample[there].tolist(),
        "position": tokens.position[there].tolist(),
        "text": [text for text, is_there in zip(tokens.text, there, strict=True) if is_there],
        "cases": [
            {"name": name, "count": int(count), "cut": place in ppo.BINDING_CASES}
            for place, (name, count) in enumerate(zip(names, counts, strict=True))
        ],
        "unreached": int((~there).sum()),
    }
