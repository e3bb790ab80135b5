"""Heatmaps before they are drawn: values by row, a scale with its limits, marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..scales import scale_limit

Rows = Sequence[Sequence[float | None] | None]
"""A row a sample, None where there is none; an entry a token, None where it is not finite."""


def flat(rows: Rows) -> list[float]:
    """All finite entries."""
    return [float(x) for row in rows for x in row or () if x is not None]


def diverging(values: list[float], centre: float = 0.0, least: float = 0.0) -> dict[str, Any]:
    """Vermilion below the centre, blue above. least: a lower bound of the limit, against rounding."""
    limit = _short(max(least, scale_limit(list(values), centre)))
    return {"kind": "diverging", "centre": centre, "limit": limit}


def one_sided(colour: str, values: list[float] | float, below: bool = False) -> dict[str, Any]:
    """From transparent at 0 to a quantity's own colour. below: for a quantity that is never above 0."""
    limit = values if isinstance(values, int | float) else scale_limit(list(values), 0.0)
    return {"kind": "one-sided", "colour": colour, "limit": _short(limit), "below": below}


def tensor(
    label: str, values: Rows, shape: str, scale: dict[str, Any], about: str, **more: Any
) -> dict[str, Any]:
    """A labelled heatmap. more: marks (underlined), words, rows, columns, since (before), beside, reveal."""
    return {
        "label": label,
        "values": [None if row is None else list(row) for row in values],
        "shape": shape,
        "scale": scale,
        "about": about,
        **more,
    }


def _short(x: float) -> float:
    return float(f"{x:.4g}")
