"""The top line that every page has: which run this is, in what state, how far."""

from __future__ import annotations

import streamlit as st

from . import asking, board, state
from .refresh import heed, interval


def top_line() -> None:
    """Draws it, and keeps it up to date."""
    st.fragment(asking.surviving(_draw), run_every=interval(busy=1.0))()


def _draw() -> None:
    folder = state.shown_run()
    info = asking.info(folder)
    rows = state.view_of(folder).refresh()[0] if folder and info else []
    heed(board.mount(board.top_payload(info, rows), key="top"))
