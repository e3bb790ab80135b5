"""Commands to a run: submitted, and refused with a reason that stays in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.errors import ConfigError, PPOEngineError, StoreError
from ppo_engine.store import RunReader, add_note

from .messages import complain, forget_problem


def tell(folder: Path, kind: str, **payload: Any) -> int | None:
    """Submits a command; returns its number, None where it was refused."""
    forget_problem()
    try:
        return session.command(folder, kind, **payload)
    except PPOEngineError as error:
        complain(error)
        return None


def edit(folder: Path, changes: dict[str, Any]) -> None:
    """Requests a change of settings at the next step boundary, and remembers it until it is answered."""
    number = tell(folder, "edit", changes=changes)
    if number is not None:
        st.session_state.edit_asked = folder, number


def edit_is_open(folder: Path | None) -> bool:
    """Whether an edit of this tab is still pending. A refusal is shown with its reason."""
    asked_of, number = st.session_state.get("edit_asked", (None, None))
    if asked_of is None or asked_of != folder:
        return False
    try:
        state, reason = RunReader(asked_of).command(number)
    except StoreError as error:
        state, reason = "refused", str(error)
    if state == "queued":
        return True
    del st.session_state.edit_asked
    if state == "refused":
        complain(ConfigError([reason]))
    return False


def note(folder: Path, step: int, text: str) -> None:
    """Pins a remark to a step."""
    forget_problem()
    try:
        add_note(folder, step, text)
    except PPOEngineError as error:
        complain(error)
