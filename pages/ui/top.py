"""The top line of every page: the run, its state, its progress."""

from __future__ import annotations

import streamlit as st

from . import component, messages, run_view
from .live import run_line
from .refresh import follow_visibility, interval


def top_line() -> None:
    """Draws it, and keeps it up to date."""
    st.fragment(messages.surviving(_draw), run_every=interval(busy=1.0))()


def _draw() -> None:
    folder = run_view.shown_run()
    info = messages.info(folder)
    rows = run_view.view_of(folder).refresh()[0] if folder and info else []
    follow_visibility(component.mount(run_line.top_payload(info, rows), key="top"))
