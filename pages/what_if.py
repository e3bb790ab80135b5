"""What-if: gamma, lambda, a clip range changed on a recorded step: what its tokens would have received."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.data.whatif.view_state import read
from pages.ui import component, messages, run_view
from pages.ui.sidebar import form
from pages.ui.top import top_line


def draw() -> None:
    """The page, which fetches by itself what it shows."""
    if messages.info(run_view.shown_or_example()) is None:
        return  # the run cannot be read; the sidebar says so
    if st.session_state.get("whatif_said") and st.session_state.whatif_said_when != messages.circumstances():
        st.session_state.whatif_said = ""  # applied, discarded, or changed again
    component.mount(
        {"only": "whatif", "said": st.session_state.get("whatif_said", "")},
        key="whatif",
        run=run_view.shown_or_example(),
        on_ask=messages.answering(_use),
    )


def _use() -> None:
    """Copies the values to the sidebar's form. A callback, since a field cannot be set once it is drawn."""
    from pages.data.whatif.answer import scene_of, use_in_run  # which bring torch along

    asked: dict[str, Any] = (st.session_state.get("whatif") or {}).get("ask") or {}
    query = asked.get("query")
    view = read({str(name): str(text) for name, text in query.items()} if isinstance(query, dict) else {})
    scene = scene_of(run_view.shown_or_example(), view)
    if scene is None:
        return
    changes, st.session_state.whatif_said = use_in_run(
        form.forms().shown, view, scene, on=bool(form.forms().of)
    )
    form.put(changes)
    st.session_state.whatif_said_when = messages.circumstances()


top_line()
messages.surviving(draw)()
