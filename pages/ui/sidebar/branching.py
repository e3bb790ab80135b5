"""The dialog that starts a new run from a checkpoint: what if I had changed this setting there?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pages.data.folder import runs_folder
from ppo_engine import session
from ppo_engine.config import FIELDS
from ppo_engine.errors import ConfigError, PPOEngineError
from ppo_engine.formatting import setting
from ppo_engine.store.checkpoint_files import list_checkpoints

from .. import messages
from ..run_view import shown_run
from .controls import replace_run
from .form import staged
from .settings import widget

_FIXED = ("model_name",)
"""What a branch cannot change: it continues from its parent's weights."""


def branch_button() -> None:
    """Opens the dialog for the run shown; it stays open while the page around it runs again."""
    folder = shown_run()
    info = messages.info(folder)
    if st.button(
        "Branch a new run",
        icon=":material/call_split:",
        width="stretch",
        disabled=info is None or info.last_step < 1,
        help="Start a new run from a checkpoint of this run, with changed settings.",
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
    info = messages.info(parent)
    if info is None:
        return
    points = {one.step: one for one in reversed(list_checkpoints(parent))}
    if not points:
        st.info(
            "This run has no checkpoint yet. Checkpoints are saved every few steps, at each pause, edit and "
            "stop, and when you press Checkpoint."
        )
        return
    # the newest with steps left to take
    first = next((place for place, step in enumerate(points) if step < info.config.steps), 0)
    step = st.selectbox(
        "From the checkpoint after step",
        list(points),
        index=first,
        help="The new run continues from there.",
    )
    try:
        config = points[step].config
    except PPOEngineError as error:
        st.error(messages.inert(str(error)))
        return
    names = st.multiselect(
        "Settings to change",
        [name for name in FIELDS if name not in _FIXED],
        default=[name for name in staged(parent, info) if name not in _FIXED],
        format_func=lambda name: FIELDS[name].label,
        help=(
            "Any setting but the policy model, including those that are fixed during a run, such as the seed "
            "or the reward."
        ),
    )
    for name in names:
        st.session_state.setdefault(f"branch-{name}", staged(parent, info).get(name, getattr(config, name)))
        widget(FIELDS[name], key="branch")
        st.caption(f"At the checkpoint: {messages.inert(setting(getattr(config, name)))}")
    changes = {name: st.session_state[f"branch-{name}"] for name in names}
    try:
        session.branched_config(parent, step, changes)
    except ConfigError as error:
        st.error("Invalid settings for the branch:\n\n" + messages.listed(error.problems))
        return
    except PPOEngineError as error:
        st.error(messages.inert(str(error)))
        return
    running = session.running()
    on = messages.info(running.folder) if running else None
    if on is not None:
        st.caption(
            f"The run {messages.inert(on.name)} is active, and only one can be at a time. Its record is kept."
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
