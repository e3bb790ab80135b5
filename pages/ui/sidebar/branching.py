"""The dialog that starts a new run from a checkpoint of another. A person wants to ask: what if I had turned
this knob there?
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.config import FIELDS
from ppo_engine.errors import ConfigError, PPOEngineError
from ppo_engine.formatting import setting
from ppo_engine.store.checkpoint_files import list_checkpoints

from .. import commands
from ..run_view import runs_folder, shown_run
from .controls import replace_run
from .form import staged
from .settings import widget

_FIXED = ("model_name",)
"""What a branch cannot change: it goes on with its parent's weights."""


def branch_button() -> None:
    """Opens the dialog for the run that is shown; it stays open while the page around it runs again."""
    folder = shown_run()
    info = commands.info(folder)
    if st.button(
        "Branch a new run",
        icon=":material/call_split:",
        width="stretch",
        disabled=info is None or info.last_step < 1,
        help="Start a new run from a checkpoint of this one, with changed settings.",
    ):
        st.session_state.branching = folder
    if folder is not None and st.session_state.get("branching") == folder:
        _dialog(folder)


def _close() -> None:
    st.session_state.branching = None
    for name in FIELDS:
        st.session_state.pop(f"branch-{name}", None)


@st.dialog("Branch a new run", on_dismiss=_close)
def _dialog(parent: Path) -> None:
    """Asks for the checkpoint and the settings to change, then starts the branch."""
    info = commands.info(parent)
    if info is None:
        return
    points = {one.step: one for one in reversed(list_checkpoints(parent))}
    if not points:
        st.info(
            "This run has no checkpoint yet. One is kept every few steps, at each pause, edit and stop, and "
            "when you press Checkpoint."
        )
        return
    # the newest with steps left to take
    first = next((place for place, step in enumerate(points) if step < info.config.steps), 0)
    step = st.selectbox(
        "From the checkpoint after step",
        list(points),
        index=first,
        help="The new run takes its next step from there.",
    )
    try:
        config = points[step].config
    except PPOEngineError as error:
        st.error(commands.inert(str(error)))
        return
    names = st.multiselect(
        "Settings to change",
        [name for name in FIELDS if name not in _FIXED],
        default=[name for name in staged(parent, info) if name not in _FIXED],
        format_func=lambda name: FIELDS[name].label,
        help=(
            "Any but the policy model, also those that are locked during a run, such as the seed or the "
            "classifier."
        ),
    )
    for name in names:
        st.session_state.setdefault(f"branch-{name}", staged(parent, info).get(name, getattr(config, name)))
        widget(FIELDS[name], key="branch")
        st.caption(f"At the checkpoint: {commands.inert(setting(getattr(config, name)))}")
    changes = {name: st.session_state[f"branch-{name}"] for name in names}
    try:
        session.branched_config(parent, step, changes)
    except ConfigError as error:
        st.error("This branch cannot be:\n\n" + commands.listed(error.problems))
        return
    except PPOEngineError as error:
        st.error(commands.inert(str(error)))
        return
    running = session.running()
    on = commands.info(running.folder) if running else None
    if on is not None:
        st.caption(
            f"The run {commands.inert(on.name)} is on, and there can be one at a time here. It keeps what it "
            "recorded."
        )
    if st.button(
        "Stop it and start the branch" if on is not None else "Start the branch",
        type="primary",
        width="stretch",
    ):
        replace_run(_branch, parent, step, changes)
        _close()
        st.rerun()


def _branch(parent: Path, step: int, changes: dict[str, Any]) -> session.Session:
    return session.branch(parent, step, changes, runs_folder())
