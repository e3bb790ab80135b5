"""Tokens: why did this token move? What PPO did to one token, in which epoch, and which clip stopped it."""

from __future__ import annotations

import streamlit as st

from pages.ui import component, messages, run_view
from pages.ui.top import top_line


def draw() -> None:
    """The microscope, which fetches by itself what it shows."""
    folder = run_view.shown_run()
    info = messages.info(folder)
    if folder is None:
        st.info(
            "No tokens yet. Press Start, and return when the first step is complete.",
            icon=":material/biotech:",
        )
    elif info is not None and info.last_step < 1:
        st.info("No tokens yet: they appear after this run's first step.", icon=":material/biotech:")
    elif info is not None:  # else the run cannot be read; the sidebar says so
        component.mount({"only": "microscope"}, key="microscope", run=folder)


top_line()
messages.surviving(draw)()
