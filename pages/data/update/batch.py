"""A traced batch with one chosen token, and how its numbers are written in formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ppo_engine.formatting import MINUS

from .heatmaps import Rows, tensor

AFTER = 0
"""In the place of an epoch's number: after the update."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Batch:
    """A walk, the token of its formulas (row, position, from 0), and the epoch (from 1; `AFTER`: last)."""

    def __init__(
        self, walk: dict[str, Any], token: tuple[int, int] | None = None, epoch: int | None = None
    ) -> None:
        self.walk, self.settings, self.tokens, self.update = (
            walk,
            walk["settings"],
            walk["tokens"],
            walk["update"],
        )
        self.again: dict[str, Rows] | None = walk["again"]
        self.samples = walk["samples"]
        self.row, self.position = token if token and self._has(*token) else self._most_moved()
        self.epochs: list[int] = [*self.update["epochs"], AFTER] if self.again else []
        # With a single gradient step, the change shows only after it.
        usual = self.epochs[-2] if self.update["gradient_steps"] > 1 and len(self.epochs) > 1 else AFTER
        self.epoch = epoch if epoch in self.epochs else usual

    def _has(self, row: int, position: int) -> bool:
        return 0 <= row < len(self.samples) and 0 <= position < len(self.samples[row]["tokens"])

    def _most_moved(self) -> tuple[int, int]:
        """The token that the update moved most, among those with a successor if there are any."""
        rows = self.again["ratio"] if self.again else self.tokens["reward"]
        places = [(i, t) for i, row in enumerate(rows) for t in range(len(row or ()) - 1)] or [(0, 0)]
        return (
            max(places, key=lambda place: abs(((rows[place[0]] or ())[place[1]] or 1) - 1))
            if self.again
            else places[0]
        )

    def at(self, name: str, later: int = 0) -> float | None:
        """A column at the chosen token, or `later` tokens after it; 0 beyond the end."""
        row = self.tokens[name][self.row]
        t = self.position + later
        return row[t] if t < len(row) else 0.0

    def now(self, name: str) -> Rows:
        """A per-epoch column at the chosen epoch."""
        if self.again is None:
            return []
        if self.epoch == AFTER:
            return self.again[{"new_value": "value", "new_logprob": "logprob"}.get(name, name)]
        rows: Rows = self.update[name][self.update["epochs"].index(self.epoch)]
        return rows

    def here(self, rows: Rows) -> float | None:
        """A column's entry at the chosen token."""
        row = rows[self.row] if rows else None
        return None if row is None else row[self.position]

    @property
    def shape(self) -> str:
        """A (batch, response) tensor's shape, in words."""
        count, (rows, columns) = self.walk["whitening"]["count"], self.walk["shape"]
        each = f"{counted(rows, 'sample')} × up to {counted(columns, 'token')}"
        return f"({rows}, {columns}): {each}, {count:g} counted"

    @property
    def t(self) -> str:
        """The chosen token's index."""
        return subscript(self.position + 1)

    @property
    def token_name(self) -> str:
        """The chosen token in words."""
        text = self.samples[self.row]["tokens"][self.position].strip() or "space"
        return f"token {self.position + 1} of sample {self.row}, “{text}”"

    def column(self, label: str, name: str, scale: dict[str, Any], about: str, **more: Any) -> dict[str, Any]:
        """A column of the batch as a heatmap."""
        return tensor(label, self.tokens[name], self.shape, scale, about, **more)

    def line(self, text: str, of: str = "") -> dict[str, str]:
        """A formula with numbers, and what it is for."""
        return {"of": of or self.token_name, "text": text}


def number(x: float | None) -> str:
    """A number within a formula: four decimals, or four digits where it is smaller, so that sums add up."""
    if x is None or x == 0:
        return "–" if x is None else "0"
    size = math.floor(math.log10(abs(x)))
    text = (
        f"{x:.3e}".replace("e-0", "e-").replace("e+0", "e")
        if size < -4 or size > 6
        else f"{x:.{max(4, 3 - size)}f}"
    )
    return text.replace("-", MINUS)


def plus(x: float | None) -> str:
    """The same with its sign."""
    return ("+" if x and x > 0 else "") + number(x)


def inner(x: float | None) -> str:
    """The same in parentheses where it is negative."""
    return f"({number(x)})" if x is not None and x < 0 else number(x)


def given(x: float) -> str:
    """A setting's value, as it was set."""
    return f"{x:g}".replace("e-0", "e-").replace("-", MINUS)


def subscript(t: int) -> str:
    """A token's number as an index: ₁₂."""
    return str(t).translate(_SUBSCRIPTS)


def counted(count: int, noun: str) -> str:
    """1 token, 2 tokens."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def mean(values: Sequence[float | None]) -> float | None:
    """None where one of them is not finite."""
    finite = [x for x in values if x is not None]
    return sum(finite) / len(finite) if finite and len(finite) == len(values) else None


def or_nan(x: float | None) -> float:
    """For functions that know NaN."""
    return math.nan if x is None else x
