"""The page's address: the parameters that each page declares, reads and keeps.

A link to something that does not exist never silently shows something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

_DIGITS = 9  # no index has more
_SHOWN = 60
_MADE: list[Address] = []


@dataclass(frozen=True)
class Address:
    """A page's own parameters: indices, whole numbers from 0; words, any text. `run` is every page's.

    A name that the page has not declared is a `KeyError`.
    """

    indices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _MADE.append(self)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.indices, *self.words)

    def index(self, name: str) -> int | None:
        """The parameter's whole number; None where the address has none."""
        if name not in self.indices:
            raise KeyError(name)
        return parse_index(st.query_params.get(name, ""))

    def word(self, name: str) -> str:
        """The parameter's text; "" for none."""
        if name not in self.words:
            raise KeyError(name)
        return str(st.query_params.get(name, ""))

    def asked(self) -> dict[str, str]:
        """The page's own parameters in the address."""
        return {name: st.query_params[name] for name in self.names if name in st.query_params}

    def keep(self, wanted: Mapping[str, object], run: str | None = None) -> None:
        """Replaces the page's parameters in the address by these and the run's name; None and "" are left
        out. Sends nothing to the browser where nothing changes.
        """
        if unknown := set(wanted) - set(self.names):
            raise KeyError(*unknown)
        before = st.query_params.to_dict()
        after = {name: text for name, text in before.items() if name not in self.names}
        after |= {name: str(value) for name, value in wanted.items() if value not in (None, "")}
        if run is not None:
            after["run"] = run
        if after != before:  # all at once: each change by itself would be a message to the browser
            st.query_params.from_dict(after)

    def add(self, wanted: Mapping[str, object], run: str | None = None) -> None:
        """The same, keeping the page's other parameters."""
        self.keep({**self.asked(), **wanted}, run)

    def not_indices(self) -> list[str]:
        """A sentence for each of the page's indices that is no whole number."""
        return not_indices(self.asked(), self.indices)


LIVE = Address(("step", "sample"))
TOKENS = Address(("step", "sample", "token", "epoch"), ("colour",))
UPDATE = Address(("job", "stage", "epoch"), ("token",))
WHAT_IF = Address(("step", "sample", "token"), ("example", "what"))
METRICS_PAGE = Address(words=("search",))
PLACES = ("step", "sample", "token", "epoch", "job")
"""Parameters that name a place in one run and mean nothing in another."""


def own_parameters() -> set[str]:
    """All parameters of pages; the rest of the address is settings."""
    return {"run", *(name for page in _MADE for name in page.names)}


def parse_index(text: str) -> int | None:
    """The text as a whole number, 0 or more; None where it is not one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def not_indices(query: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """A sentence for each of those parameters that is no whole number."""
    wrong = [name for name in names if name in query and parse_index(query[name]) is None]
    return [refusal(name, query[name], "must be a whole number, 0 or more") for name in wrong]


def beyond(query: Mapping[str, str], name: str, count: int, whose: str, shown: int | None) -> list[str]:
    """A sentence where the index is out of range. count: how many `whose` has; shown: the index shown."""
    number = parse_index(query.get(name, ""))
    if number is None or number < count:
        return []
    there = (
        f"has {name}s 0 to {count - 1}" if count > 1 else f"has only {name} 0" if count else f"has no {name}s"
    )
    instead = "" if shown is None else f"; showing {shown}"
    return [refusal(name, query[name], f"{whose} {there}{instead}")]


def refusal(name: str, text: str, why: str) -> str:
    """The parameter, its value, shortened, and why it is refused."""
    return f"{name} = {text[:_SHOWN]}: {why}"
