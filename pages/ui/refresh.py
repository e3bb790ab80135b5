"""How often a page refreshes: often during a run, now and then without one, never while its tab is hidden."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ppo_engine.errors import StoreError

from .run_view import info_of, shown_run

IDLE_S = 2.0
"""Between refreshes while no run is active: another tab may start one."""


def interval(busy: float) -> float | None:
    """Seconds between refreshes of a fragment, None for none."""
    if st.session_state.get("hidden"):
        return None
    folder = shown_run()
    try:
        return busy if folder and info_of(folder).alive else IDLE_S
    except StoreError:
        return IDLE_S


def follow_visibility(result: Any) -> None:
    """Reruns the page when its tab was hidden or shown, so that every fragment gets a new interval."""
    hidden = bool(result.hidden)
    if hidden != st.session_state.get("hidden", False):
        st.session_state.hidden = hidden
        st.rerun(scope="app")
