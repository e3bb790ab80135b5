"""What-if: gamma, lambda, a clip range changed on a recorded step: what its tokens would have received."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import component, messages, run_view
from pages.ui.refresh import interval
from pages.ui.sidebar import form
from pages.ui.top import top_line
from pages.ui.whatif import payload, view_state
from ppo_engine.errors import PPOEngineError


def draw() -> None:
    """The page; redrawn when a slider moves, and regularly for newer steps."""
    if st.session_state.pop("whatif_staged", False):
        st.rerun(scope="app")  # the sidebar is not this fragment's to draw
    folder = _folder()
    info = messages.info(folder)
    number = view_state.last_message("look").get("number", 0)
    if info is None:
        return  # the run cannot be read; the sidebar says so
    if st.session_state.get("whatif_said") and st.session_state.whatif_said_when != messages.circumstances():
        st.session_state.whatif_said = ""  # applied, discarded, or changed again
    try:
        made = payload.payload(
            folder,
            info,
            view_state.current(),
            _problems(folder),
            st.session_state.get("whatif_said", ""),
            number,
        )
    except PPOEngineError as error:
        st.error(messages.inert(str(error)))
        return
    component.mount(
        {"only": "whatif", "whatif": made},
        key="whatif",
        on_look=messages.answering(_look),
        on_ask=messages.answering(_use),
    )


def _problems(folder: Path) -> list[str]:
    """What is invalid in the address, or in what the browser asked for."""
    look = view_state.current()
    scene = payload.scene_of(folder, look)
    if scene is None:
        return view_state.problems()
    lengths = scene.mask.sum(1)
    return view_state.problems() + view_state.unmet(
        len(lengths), int(lengths[min(look.sample, len(lengths) - 1)])
    )


def _folder() -> Path:
    """The run shown; before the first, the recorded example."""
    return run_view.shown_run() or run_view.EXAMPLE


def _look() -> None:
    folder = run_view.shown_run()
    st.session_state.whatif_said = ""
    view_state.on_view_change(folder.name if folder else None)


def _use() -> None:
    """Copies the values to the sidebar's form. A callback, since a field cannot be set once it is drawn."""
    look = view_state.asked()
    scene = payload.scene_of(_folder(), look)
    if scene is None:
        return
    changes, st.session_state.whatif_said = payload.use_in_run(
        form.forms().shown, look, scene, on=bool(form.forms().of)
    )
    form.put(changes)
    st.session_state.whatif_said_when = messages.circumstances()
    st.session_state.whatif_staged = bool(changes)


view_state.take_from_address(shown.name if (shown := run_view.shown_run()) else None)
top_line()
st.fragment(messages.surviving(draw), run_every=interval(busy=1.0))()
