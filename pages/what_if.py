"""What-if: knobs on a recorded step. A person turns gamma, lambda or a clip range and sees what the very same
tokens would have got.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import asking, board, form, state, whatif, whatif_look
from pages.ui.refresh import interval
from pages.ui.top import top_line
from ppo_engine.errors import PPOEngineError


def draw() -> None:
    """The page; runs again when a knob is turned, and now and then for newer steps."""
    if st.session_state.pop("whatif_staged", False):
        st.rerun(scope="app")  # the sidebar is not this fragment's to draw
    folder = _folder()
    info = asking.info(folder)
    number = whatif_look.told_by("look").get("number", 0)
    if info is None:
        return  # the run cannot be read, which the sidebar says
    if st.session_state.get("whatif_said") and st.session_state.whatif_said_when != asking.circumstances():
        st.session_state.whatif_said = ""  # applied, discarded, or changed again
    try:
        made = whatif.payload(
            folder,
            info,
            whatif_look.current(),
            _problems(folder),
            st.session_state.get("whatif_said", ""),
            number,
        )
    except PPOEngineError as error:
        st.error(asking.inert(str(error)))
        return
    board.mount(
        {"only": "whatif", "whatif": made},
        key="whatif",
        on_look=asking.answering(_look),
        on_ask=asking.answering(_use),
    )


def _problems(folder: Path) -> list[str]:
    """What the address, or the browser, asked for and cannot have."""
    look = whatif_look.current()
    scene = whatif.scene_of(folder, look)
    if scene is None:
        return whatif_look.problems()
    lengths = scene.mask.sum(1)
    return whatif_look.problems() + whatif_look.unmet(
        len(lengths), int(lengths[min(look.sample, len(lengths) - 1)])
    )


def _folder() -> Path:
    """The run that is shown; before the first, the recorded example."""
    return state.shown_run() or state.EXAMPLE


def _look() -> None:
    folder = state.shown_run()
    st.session_state.whatif_said = ""
    whatif_look.heard(folder.name if folder else None)


def _use() -> None:
    """Puts the knobs' values into the sidebar's form. A callback, because a field's value cannot be set once
    it is drawn.
    """
    look = whatif_look.asked()
    scene = whatif.scene_of(_folder(), look)
    if scene is None:
        return
    changes, st.session_state.whatif_said = whatif.use_in_run(
        form.forms().shown, look, scene, on=bool(form.forms().of)
    )
    form.put(changes)
    st.session_state.whatif_said_when = asking.circumstances()
    st.session_state.whatif_staged = bool(changes)


whatif_look.take_from_address(shown.name if (shown := state.shown_run()) else None)
top_line()
st.fragment(asking.surviving(draw), run_every=interval(busy=1.0))()
