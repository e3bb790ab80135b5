"""The sidebar's buttons: start, pause, step and stop a run, take it up again, keep a checkpoint; and the
speed.

They command the run that the page shows, and no other; which one that is stands above them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.config import Config
from ppo_engine.errors import PPOEngineError, RunBusyError, StoreError
from ppo_engine.store import RunInfo, RunReader

from .. import commands
from ..address import PLACES
from ..run_view import can_go_on, from_where, is_mine, newest_run, run_trouble, runs_folder, shown_run
from . import form

_KEY = "press-"


def buttons() -> None:
    """All that a run can be asked for; runs again and again while a page is open."""
    folder = shown_run()
    info = commands.info(folder)
    _answer_late_presses(info)
    _rerun_when_something_changed(folder, info)
    mine = folder is not None and info is not None and is_mine(folder, info)
    state = info.state if info is not None else ""
    goes_on = info is not None and can_go_on(info)
    with st.container(key="commanded"):  # the style sheet reserves its height
        _say_whose_buttons(folder, info, mine)
    # Every button has a place of its own: one that changed into another would make the rest jump away from
    # under the pointer.
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
    about = "End the run after the step under way. What it recorded stays, and it can be resumed."
    _button(right, "Stop", "stop", about, commands.tell, folder, "stop", disabled=not mine, shortcut="X")
    about = "Pause after the step under way."
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
    about = f"Go on: with a paused run, or with one that ended before its last step, {from_where(folder)}."
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
    about = "Keep the models as they are after the step under way, to branch or resume from."
    _button(
        right, "Checkpoint", "bookmark_add", about, commands.tell, folder, "checkpoint", disabled=not mine
    )
    _speed(folder, info, mine)
    with st.container():
        _waiting()
        _confirm_replacement()
        _offer_changed_files(folder, info)
        commands.show_problem()


def _say_whose_buttons(folder: Path | None, info: RunInfo | None, mine: bool) -> None:
    """Which run the buttons command; whether another is training, or a newer one is there, and the
    way to it.
    """
    if folder is None or info is None:
        st.markdown("No run yet" if folder is None else "This run cannot be read")
    else:
        step = f", step {info.last_step}" if info.last_step > 0 else ""
        st.markdown(f"**{commands.inert(info.name)}**: {info.state}{step}")
        if info.alive and not mine:
            st.caption(
                f"It belongs to {commands.inert(info.owner.name)}. It can be watched here, and controlled "
                "there."
            )
    running, newest = session.running(), newest_run()
    other = (
        running.folder
        if running is not None and running.folder != folder
        else newest
        if newest != folder
        else None
    )
    if other is not None and (there := commands.info(other)) is not None:
        how = "training" if running is not None and other == running.folder else "newer"
        label = f"Go to {commands.inert(there.name)}, which is {how}"
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
    """Makes that run the one that is shown. The newest needs no name: should a newer one begin, that is
    shown.
    """
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
    """The buttons that were drawn last as not to be pressed."""
    greyed: set[str] = st.session_state.setdefault("greyed", set())
    return greyed


def _answer_late_presses(info: RunInfo | None) -> None:
    """A press on its way while its button was greyed reaches no callback: Streamlit drops it
    without a word.
    """
    for label in _greyed():
        if st.session_state.get(_KEY + label):
            now = f"the run has changed, and is {info.state} now" if info else "there is no run"
            commands.complain(StoreError(f"{label} came too late: {now}."))


def _rerun_when_something_changed(folder: Path | None, info: RunInfo | None) -> None:
    """The page around the buttons follows the run: locked and staged settings, what is in force, and how
    often it looks.
    """
    commands.edit_is_open(folder)
    alive, running = info is not None and info.alive, session.running()
    began = info is not None and info.last_step > 0
    now = (
        folder,
        alive,
        running and running.folder,
        info.config_version if info is not None and alive else 0,
        began,
        run_trouble(),
    )
    before = st.session_state.get("seen_state", now)
    st.session_state.seen_state = now
    if now != before:
        st.rerun(scope="app")


def when_free(action: Callable[..., session.Session], *arguments: Any) -> None:
    """Does something that makes a run go on here; asks first if another is on."""
    commands.forget_problem()
    running = session.running()
    if running and action is session.resume and running.folder == arguments[0]:
        commands.complain(RunBusyError("This run is on already: another tab has taken it up."))
    elif running:
        st.session_state.replacing = "ask", action, arguments
    else:
        _do(action, *arguments)


def replace_run(action: Callable[..., session.Session], *arguments: Any) -> None:
    """Stops the run that is on, and then does something that makes a run go on here."""
    running = session.running()
    if running is None:
        _do(action, *arguments)
        return
    commands.tell(running.folder, "stop")
    st.session_state.replacing = "waiting", running.folder, action, arguments


def _do(action: Callable[..., session.Session], *arguments: Any) -> None:
    commands.forget_problem()
    try:
        begun = action(*arguments)
    except PPOEngineError as error:
        commands.complain(error)
        return
    _go_to(begun.folder)  # and to its newest step, and what it was asked
    seconds = session.SPEEDS.get(st.session_state.get("speed") or "", 0.0)
    if seconds:
        st.session_state.speed_asked = (
            begun.folder,
            commands.tell(begun.folder, "speed", seconds_per_step=seconds),
        )


def _resume(folder: Path, ended: bool) -> None:
    """Takes up a run that has ended, or lets a paused one go on, unless that has ended since the button was
    drawn.
    """
    info = commands.info(folder)
    if ended or info is None or not info.alive:
        when_free(session.resume, folder)
    else:
        commands.tell(folder, "resume")


def _press_start() -> None:
    """The fields count as they are now, even if the new run has to wait until another has ended."""
    try:
        when_free(_start, form.config(), form.forms().shown["preset"])
    except PPOEngineError as error:
        commands.complain(error)


def _start(config: Config, preset: str) -> session.Session:
    begun = session.start(config, preset, runs_folder())
    form.draft_from(config, preset, begun.folder.name)
    return begun


def _confirm_replacement() -> None:
    """A second start says which run is on, and offers to stop it."""
    stage, *what = st.session_state.get("replacing") or ("",)
    running = session.running()
    if stage != "ask":
        return
    if running is None:
        st.session_state.replacing = None
        return
    on, (action, arguments) = commands.info(running.folder), what
    if action is session.resume and running.folder == arguments[0]:
        st.session_state.replacing = None  # another tab has done it
        return
    name = commands.inert(on.name if on else running.folder.name)
    st.warning(f"The run {name} is on, and there can be one at a time here. Stop it and start the other?")
    if st.button("Stop it and start", width="stretch"):
        replace_run(action, *arguments)
        st.rerun(scope="fragment")
    if st.button("Keep it", width="stretch"):
        st.session_state.replacing = None
        st.rerun(scope="fragment")


def _offer_changed_files(folder: Path | None, info: RunInfo | None) -> None:
    """A run whose models or data are others than it began with does not go on by itself: what differs, and a
    way to go on all the same.
    """
    if folder is None or info is None or info.alive or not (changed := RunReader(folder).changed_sources()):
        return
    with st.container(border=True, key="changed"):
        st.warning(
            "Not gone on with, because this is no longer what the run began with:\n\n"
            + commands.listed(_differences(changed))
        )
        st.button(
            "Go on with the changed files",
            width="stretch",
            on_click=when_free,
            args=(session.resume, folder, True),
            key="accept-changed",
            help=(
                "From the last checkpoint. The history says that and which files were others, and from which "
                "step on."
            ),
        )


def _differences(changed: dict[str, str]) -> list[str]:
    return [f"{name}: {how}" for name, how in changed.items()]


def _waiting() -> None:
    """Once the run that was on has ended, what was asked for is done."""
    stage, *what = st.session_state.get("replacing") or ("",)
    if stage != "waiting":
        return
    leaving, action, arguments = what
    running = session.running()
    if running and running.folder == leaving:
        st.caption("Waiting for the run to end its step.")
        return
    st.session_state.replacing = None
    when_free(action, *arguments)  # another tab may have been quicker: then this one asks again
    st.rerun(scope="app")


def _speed(folder: Path | None, info: RunInfo | None, mine: bool) -> None:
    """The speed: the run's own, which another tab may have changed, unless this tab has just asked for
    another.
    """
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
        help="The least time a step takes, so that a room can read along. Takes effect at once.",
        width="stretch",
    )


def _change_speed(folder: Path | None) -> None:
    # pressing the chosen one again deselects it: nothing is asked for
    if folder is not None and st.session_state.speed:
        st.session_state.speed_asked = (
            folder,
            commands.tell(folder, "speed", seconds_per_step=session.SPEEDS[st.session_state.speed]),
        )
