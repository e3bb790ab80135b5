"""The What-if page's view: step, sample, token, changed settings; kept for the session and in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from ppo_engine.analysis.what_if import WhatIfSettings
from ppo_engine.config import Config
from ppo_engine.errors import ConfigError

from ..address import WHAT_IF, beyond, not_indices, parse_index

CONFIG_FIELDS = {
    "gamma": "gamma",
    "lam": "lam",
    "kl_coef": "init_kl_coef",
    "cliprange": "cliprange",
    "cliprange_value": "cliprange_value",
}
"""The numeric what-if settings, and the run's setting with each one's range and help."""

_LOOK, _WRITTEN, _PROBLEMS, _RUN = "whatif_look", "whatif_written", "whatif_problems", "whatif_run"
_OPENED = "whatif_opened"


@dataclass(frozen=True)
class ViewState:
    """step: None follows the newest; example: the notebook's batch instead; turned: the changed settings."""

    step: int | None = None
    sample: int = 0
    token: int = 0
    example: bool = False
    turned: tuple[tuple[str, float | bool], ...] = ()

    def knobs(self, own: WhatIfSettings) -> WhatIfSettings:
        """The run's own settings with the changed ones."""
        return replace(own, **dict(self.turned))  # type: ignore[arg-type]

    def query(self) -> dict[str, str]:
        """The view as parameters of an address; `read` reads it back."""
        what = ",".join(f"{name}:{_word(value)}" for name, value in self.turned)
        asked = {
            "step": "" if self.step is None else str(self.step),
            "example": "notebook" if self.example else "",
            "what": what,
        }
        return {
            "sample": str(self.sample),
            "token": str(self.token),
            **{name: text for name, text in asked.items() if text},
        }


def read(query: Mapping[str, str]) -> tuple[ViewState, list[str]]:
    """The view that an address or the browser asks for, and its problems, which are left out."""
    problems: list[str] = []
    numbers: dict[str, int | None] = {}
    for name in ("step", "sample", "token"):
        text = query.get(name, "")
        numbers[name] = parse_index(text)
        if text and numbers[name] is None:
            problems += not_indices(query, [name])
    example = query.get("example", "")
    if example not in ("", "notebook"):
        problems.append(f"example = {example[:60]}: must be notebook")
    turned: dict[str, float | bool] = {}
    for part in filter(None, query.get("what", "").split(",")):
        name, _, text = part.partition(":")
        try:
            turned[name] = _value(name, text)
        except ConfigError as error:
            problems += error.problems
    return (
        ViewState(
            numbers["step"],
            numbers["sample"] or 0,
            numbers["token"] or 0,
            example == "notebook",
            tuple(turned.items()),
        ),
        problems,
    )


def _word(value: float | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else repr(value)


def _value(name: str, text: str) -> float | bool:
    if name == "whiten" and text in ("on", "off"):
        return text == "on"
    if name == "whiten":
        raise ConfigError([f"whiten = {text[:60]}: must be on or off"])
    if name not in CONFIG_FIELDS:
        raise ConfigError(
            [f"{name[:60]}: no such what-if setting; allowed: {', '.join((*CONFIG_FIELDS, 'whiten'))}"]
        )
    try:
        return float(
            getattr(Config.from_strings("tiny-reviews", {CONFIG_FIELDS[name]: text}), CONFIG_FIELDS[name])
        )
    except ConfigError as error:
        raise ConfigError(
            [problem.replace(CONFIG_FIELDS[name], name, 1) for problem in error.problems]
        ) from None


def current() -> ViewState:
    """This tab's current view."""
    look: ViewState = st.session_state.get(_LOOK, ViewState())
    return look


def problems() -> list[str]:
    """The problems of the last request."""
    return list(st.session_state.get(_PROBLEMS, []))


def unmet(count: int, length: int) -> list[str]:
    """Out-of-range parts of the address, while its view is shown. length: the chosen sample's tokens."""
    asked: dict[str, str] = st.session_state.get(_OPENED) or {}
    row = min(current().sample, count - 1)
    samples = beyond(asked, "sample", count, "the batch", row)
    return samples + beyond(asked, "token", length, f"sample {row}", max(0, length - 1))


def take_from_address(run: str | None) -> None:
    """On opening the page: the address's view, else this tab's last, of another run its settings."""
    asked = WHAT_IF.asked()
    if asked and asked != st.session_state.get(_WRITTEN):
        st.session_state[_LOOK], st.session_state[_PROBLEMS] = read(asked)
        st.session_state[_WRITTEN], st.session_state[_RUN], st.session_state[_OPENED] = asked, run, asked
    elif not asked and _LOOK in st.session_state:
        if st.session_state.get(_RUN) != run:
            st.session_state[_LOOK] = replace(current(), step=None, sample=0, token=0)
        _write(run)


def on_view_change(run: str | None) -> None:
    """Adopts the browser's view. Only settled values go into the address, else a slider fills the history."""
    told = last_message("look")
    st.session_state[_OPENED] = None
    st.session_state[_LOOK], st.session_state[_PROBLEMS] = _read_told(told)
    if told.get("settled"):
        _write(run)


def last_message(name: str) -> dict[str, Any]:
    """The browser's last message: `look`, or `ask` for a press of "Use these"."""
    told = (st.session_state.get("whatif") or {}).get(name)
    return told if isinstance(told, dict) else {}


def asked() -> ViewState:
    """The view whose settings to use, as the browser has it, which may be ahead of what was drawn."""
    return _read_told(last_message("ask"))[0]


def _read_told(told: dict[str, Any]) -> tuple[ViewState, list[str]]:
    query = told.get("query")
    return read(
        {name: str(query[name]) for name in WHAT_IF.names if name in query} if isinstance(query, dict) else {}
    )


def _write(run: str | None) -> None:
    look, st.session_state[_RUN] = current(), run
    WHAT_IF.keep(look.query(), run if look.step is not None and not look.example else None)
    st.session_state[_WRITTEN] = WHAT_IF.asked()
