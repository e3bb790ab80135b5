"""A step's batch: its continuations, and columns of its tokens."""

from __future__ import annotations

from typing import Any

from ppo_engine.charts.series import shortened_or_none
from ppo_engine.columns import COLUMNS, names
from ppo_engine.records import TokenTable
from ppo_engine.store import RunReader

from .answers import RefusedError
from .asked import Asked
from .payloads.live import Batch, BatchSample, StepsAnswer
from .scales import scale_limit
from .view import batch_of

_DIGITS = 4
_WHOLE = ("token_id", "epochs_seen")
OFFERED = (*_WHOLE, *names(kinds=("float", "flag")))
"""The columns to choose from. Per-epoch ones are at each token's last epoch, flags the number of epochs."""


def kept_steps(asked: Asked) -> StepsAnswer:
    """The steps whose tokens are stored. after: the newest that the client has."""
    after = asked.whole("after", -1, least=-1)
    return {"steps": [step for step in RunReader(asked.folder).steps_with_tokens() if step > after]}


def batch(asked: Asked) -> Batch:
    """columns: names with commas between, or all of them."""
    step, wanted = asked.number("step"), _wanted(asked.word("columns"))
    found = batch_of(RunReader(asked.folder), step)
    if found is None:
        raise not_stored(step)
    tokens, samples = found
    columns = {name: _column(tokens, name) for name in wanted}
    listed: list[BatchSample] = [
        {
            "index": one.index,
            "query": one.query,
            "response": one.response,
            "score": round(one.score, 4),
            "kl": round(one.kl_sum, 4),
            "length": one.response_length,
            "ended": one.ended_by_eos,
        }
        for one in samples
    ]
    scaled = {name: COLUMNS[name].centre for name in wanted if name in COLUMNS}
    return {
        "step": step,
        "samples": listed,
        "tokens": {
            "text": tokens.text,
            "sample": tokens.sample.tolist(),
            "position": tokens.position.tolist(),
            **columns,
        },
        "limits": {
            name: scale_limit(columns[name], centre) for name, centre in scaled.items() if centre is not None
        },
    }


def not_stored(step: int) -> RefusedError:
    return RefusedError(404, f"step = {step}: its tokens are not stored; choose one of those in `steps`")


def _wanted(text: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(text.split(","))) if text else OFFERED
    for name in wanted:
        if name not in OFFERED:
            raise RefusedError(400, f"columns = {name[:60]}: no such column; allowed: {', '.join(OFFERED)}")
    return wanted


def _column(tokens: TokenTable, name: str) -> list[Any]:
    if name in _WHOLE:
        listed: list[Any] = getattr(tokens, name).tolist()
        return listed
    column = COLUMNS[name]
    if column.kind == "flag":
        counts: list[Any] = tokens.clip_epochs(name).tolist()
        return counts
    values = tokens.at_last_epoch(name, float("nan")) if column.per_epoch else tokens.column(name)
    return shortened_or_none(values, _DIGITS)
