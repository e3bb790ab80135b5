"""Live: a run as it trains: the reviews turn positive, the curves show why, and a setting can be changed."""

from __future__ import annotations

import streamlit as st

from pages.data.folder import info_of
from pages.data.view import view_of
from pages.ui import commands, component, messages, run_view


def draw() -> None:
    """The board, which fetches by itself what it shows."""
    if token := st.session_state.pop("token_asked", None):
        st.switch_page("../tokens.py", query_params={name: str(value) for name, value in token.items()})
    folder = run_view.shown_run()
    if folder is not None and messages.info(folder) is None:
        return  # the frame around the page says why
    component.mount(
        {"only": "live", "problem": messages.problem_in_words()},
        key="board",
        run=run_view.shown_or_example(),
        on_ask=messages.answering(_ask),
    )


def _ask() -> None:
    """The board's requests: undo an edit, add a note, or show a token on the Tokens page."""
    asked, folder = st.session_state.board.get("ask") or {}, run_view.shown_run()
    if folder is None or asked.get("run") != info_of(folder).id:
        return
    if asked.get("kind") == "undo":
        undo = next(
            (one.undo for one in view_of(folder).history() if one.number == asked.get("number")),
            None,
        )
        if undo:
            commands.edit(folder, undo)
    elif asked.get("kind") == "token":
        st.session_state.token_asked = {
            "run": asked["run"],
            **{name: int(asked.get(name, 0)) for name in ("step", "sample", "token")},
        }
    elif asked.get("kind") == "note":
        commands.note(folder, int(asked.get("step", 0)), str(asked.get("text", "")))


messages.surviving(draw)()
