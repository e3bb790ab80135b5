"""Tokens: why did this token move? What PPO did to one token, in which epoch, and which clip stopped it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui import component, messages, run_view
from pages.ui.address import TOKENS, beyond, parse_index, refusal
from pages.ui.payloads.tokens import TokensPage, TokensState
from pages.ui.refresh import interval
from pages.ui.tokens.microscope import COLOURS, ViewState, payload
from pages.ui.top import top_line
from ppo_engine.errors import PPOEngineError


def draw() -> None:
    """The microscope; while it follows the newest step, it is redrawn regularly."""
    folder = run_view.shown_run()
    info = messages.info(folder)
    if folder is None:
        st.info(
            "No tokens yet. Press Start, and return when the first step is complete.",
            icon=":material/biotech:",
        )
        return
    if info is None:
        return  # the run cannot be read; the sidebar says so
    if info.last_step < 1:
        st.info("No tokens yet: they appear after this run's first step.", icon=":material/biotech:")
        return
    try:
        made = payload(folder, _look(info.id))
    except PPOEngineError as error:
        st.error(messages.inert(str(error)))
        return
    if made is None:
        st.info(
            "This run's tokens are no longer stored. Start or open another run.",
            icon=":material/biotech:",
        )
        return
    messages.say_unmet([] if _asked().get("run") == info.id else _unmet(made))
    page: TokensPage = {**made, "echo": _asked().get("click")}
    component.mount(
        {"only": "microscope", "run": {"id": info.id}, "microscope": page},
        key="microscope",
        on_look=messages.answering(_remember),
    )


def _look(run: str) -> ViewState:
    """The view last asked for on this page, else the address's; unreadable parts are ignored.

    Not the address alone: a refresh under way still carries the previous one.
    """
    asked = _asked()
    source = (
        {name: str(x) for name, x in asked.items() if x is not None}
        if asked.get("run") == run
        else st.query_params
    )
    numbers = {
        name: number for name in TOKENS.indices if (number := parse_index(source.get(name, ""))) is not None
    }
    has, colour = str(asked.get("has") or ""), source.get("colour", "")
    return ViewState(has=has, colour=colour if colour in COLOURS else ViewState.colour, **numbers)


def _unmet(made: TokensState) -> list[str]:
    """What the address asks for and the page does not show. A missing step is reported by the page itself."""
    query, look, found = TOKENS.asked(), made["look"], TOKENS.not_indices()
    if query.get("colour", "reward") not in COLOURS:
        found.append(refusal("colour", query["colour"], f"must be one of {', '.join(COLOURS)}"))
    found += beyond(query, "sample", made["count"], f"step {look['step']}", look["sample"])
    found += beyond(query, "token", len(made["sample"]["text"]), f"sample {look['sample']}", look["token"])
    return found + beyond(query, "epoch", made["epochs"], f"the update of step {look['step']}", look["epoch"])


def _asked() -> dict[str, Any]:
    """The last request of this page's component."""
    asked: dict[str, Any] = (st.session_state.get("microscope") or {}).get("look") or {}
    return asked


def _remember() -> None:
    """Keeps the view in the address, so that a link reopens it."""
    look, folder = _asked(), run_view.shown_run()
    if folder is None or look.get("run") != run_view.info_of(folder).id:
        return
    TOKENS.keep(
        {name: look.get(name) for name in TOKENS.names},
        folder.name if look.get("step") is not None else None,
    )


top_line()
st.fragment(messages.surviving(draw), run_every=interval(busy=2.0 if "step" in st.query_params else 0.5))()
