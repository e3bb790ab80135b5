"""Metrics: formula, meaning, healthy range and source of every number."""

from __future__ import annotations

import streamlit as st

from pages.ui.address import METRICS_PAGE
from pages.ui.top import top_line
from ppo_engine.metrics import METRICS, Metric


def card(metric: Metric) -> None:
    """One metric's definition. All of it is the project's own text."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{metric.title}**" + (f" · {metric.unit}" if metric.unit else ""))
        st.markdown(f"`{metric.name}`")
        st.markdown(metric.meaning)
        st.text(f"Formula: {metric.formula}")
        st.text(f"Healthy: {metric.healthy or 'no target range'}")
        st.caption(f"Source: {metric.source}")


def keep_search() -> None:
    """Keeps the search in the address."""
    METRICS_PAGE.keep({"search": st.session_state.search})


top_line()
st.title("What the numbers mean", anchor=False)
st.session_state.setdefault("search", METRICS_PAGE.word("search"))
st.text_input("Search the metrics", key="search", on_change=keep_search, placeholder="clip, KL, returns …")
wanted = st.session_state.search.lower()
found = [
    metric
    for metric in METRICS.values()
    if wanted in metric.tooltip.lower() or wanted in metric.title.lower()
]
if not found:
    st.info("No metric matches by name or definition. Clear the search to see all metrics.")
for start in range(0, len(found), 2):
    for column, metric in zip(st.columns(2), found[start : start + 2], strict=False):
        with column:
            card(metric)
