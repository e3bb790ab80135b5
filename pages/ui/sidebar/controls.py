"""The sidebar's buttons: start, pause, step, stop and resume a run, save a checkpoint; and the speed.

They control the run that the page shows, and no other; its name stands above them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pages.data.folder import can_go_on, from_where, is_mine, newest_run, runs_folder
from ppo_engine import session
from ppo_engine.config import Config
from ppo_engine.errors import PPOEngineError, RunBusyError, StoreError
from ppo_engine.store import RunInfo, RunReader

from .. import commands, messages
from ..address import PLACES
from ..run_view import shown_run
from . import form

_KEY = "press-"


def buttons() -> None:
    """All commands to a run; drawn anew whenever its state changes."""
    folder = shown_run()
    info = messages.info(folder)
    _answer_late_presses(info)
    commands.edit_is_open(folder)  # says why one was refused
    mine = folder is not None and info is not None and is_mine(folder, info)
    state = info.state if info is not None else ""
    goes_on = info is not None and can_go_on(info)
    with st.container(key="commanded"):  # the style sheet reserves its height
        _say_whose_buttons(folder, info, mine)
    # Each button has a fixed place: one that changed into another would move the rest under the pointer.
    left, right = st.columns(2, gap="small")
    _button(
        left,
        "Start",
        "play_arrow",
        "Train a new run with the settings below.",
        _press_start,
        type="primary",
        shortcut="S",
    )
    about = "End the run after the current step. Its record is kept, and it can be resumed."
    _button(right, "Stop", "stop", about, commands.tell, folder, "stop", disabled=not mine, shortcut="X")
    about = "Pause after the current step."
    _button(
        left,
        "Pause",
        "pause",
        about,
        commands.tell,
        folder,
        "pause",
        disabled=not mine or state == "paused",
        shortcut="P",
    )
    about = f"Continue a paused run, or one that ended before its last step, {from_where(folder)}."
    able = goes_on or (mine and state == "paused")
    _button(right, "Resume", "resume", about, _resume, folder, goes_on, disabled=not able, shortcut="P")
    _button(
        left,
        "Step",
        "skip_next",
        "Take one PPO step, then pause.",
        commands.tell,
        folder,
        "step",
        disabled=not mine,
        shortcut="N",
    )
    about = "Save a checkpoint after the current step, to branch or resume from."
    _button(
        right, "Checkpoint", "bookmark_add", about, commands.tell, folder, "checkpoint", disabled=not mine
    )
    _speed(folder, info, mine)
    with st.container():
        _waiting()
        _confirm_replacement()
        _offer_changed_files(folder, info)
        messages.show_problem()


def _say_whose_buttons(folder: Path | None, info: RunInfo | None, mine: bool) -> None:
    """Which run the buttons control, and a link to another that is training, or is newer."""
    if folder is None or info is None:
        st.markdown("No run yet" if folder is None else "This run cannot be read")
    else:
        st.markdown(f"**{messages.inert(info.name)}**: {info.state}")
        if info.alive and not mine:
            st.caption(f"Owned by {messages.inert(info.owner.name)}: read-only here.")
    running, newest = session.running(), newest_run()
    other = (
        running.folder
        if running is not None and running.folder != folder
        else newest
        if newest != folder
        else None
    )
    if other is not None and (there := messages.info(other)) is not None:
        how = "training" if running is not None and other == running.folder else "newer"
        label = f"Go to {messages.inert(there.name)} ({how})"
        st.button(
            label,
            key="go-to-other",
            type="tertiary",
            icon=":material/arrow_forward:",
            on_click=_go_to,
            args=(other,),
        )


def _go_to(run: Path) -> None:
    for name in PLACES:
        st.query_params.pop(name, None)
    show_in_address(run)


def show_in_address(run: Path) -> None:
    """Shows that run. The newest is not named, so that a newer one takes its place."""
    if run == newest_run():
        st.query_params.pop("run", None)
    else:
        st.query_params["run"] = run.name


def _button(
    place: Any,
    label: str,
    icon: str,
    about: str,
    action: Callable[..., Any],
    *arguments: Any,
    disabled: bool = False,
    **more: Any,
) -> None:
    (_greyed().add if disabled else _greyed().discard)(label)
    place.button(
        label,
        key=_KEY + label,
        icon=f":material/{icon}:",
        width="stretch",
        help=about,
        on_click=action,
        args=arguments,
        disabled=disabled,
        **more,
    )


def _greyed() -> set[str]:
    """The buttons that were last drawn disabled."""
    greyed: set[str] = st.session_state.setdefault("greyed", set())
    return greyed


def _answer_late_presses(info: RunInfo | None) -> None:
    """A press that arrives after its button was disabled reaches no callback: Streamlit drops it silently."""
    for label in _greyed():
        if st.session_state.get(_KEY + label):
            now = f"the run is now {info.state}" if info else "there is no run"
            messages.complain(StoreError(f"{label} was pressed too late: {now}."))


def when_free(action: Callable[..., session.Session], *arguments: Any) -> None:
    """Starts or resumes a run here; asks first if another is active."""
    messages.forget_problem()
    running = session.running()
    if running and action is session.resume and running.folder == arguments[0]:
        messages.complain(RunBusyError("This run is already active: another tab resumed it."))
    elif running:
        st.session_state.replacing = "ask", action, arguments
    else:
        _do(action, *arguments)


def replace_run(action: Callable[..., session.Session], *arguments: Any) -> None:
    """Stops the active run, then starts or resumes a run here."""
    running = session.running()
    if running is None:
        _do(action, *arguments)
        return
    commands.tell(running.folder, "stop")
    st.session_state.replacing = "waiting", running.folder, action, arguments


def _do(action: Callable[..., session.Session], *arguments: Any) -> None:
    messages.forget_problem()
    try:
        begun = action(*arguments)
    except PPOEngineError as error:
        messages.complain(error)
        return
    _go_to(begun.folder)  # and to its newest step
    seconds = session.SPEEDS.get(st.session_state.get("speed") or "", 0.0)
    if seconds:
        st.session_state.speed_asked = (
            begun.folder,
            commands.tell(begun.folder, "speed", seconds_per_step=seconds),
        )


def _resume(folder: Path, ended: bool) -> None:
    """Resumes an ended run, or continues a paused one unless it has ended since the button was drawn."""
    info = messages.info(folder)
    if ended or info is None or not info.alive:
        when_free(session.resume, folder)
    else:
        commands.tell(folder, "resume")


def _press_start() -> None:
    """Starts with the fields' values of this moment, even if the new run has to wait for another to end."""
    try:
        when_free(_start, form.config(), form.forms().shown["preset"])
    except PPOEngineError as error:
        messages.complain(error)


def _start(config: Config, preset: str) -> session.Session:
    begun = session.start(config, preset, runs_folder())
    form.draft_from(config, preset, begun.folder.name)
    return begun


def _confirm_replacement() -> None:
    """On a second start, names the active run and offers to stop it."""
    stage, *what = st.session_state.get("replacing") or ("",)
    running = session.running()
    if stage != "ask":
        return
    if running is None:
        st.session_state.replacing = None
        return
    on, (action, arguments) = messages.info(running.folder), what
    if action is session.resume and running.folder == arguments[0]:
        st.session_state.replacing = None  # another tab has done it
        return
    name = messages.inert(on.name if on else running.folder.name)
    st.warning(f"The run {name} is active, and only one can be at a time. Stop it and start the other?")
    if st.button("Stop it and start", width="stretch"):
        replace_run(action, *arguments)
        st.rerun()
    if st.button("Keep it running", width="stretch"):
        st.session_state.replacing = None
        st.rerun()


def _offer_changed_files(folder: Path | None, info: RunInfo | None) -> None:
    """Where a run was not resumed since its models or data changed: what differs, and a way to accept it."""
    if folder is None or info is None or info.alive or not (changed := RunReader(folder).changed_sources()):
        return
    with st.container(border=True, key="changed"):
        st.warning(
            "Not resumed, because the run began with other models or data:\n\n"
            + messages.listed(_differences(changed))
        )
        st.button(
            "Resume with the changed files",
            width="stretch",
            on_click=when_free,
            args=(session.resume, folder, True),
            key="accept-changed",
            help=(
                "Resumes from the last checkpoint. The history records which files changed, and from which "
                "step on."
            ),
        )


def _differences(changed: dict[str, str]) -> list[str]:
    return [f"{name}: {how}" for name, how in changed.items()]


def _waiting() -> None:
    """Once the active run has ended, carries out the command that waited for it."""
    stage, *what = st.session_state.get("replacing") or ("",)
    if stage != "waiting":
        return
    leaving, action, arguments = what
    running = session.running()
    if running and running.folder == leaving:
        st.caption("Waiting for the run to finish its step.")
        return
    st.session_state.replacing = None
    when_free(action, *arguments)  # asks again if another tab was quicker
    st.rerun()


def _speed(folder: Path | None, info: RunInfo | None, mine: bool) -> None:
    """The run's own speed, which another tab may have changed, unless this tab has just set another."""
    st.session_state.setdefault("speed", next(iter(session.SPEEDS)))
    if mine and folder is not None and info is not None and info.state != "loading":
        asked_of, number = st.session_state.get("speed_asked", (None, None))
        if asked_of != folder or number is None or RunReader(folder).command(number)[0] != "queued":
            st.session_state.speed = next(
                (name for name, seconds in session.SPEEDS.items() if seconds >= info.seconds_per_step),
                list(session.SPEEDS)[-1],
            )
    st.segmented_control(
        "Speed",
        list(session.SPEEDS),
        key="speed",
        on_change=_change_speed,
        args=(folder if mine else None,),
        help="Minimum time per step, so that an audience can follow. Takes effect immediately.",
        width="stretch",
    )


def _change_speed(folder: Path | None) -> None:
    # pressing the selected speed again deselects it: nothing to send
    if folder is not None and st.session_state.speed:
        seconds = session.SPEEDS[st.session_state.speed]
        number = commands.tell(folder, "speed", seconds_per_step=seconds)
        st.session_state.speed_asked = folder, number
