"""Every token column, once: what export, heatmaps, token trace, what-if and the browser know of it.

A column is an entry per response token of a step (`records.TokenTable`). To add one that follows from others,
describe it here and compute it in `records.py`; nothing else lists them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["int", "float", "flag", "text"]


@dataclass(frozen=True)
class Column:
    """name: as in records, files and links; title: for people; unit: "" for a pure number.

    signed: written with its sign; centre: of its diverging colour scale, None where it has no colour;
    per_epoch: an entry for each epoch of the update that the token was in; stored: in the store's blocks,
    else computed from stored columns on reading; clip: the flag column that underlines it, "" for none.
    """

    name: str
    title: str
    unit: str
    tooltip: str
    kind: Kind = "float"
    signed: bool = True
    centre: float | None = 0.0
    per_epoch: bool = False
    stored: bool = True
    clip: str = ""


_KL = "Log-probability under the policy minus log-probability under the reference."
_ESTIMATE = "The estimate used in the KL penalty, by the run's KL estimator. With k1 it equals the KL."
_WHITENED = "The advantage scaled to mean 0 and variance 1 over the batch, as used in the policy loss."
_RATIO = "New probability divided by old, in one epoch of the update. Underlined where the policy clip binds."
_NEW_VALUE = "The value estimate in one epoch of the update. Underlined where the value clip binds."
_CLIP = "Whether the {0} clip binds, so that the token adds no gradient to that epoch's {0} loss."


def _identity(name: str, title: str, tooltip: str, kind: Kind = "int") -> Column:
    return Column(name, title, "", tooltip, kind, signed=False, centre=None)


def _clip(loss: str) -> Column:
    name, title = f"{loss}_clip", f"{loss.capitalize()} clip"
    return Column(name, title, "", _CLIP.format(loss), "flag", signed=False, centre=None, per_epoch=True)


_TABLE = (  # in the order of exported tables
    _identity("sample", "Sample", "Row of the sample in the batch."),
    _identity("position", "Position", "Position in the response, from 0."),
    _identity("token_id", "Token ID", "Index in the policy's vocabulary."),
    _identity("text", "Token", "The token as text.", "text"),
    Column("old_logprob", "Old logprob", "nats", "Log-probability at sampling time.", signed=False),
    Column("ref_logprob", "Reference logprob", "nats", "Log-probability under the reference.", signed=False),
    Column("value", "Value", "score", "The value head's estimate of the return, before the update."),
    Column("advantage", "Advantage", "score", "GAE: how much better the outcome was than the value."),
    Column("whitened", "Whitened advantage", "", _WHITENED),
    Column("kl_estimate", "KL estimate", "nats", _ESTIMATE),
    Column("kl", "KL", "nats", _KL, stored=False),
    Column("kl_penalty", "KL penalty", "score", "−KL coefficient × KL estimate.", stored=False),
    Column(
        "score_share", "Score share", "score", "The sample's score at its last token, else 0.", stored=False
    ),
    Column("reward", "Reward", "score", "KL penalty, plus the score at the last token.", stored=False),
    Column("delta", "TD error δ", "score", "Reward + γ × next value − value.", stored=False),
    Column("return", "Return", "score", "Advantage + value: the value head's target.", stored=False),
    Column(
        "new_logprob", "New logprob", "nats", "Log-probability in one epoch.", signed=False, per_epoch=True
    ),
    Column("ratio", "Ratio", "", _RATIO, signed=False, centre=1.0, per_epoch=True, clip="policy_clip"),
    Column("new_value", "New value", "score", _NEW_VALUE, per_epoch=True, clip="value_clip"),
    _clip("policy"),
    _clip("value"),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _TABLE}


def names(
    *, stored: bool | None = None, per_epoch: bool | None = None, kinds: tuple[Kind, ...] = ()
) -> list[str]:
    """The columns of which that holds, in the table's order; None and () leave it open."""
    return [
        column.name
        for column in COLUMNS.values()
        if stored in (None, column.stored)
        and per_epoch in (None, column.per_epoch)
        and (not kinds or column.kind in kinds)
    ]


def as_data() -> dict[str, dict[str, Any]]:
    """The table as JSON can hold it, by name: what the browser reads."""
    return {name: asdict(column) for name, column in COLUMNS.items()}
