"""Live: a run as it goes. A person wants to see the reviews turn positive and why, and then to turn a knob and look again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui import asking, board, state
from pages.ui.address import whole
from pages.ui.refresh import heed, interval
from ppo_engine.errors import StoreError


def draw() -> None:
    """The board; runs again and again while the page is open."""
    if token := st.session_state.pop("token_asked", None):
        st.switch_page("../tokens.py", query_params={name: str(value) for name, value in token.items()})
    folder = state.shown_run()
    example = folder is None
    try:
        payload = _payload(folder or state.EXAMPLE, example)
    except StoreError as error:
        st.error(str(error))
        return
    result = board.mount(payload, key="board", on_pin=_pin, on_ask=_ask)
    heed(result)


def _payload(folder: Path, example: bool) -> dict[str, Any]:
    info = state.info_of(folder)
    earlier = None if example else state.earlier_run(folder)
    prompt = (st.session_state.get("board") or {}).get("prompt") or 0
    return board.board_payload(folder, info, earlier, _pinned(folder), example, int(prompt), asking.problem_in_words())


def _pin() -> None:
    """The address keeps the chosen sample, so that a link reopens it."""
    pin = st.session_state.board.get("pin") or {}
    if pin.get("run") and pin.get("step", -1) >= 0:
        st.query_params.update({"run": str(pin["run"]), "step": str(pin["step"]), "sample": str(pin["sample"])})
    else:
        for name in ("run", "step", "sample"):
            st.query_params.pop(name, None)


def _ask() -> None:
    """What the board asks for: an edit back, a note, or a token's story on the Tokens page."""
    asked, folder = st.session_state.board.get("ask") or {}, state.shown_run()
    if folder is None or asked.get("run") != state.info_of(folder).id:
        return
    if asked.get("kind") == "undo":
        undo = next((one.undo for one in state.view_of(folder).history() if one.number == asked.get("number")), None)
        if undo:
            asking.edit(folder, undo)
    elif asked.get("kind") == "token":
        st.session_state.token_asked = {"run": asked["run"], **{name: int(asked.get(name, 0)) for name in ("step", "sample", "token")}}
    elif asked.get("kind") == "note":
        asking.note(folder, int(asked.get("step", 0)), str(asked.get("text", "")))


def _pinned(folder: Path) -> tuple[int, int] | None:
    step, sample = whole(st.query_params.get("step", "")), whole(st.query_params.get("sample", ""))
    return None if step is None or sample is None else (step, sample)


st.fragment(draw, run_every=interval(busy=0.5))()
