"""The page's address: which parameters each page declares, reading them, and keeping them.

A link that asks for something that is not there never shows something else without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

_DIGITS = 9  # a number with more is none of ours
_SHOWN = 60
_MADE: list[Address] = []


@dataclass(frozen=True)
class Address:
    """A page's own parameters: indices, whole numbers from 0; words, any text. `run` is every page's.

    A name that the page has not declared is a `KeyError`, not a silent nothing.
    """

    indices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _MADE.append(self)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.indices, *self.words)

    def index(self, name: str) -> int | None:
        """The whole number that the address has there; None where it has none."""
        if name not in self.indices:
            raise KeyError(name)
        return parse_index(st.query_params.get(name, ""))

    def word(self, name: str) -> str:
        """The text that the address has there; "" for none."""
        if name not in self.words:
            raise KeyError(name)
        return str(st.query_params.get(name, ""))

    def asked(self) -> dict[str, str]:
        """The page's own parameters that the address has."""
        return {name: st.query_params[name] for name in self.names if name in st.query_params}

    def keep(self, wanted: Mapping[str, object], run: str | None = None) -> None:
        """Puts these, and the run's name, into the address in place of all that the page had there; what is
        None or "" is left out. Says nothing to the browser where nothing changes.
        """
        if unknown := set(wanted) - set(self.names):
            raise KeyError(*unknown)
        before = st.query_params.to_dict()
        after = {name: text for name, text in before.items() if name not in self.names}
        after |= {name: str(value) for name, value in wanted.items() if value not in (None, "")}
        if run is not None:
            after["run"] = run
        if after != before:  # at once: each change by itself would be a message to the browser
            st.query_params.from_dict(after)

    def add(self, wanted: Mapping[str, object], run: str | None = None) -> None:
        """The same, but what the page has there already stays."""
        self.keep({**self.asked(), **wanted}, run)

    def not_indices(self, names: Sequence[str] = ()) -> list[str]:
        """A sentence for each of those parameters, else of all, that should be a whole number and is none."""
        query = st.query_params.to_dict()
        return not_indices(query, names or self.indices)


LIVE = Address(("step", "sample"))
TOKENS = Address(("step", "sample", "token", "epoch"), ("colour",))
UPDATE = Address(("job", "stage", "epoch"), ("token",))
WHAT_IF = Address(("step", "sample", "token"), ("example", "what"))
METRICS_PAGE = Address(words=("search",))
PLACES = ("step", "sample", "token", "epoch", "job")
"""Parameters that name a place in one run, and mean nothing in another."""


def own_parameters() -> set[str]:
    """All that pages have in the address; the rest of it is settings."""
    return {"run", *(name for page in _MADE for name in page.names)}


def parse_index(text: str) -> int | None:
    """The whole number, from 0, that the text is; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def not_indices(query: Mapping[str, str], names: Sequence[str]) -> list[str]:
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
