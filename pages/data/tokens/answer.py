"""What the Tokens page shows of a recorded step: the batch in one epoch, a sample, a token's trace."""

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
from ppo_engine.records import Array, Sample, TokenTable
from ppo_engine.store import RunReader

from ..answers import RefusedError
from ..asked import Asked
from ..payloads.tokens import Highlight, SampleAnswer, Scatter, TokensAnswer, TraceAnswer
from ..scales import scale_limit
from ..steps import not_stored
from ..view import batch_of

_FLOATS = names(per_epoch=False, kinds=("float",))
_BY_EPOCH = names(per_epoch=True)
_COLOURS = {name: COLUMNS[name] for name in names(kinds=("float",)) if COLUMNS[name].centre is not None}
_COLOURS["clip"] = COLUMNS["ratio"]  # where the clips bind, beside the ratio


def tokens_batch(asked: Asked) -> TokensAnswer:
    """epoch: of the update, from 0; the last by default."""
    step = asked.number("step")
    batch = _batch(asked.folder, step)
    tokens, epochs, config = batch.tokens, batch.epochs, batch.config
    epoch = asked.whole("epoch", epochs - 1) if epochs else -1
    if epoch >= epochs > 0:
        there = f"epochs 0 to {epochs - 1}" if epochs > 1 else "only epoch 0"
        raise RefusedError(404, f"epoch = {epoch}: the update of step {step} has {there}")
    return {
        "step": step,
        "epoch": epoch,
        "epochs": epochs,
        "limits": {
            name: scale_limit(shortened_or_none(_at_last(tokens, column)), column.centre or 0.0)
            for name, column in _COLOURS.items()
        },
        "cliprange": config.cliprange,
        "cliprange_value": config.cliprange_value,
        "restricted": bool(config.top_k or config.top_p < 1),
        "samples": [
            (one.query, one.response, round(one.score, 4), round(one.kl_sum, 4)) for one in batch.samples
        ],
        "finds": [cast(Highlight, asdict(one)) for one in highlights(tokens, batch.samples)],
        "scatter": _scatter(tokens, config.cliprange, epoch),
    }


def sample(asked: Asked) -> SampleAnswer:
    """All columns of a sample's tokens."""
    step, index = asked.number("step"), asked.number("sample")
    batch = _batch(asked.folder, step)
    _check(index, len(batch.samples), "sample", f"step {step}")
    return {"sample": index, "tokens": _sample(batch.tokens, index, batch.epochs)}


def trace(asked: Asked) -> TraceAnswer:
    """A token's way through the step."""
    step, index, token = (asked.number(name) for name in ("step", "sample", "token"))
    batch = _batch(asked.folder, step)
    _check(index, len(batch.samples), "sample", f"step {step}")
    _check(token, int((batch.tokens.sample == index).sum()), "token", f"sample {index} of step {step}")
    told = asdict(token_trace(batch.tokens, batch.config, index, token))
    told = {**told.pop("columns"), **told}
    told["returned"] = told.pop("return")
    for epoch in told["epochs"]:
        epoch["case"] = ppo.CLIP_CASES[epoch["case"]]
    return {"sample": index, "token": token, "trace": told}


def _check(index: int, count: int, name: str, whose: str) -> None:
    if index >= count:
        there = f"{name}s 0 to {count - 1}" if count > 1 else f"only {name} 0" if count else f"no {name}s"
        raise RefusedError(404, f"{name} = {index}: {whose} has {there}")


@dataclass(frozen=True)
class _Batch:
    """epochs: those that the update reached."""

    tokens: TokenTable
    samples: list[Sample]
    config: Config
    epochs: int


@lru_cache(maxsize=4)
def _batch(folder: Path, step: int) -> _Batch:
    """The step's batch, read once while it is looked at."""
    reader = RunReader(folder)
    found = batch_of(reader, step)
    if found is None:
        raise not_stored(step)
    tokens, samples = found
    return _Batch(tokens, samples, config_at(reader, step), int(tokens.epochs_seen.max(initial=0)))


def config_at(reader: RunReader, step: int) -> Config:
    """The configuration in force at that step."""
    return reader.config_after(reader.step(step).config_version)


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


def _scatter(tokens: TokenTable, cliprange: float, epoch: int) -> Scatter:
    """Each token that the update reached in that epoch: ratio, advantage, case; and counts by case."""
    cases = clip_cases(tokens, cliprange, epoch) if epoch >= 0 else np.full(len(tokens), -1)
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
