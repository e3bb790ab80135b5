"""What a page reads from the address, and what of it cannot be: a link that asks for something that is not
there never shows something else without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_DIGITS = 9  # a number with more is none of ours
_SHOWN = 60


def parse_index(text: str) -> int | None:
    """The whole number, from 0, that the text is; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def no_numbers(query: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """A sentence for each of those parameters that should be a whole number and is none."""
    return [
        refusal(name, query[name], "must be a whole number from 0")
        for name in names
        if name in query and parse_index(query[name]) is None
    ]


def beyond(query: Mapping[str, str], name: str, count: int, whose: str, shown: int | None) -> list[str]:
    """A sentence where the parameter counts beyond what is there. whose: what has so many of them."""
    number = parse_index(query.get(name, ""))
    if number is None or number < count:
        return []
    there = (
        f"has {name}s 0 to {count - 1}" if count > 1 else f"has one {name}, 0" if count else f"has no {name}"
    )
    instead = "" if shown is None else f"; shown is {shown}"
    return [refusal(name, query[name], f"{whose} {there}{instead}")]


def refusal(name: str, text: str, why: str) -> str:
    """The parameter, as much of its value as a person reads, and why it cannot be."""
    return f"{name} = {text[:_SHOWN]}: {why}"
