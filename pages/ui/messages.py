"""Messages to the person: refusals for as long as they hold, confirmations once, and inert texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st

from pages.data.folder import info_of
from ppo_engine import session
from ppo_engine.errors import ConfigError, PPOEngineError
from ppo_engine.store import RunInfo

from .run_view import shown_run
from .sidebar import form

_P = ParamSpec("_P")


def complain(error: PPOEngineError) -> None:
    """Keeps an error in sight until the next command, or until the circumstances change."""
    st.session_state.problem = error.with_traceback(None)  # which would keep alive whatever its frames hold
    st.session_state.problem_when = circumstances()
    st.session_state.problems = st.session_state.get("problems", 0) + 1


def forget_problem() -> None:
    """Clears the error, before another command."""
    st.session_state.problem = None


def circumstances() -> tuple[Any, ...]:
    """What a message refers to: page, run shown and its state, active run, the settings' fields."""
    run, running = shown_run(), session.running()
    now = info(run)
    state = now and ("on" if now.state in ("loading", "running") else now.state, now.config_version)
    return st.session_state.get("page"), run, state, running and running.folder, form.forms().touched


def problem() -> PPOEngineError | None:
    """The last error that `complain` was given, while it still applies."""
    if st.session_state.get("problem") and st.session_state.problem_when != circumstances():
        forget_problem()
    said: PPOEngineError | None = st.session_state.get("problem")
    return said


def show_problem(place: str = "") -> None:
    """Draws the current error, if any; a repeated one anew, so that the press is seen to be answered.

    place: where on the page, besides the sidebar, it is shown.
    """
    if error := problem():
        with st.container(key=f"{place}problem-{st.session_state.problems}"):
            st.error(
                "Not possible:\n\n" + listed(error.problems)
                if isinstance(error, ConfigError)
                else inert(str(error))
            )


def problem_in_words() -> str:
    """The current error as plain text, "" for none."""
    return str(problem() or "")


def surviving(draw: Callable[_P, None]) -> Callable[_P, None]:
    """The same part of a page, which shows an engine error in its own place and leaves the rest standing."""

    @wraps(draw)
    def drawn(*arguments: _P.args, **more: _P.kwargs) -> None:
        try:
            draw(*arguments, **more)
        except PPOEngineError as error:
            st.error(inert(str(error)))

    return drawn


def answering(press: Callable[[], None]) -> Callable[[], None]:
    """The same callback, which reports an engine error instead of raising it."""

    @wraps(press)
    def answered() -> None:
        try:
            press()
        except PPOEngineError as error:
            complain(error)

    return answered


def confirm(text: str) -> None:
    """Confirms at the next run of the page that something was done."""
    st.session_state.confirmed = text


def show_confirmation() -> None:
    """Draws the text given to `confirm`, once."""
    if text := st.session_state.pop("confirmed", ""):
        st.toast(inert(text), icon=":material/check:")


def info(folder: Path | None) -> RunInfo | None:
    """The run's row; None where there is no run or it cannot be read, which the page's frame reports."""
    try:
        return info_of(folder) if folder else None
    except PPOEngineError:
        return None


def inert(text: str) -> str:
    """Text that Streamlit shows literally, with no Markdown, colours or formulas."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def listed(problems: list[str]) -> str:
    """Problems as a list, each on one line of code, so that text from a link is never read as Markdown."""
    return "\n".join(f"- `{' '.join(problem.replace('`', '').split())}`" for problem in problems)
