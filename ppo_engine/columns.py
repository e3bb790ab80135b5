"""Every token column, once, for export, heatmaps, token trace, what-if and the browser.

A column has an entry per response token of a step (`records.TokenTable`). To add a derived one, describe it
here and compute it in `records.py`; nothing else lists them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["int", "float", "flag", "text"]


@dataclass(frozen=True)
class Column:
    """name: in records, files and links; title: as displayed; unit: "" for a pure number.

    signed: displayed with its sign; centre: of its diverging colour scale, None for no colour; per_epoch: one
    entry per update epoch that included the token; stored: in the store's blocks, else derived on reading;
    clip: the flag column that underlines it, "" for none.
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
    Column("score_share", "Score share", "score", "The score at the last token, else 0.", stored=False),
    Column("reward", "Reward", "score", "KL penalty, plus the score at the last token.", stored=False),
    Column("delta", "TD error δ", "score", "Reward + γ × next value − value.", stored=False),
    Column("return", "Return", "score", "Advantage + value: the value head's target.", stored=False),
    Column("new_logprob", "New logprob", "nats", "Logprob in an update epoch.", signed=False, per_epoch=True),
    Column("ratio", "Ratio", "", _RATIO, signed=False, centre=1.0, per_epoch=True, clip="policy_clip"),
    Column("new_value", "New value", "score", _NEW_VALUE, per_epoch=True, clip="value_clip"),
    _clip("policy"),
    _clip("value"),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _TABLE}


def names(
    *, stored: bool | None = None, per_epoch: bool | None = None, kinds: tuple[Kind, ...] = ()
) -> list[str]:
    """The names of the matching columns, in table order; None and () match all."""
    return [
        column.name
        for column in COLUMNS.values()
        if stored in (None, column.stored)
        and per_epoch in (None, column.per_epoch)
        and (not kinds or column.kind in kinds)
    ]


def as_data() -> dict[str, dict[str, Any]]:
    """The table as JSON for the browser, by name."""
    return {name: asdict(column) for name, column in COLUMNS.items()}
