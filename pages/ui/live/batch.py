"""A step's batch: its continuations, and the token columns that the views show."""

from __future__ import annotations

from typing import Any

from ppo_engine.charts.series import shortened_or_none
from ppo_engine.columns import COLUMNS, names
from ppo_engine.records import TokenTable

from ..payloads.live import NOT_SENT, Batch, TokenView
from ..run_view import RunView, batch_of
from ..scales import scale_limit

_VIEWS: dict[TokenView, str] = {
    "reward": "reward",
    "advantage": "whitened",
    "ratio": "ratio",
    "value": "new_value",
}
"""Each token view's column."""


def batch_payload(view: RunView, step: int) -> Batch | None:
    """The step's batch, or the nearest one on record; None where the run has none."""
    found = batch_of(view.reader, step)
    if found is None:
        kept = view.reader.steps_with_tokens()
        if not kept:
            return None
        step = min(kept, key=lambda other: abs(other - step))
        found = batch_of(view.reader, step)
        assert found is not None
    tokens, samples = found
    columns = _token_columns(tokens)
    batch: Batch = {
        "step": step,
        "title": f"Step {step}'s {len(samples)} continuations",
        "samples": [
            {
                "index": s.index,
                "query": s.query,
                "response": s.response,
                "score": round(s.score, 4),
                "kl": round(s.kl_sum, 4),
                "length": s.response_length,
                "ended": s.ended_by_eos,
            }
            for s in samples
        ],
        "tokens": columns,
        "limits": {
            shown: scale_limit(columns[name], COLUMNS[name].centre or 0.0) for shown, name in _VIEWS.items()
        },
        "about": {shown: COLUMNS[name].tooltip for shown, name in _VIEWS.items()},
    }
    return batch


def _token_columns(tokens: TokenTable) -> dict[str, list[Any]]:
    """The token views' columns as short JSON: per-epoch ones at each token's last epoch, clips as counts."""
    plain = [name for name in names(per_epoch=False, kinds=("float",)) if name not in NOT_SENT]
    by_epoch = [name for name in names(per_epoch=True, kinds=("float",)) if name not in NOT_SENT]
    last = {name: tokens.at_last_epoch(name, float("nan")) for name in by_epoch}
    whole = {
        "sample": tokens.sample,
        "position": tokens.position,
        "token_id": tokens.token_id,
        "epochs_seen": tokens.epochs_seen,
        **{name: tokens.clip_epochs(name) for name in names(kinds=("flag",))},
    }
    return {
        "text": tokens.text,
        **{name: column.tolist() for name, column in whole.items()},
        **{name: shortened_or_none(tokens.column(name), digits=4) for name in plain},
        **{name: shortened_or_none(column, digits=4) for name, column in last.items()},
    }
