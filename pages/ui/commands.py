"""Asking things of a run: what is refused is said in the sidebar for as long as it is so, and nothing is
raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st

from ppo_engine import session
from ppo_engine.errors import ConfigError, PPOEngineError, StoreError
from ppo_engine.store import RunInfo, RunReader, add_note

from .run_view import info_of, shown_run
from .sidebar import form

_P = ParamSpec("_P")


def tell(folder: Path, kind: str, **payload: Any) -> int | None:
    """Submits a command; returns its number, None where it was refused."""
    forget_problem()
    try:
        return session.command(folder, kind, **payload)
    except PPOEngineError as error:
        complain(error)
        return None


def edit(folder: Path, changes: dict[str, Any]) -> None:
    """Asks for a change of settings at the next step boundary, and remembers it until it is answered."""
    number = tell(folder, "edit", changes=changes)
    if number is not None:
        st.session_state.edit_asked = folder, number


def edit_is_open(folder: Path | None) -> bool:
    """Whether an edit of this tab still waits. When it was refused, the reason is said."""
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


def complain(error: PPOEngineError) -> None:
    """Keeps an error in sight, in the sidebar and beside the history, until something else is asked for or
    the circumstances change.
    """
    st.session_state.problem = error.with_traceback(None)  # which would keep alive whatever its frames hold
    st.session_state.problem_when = circumstances()
    st.session_state.problems = st.session_state.get("problems", 0) + 1


def forget_problem() -> None:
    """Something else is asked for."""
    st.session_state.problem = None


def circumstances() -> tuple[Any, ...]:
    """What a message is about: the page, the run that is shown and how it stands, the one that is on, and the
    settings' fields.
    """
    run, running = shown_run(), session.running()
    now = info(run)
    state = None if now is None else "on" if now.state in ("loading", "running") else now.state
    version = None if now is None else now.config_version
    return st.session_state.get("page"), run, state, version, running and running.folder, form.forms().touched


def problem() -> PPOEngineError | None:
    """What `complain` was told last, unless it is no longer so."""
    if st.session_state.get("problem") and st.session_state.problem_when != circumstances():
        forget_problem()
    said: PPOEngineError | None = st.session_state.get("problem")
    return said


def show_problem(place: str = "") -> None:
    """Draws what `complain` was told last, if anything. The same said again is drawn anew, so that a person
    sees the press was heard.

    place: where on the page beside the sidebar, which shows it too.
    """
    if error := problem():
        with st.container(key=f"{place}problem-{st.session_state.problems}"):
            st.error(
                "That cannot be:\n\n" + listed(error.problems)
                if isinstance(error, ConfigError)
                else inert(str(error))
            )


def say_unmet(problems: list[str]) -> None:
    """What the address asks of this page and cannot have. Draws its place even where there is
    nothing to say.
    """
    with st.container():
        if problems:
            st.warning("The address asks for what is not there:\n\n" + listed(problems))


def problem_in_words() -> str:
    """The same as plain text, "" for none."""
    return str(problem() or "")


def surviving(draw: Callable[_P, None]) -> Callable[_P, None]:
    """The same part of a page, which says what cannot be read where it would be drawn, and leaves the rest
    standing.
    """

    @wraps(draw)
    def drawn(*arguments: _P.args, **more: _P.kwargs) -> None:
        try:
            draw(*arguments, **more)
        except PPOEngineError as error:
            st.error(inert(str(error)))

    return drawn


def answering(press: Callable[[], None]) -> Callable[[], None]:
    """The same answer to a press, which complains where the run cannot be read."""

    @wraps(press)
    def answered() -> None:
        try:
            press()
        except PPOEngineError as error:
            complain(error)

    return answered


def confirm(text: str) -> None:
    """Says at the next run of the page that something was done."""
    st.session_state.confirmed = text


def show_confirmation() -> None:
    """Draws what `confirm` was told, once."""
    if text := st.session_state.pop("confirmed", ""):
        st.toast(inert(text), icon=":material/check:")


def info(folder: Path | None) -> RunInfo | None:
    """The run's row; None where there is no run or it cannot be read, which the frame around
    the page says.
    """
    try:
        return info_of(folder) if folder else None
    except PPOEngineError:
        return None


def inert(text: str) -> str:
    """Text that Streamlit shows as it is, whatever Markdown, colours or formulas it would otherwise make of
    it.
    """
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def listed(problems: list[str]) -> str:
    """Problems as a list, each on one line of code, so that what a stranger put into a link is never read as
    Markdown.
    """
    return "\n".join(f"- `{' '.join(problem.replace('`', '').split())}`" for problem in problems)
