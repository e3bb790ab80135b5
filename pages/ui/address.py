"""The page's address: the parameters that each page declares, reads and keeps.

A link to something that does not exist never silently shows something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

_DIGITS = 9  # no index has more
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
