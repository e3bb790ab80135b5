"""The sidebar: Start, Pause, Step and Stop, the speed, and the hyperparameters as a form made from `ppo_engine.config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.config import GROUPS, KNOBS, PRESETS, Config, Knob
from ppo_engine.errors import ConfigError, PPOEngineError
from ppo_engine.store import RunInfo, RunReader

from .state import info_of, runs_folder, shown_run

_OWN_PARAMETERS = ("run", "step", "sample", "search")
_FIRST = ("seed", "steps")


def run_is_on() -> bool:
    """Whether this server trains a run now."""
    running = session.current()
    return running is not None and running.alive


def take_settings_from_address() -> None:
    """Once a session: the form's values from the URL, checked like any other; what is refused is said and left out."""
    if "preset" in st.session_state:
        return
    asked = {name: value for name, value in st.query_params.to_dict().items() if name not in _OWN_PARAMETERS}
    preset = asked.pop("preset", "tiny-reviews")
    problems = []
    if preset not in PRESETS:
        problems.append(f"preset = {preset[:60]}: must be one of {', '.join(PRESETS)}")
        preset = "tiny-reviews"
    config, refused = _accepted(preset, asked)
    st.session_state.preset = preset
    st.session_state.address_problems = [*problems, *refused]
    _fill_form(config)


def _accepted(preset: str, asked: dict[str, str]) -> tuple[Config, list[str]]:
    """The configuration from what can be accepted of `asked`, and what was wrong with the rest."""
    try:
        return Config.from_strings(preset, asked), []
    except ConfigError:
        return _without_what_is_refused(preset, asked)


def _without_what_is_refused(preset: str, asked: dict[str, str]) -> tuple[Config, list[str]]:
    """Drops the settings that the problems name, until the rest is accepted."""
    problems: list[str] = []
    while True:
        try:
            return Config.from_strings(preset, asked), problems
        except ConfigError as error:
            problems += error.problems
            named = {problem.split(" = ")[0].split(":")[0] for problem in error.problems}
            kept = {name: value for name, value in asked.items() if name not in named and name[:60] not in named}
            asked = kept if len(kept) < len(asked) else {}


def _fill_form(config: Config) -> None:
    for name in KNOBS:
        st.session_state[f"knob-{name}"] = getattr(config, name)


def _use_preset() -> None:
    _fill_form(Config.preset(st.session_state.preset))


def form_config() -> Config:
    """The form's values as a configuration; raises `ConfigError`."""
    return Config(**{name: st.session_state[f"knob-{name}"] for name in KNOBS})


def settings() -> None:
    """The form, locked while a run is on; keeps the address in step with it."""
    running = session.current()
    locked = running is not None and running.alive
    if locked and running is not None and st.session_state.get("settings_of") != running.folder:
        _show_settings_of(running.folder)
        st.session_state.settings_of = running.folder
    if problems := st.session_state.pop("address_problems", []):
        st.session_state.address_message = "The link asks for settings that cannot be; without them:\n\n" + _listed(problems)
    if message := st.session_state.get("address_message"):
        st.warning(message)
    st.selectbox(
        "Preset",
        list(PRESETS),
        key="preset",
        format_func=lambda name: PRESETS[name].title,
        on_change=_use_preset,
        disabled=locked,
        help="\n\n".join(f"{preset.title}: {preset.help}" for preset in PRESETS.values()),
    )
    for name in _FIRST:
        _widget(KNOBS[name], locked)
    if locked:
        st.caption("The settings are locked while a run is on.")
    for group in GROUPS:
        knobs = [knob for knob in KNOBS.values() if knob.group == group and knob.name not in _FIRST]
        if knobs:
            with st.expander(group):
                for knob in knobs:
                    _widget(knob, locked)
    _keep_address()


def _show_settings_of(folder: Path) -> None:
    """Another tab may have started the run with other settings than this form's. A link's own settings then have to wait."""
    info = _info(folder)
    if info is None:
        return
    if "settings_of" not in st.session_state and _differs(info):
        st.session_state.address_message = (
            f"The run {info.name} is on, so its settings are shown here and not the link's. Open the link again when it has ended."
        )
    st.session_state.preset = info.preset
    _fill_form(info.config)


def _differs(info: RunInfo) -> bool:
    """Whether the form, filled from a link, asks for something else than the run that is on."""
    asked = {name for name in st.query_params if name not in _OWN_PARAMETERS and name != "preset"}
    try:
        return bool(asked) and form_config() != info.config
    except ConfigError:
        return True


def _widget(knob: Knob, locked: bool) -> None:
    label = knob.label[0].upper() + knob.label[1:] + (f" ({knob.unit})" if knob.unit and knob.unit != knob.label else "")
    common: dict[str, Any] = {
        "key": f"knob-{knob.name}",
        "disabled": locked,
        "help": f"`{knob.name}`: {knob.help} Allowed: {knob.allowed}.",
    }
    if knob.choices:
        st.selectbox(label, knob.choices, **common)
    elif knob.kind is bool:
        st.toggle(label, **common)
    elif knob.kind is str:
        st.text_input(label, **common)
    elif knob.kind is int:
        st.number_input(label, min_value=int(knob.minimum or 0), max_value=int(knob.maximum or 0), step=1, **common)
    else:
        st.number_input(
            label, min_value=float(knob.minimum or 0), max_value=float(knob.maximum or 0), step=_stride(knob), format="%g", **common
        )


def _stride(knob: Knob) -> float:
    """A step of the little arrows that suits the default's size."""
    return float(f"{(knob.default or 1) / 10:.0e}")


def _keep_address() -> None:
    """The settings in the URL: the preset, the seed, and what differs from the preset."""
    try:
        changes = form_config().changes_from(st.session_state.preset)
    except ConfigError:
        return
    kept = {name: value for name, value in st.query_params.to_dict().items() if name in _OWN_PARAMETERS}
    wanted = {**kept, "preset": st.session_state.preset, "seed": str(st.session_state["knob-seed"]), **changes}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def buttons() -> None:
    """Start, Pause or Resume, Step, Stop, and the speed; runs again and again while a page is open."""
    folder = shown_run()
    info = _info(folder)
    alive = info is not None and info.alive
    if alive != st.session_state.get("was_alive", alive) or run_is_on() != st.session_state.get("was_on", run_is_on()):
        st.session_state.was_alive, st.session_state.was_on = alive, run_is_on()
        st.rerun(scope="app")
    st.session_state.was_alive, st.session_state.was_on = alive, run_is_on()
    paused = info is not None and info.state == "paused"
    first, second = st.columns(2, gap="small")
    first.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        on_click=_ask_to_start,
        help="Train a new run with the settings below.",
    )
    if paused:
        second.button("Resume", icon=":material/resume:", width="stretch", on_click=_tell, args=(folder, "resume"))
    else:
        second.button(
            "Pause",
            icon=":material/pause:",
            width="stretch",
            disabled=not alive,
            on_click=_tell,
            args=(folder, "pause"),
            help="Pause after the step under way.",
        )
    first.button(
        "Step",
        icon=":material/skip_next:",
        width="stretch",
        disabled=not alive,
        on_click=_tell,
        args=(folder, "step"),
        help="Take one PPO step, then pause.",
    )
    second.button(
        "Stop",
        icon=":material/stop:",
        width="stretch",
        disabled=not alive,
        on_click=_tell,
        args=(folder, "stop"),
        help="End the run after the step under way. What it recorded stays.",
    )
    _follow_speed(folder, info)
    st.segmented_control(
        "Speed",
        list(session.SPEEDS),
        key="speed",
        on_change=_change_speed,
        args=(folder if alive else None,),
        help="The least time a step takes, so that a room can read along. Takes effect at once.",
        width="stretch",
    )
    _start_when_free()
    _confirm_replacement()
    if problem := st.session_state.get("problem"):
        st.error(problem)


def _info(folder: Any) -> Any:
    try:
        return info_of(folder) if folder else None
    except PPOEngineError as error:
        st.session_state.problem = str(error)
        return None


def _ask_to_start() -> None:
    st.session_state.problem = ""
    if run_is_on():
        st.session_state.replacing = "ask"
    else:
        _start()


def _start() -> None:
    st.session_state.problem = ""
    try:
        started = session.start(form_config(), st.session_state.preset, runs_folder())
        for name in ("run", "step", "sample"):
            st.query_params.pop(name, None)
        seconds = session.SPEEDS.get(st.session_state.get("speed") or "", 0.0)
        if seconds:
            st.session_state.speed_asked = started.folder, _tell(started.folder, "speed", seconds_per_step=seconds)
    except ConfigError as error:
        st.session_state.problem = "These settings cannot be:\n\n" + _listed(error.problems)
    except PPOEngineError as error:
        st.session_state.problem = str(error)


def _confirm_replacement() -> None:
    """A second Start says which run is on, and offers to stop it."""
    if st.session_state.get("replacing") != "ask":
        return
    running = session.current()
    if running is None or not running.alive:
        st.session_state.replacing = ""
        return
    st.warning(f"The run {RunReader(running.folder).info().name} is on. One run at a time: stop it and start a new one?")
    if st.button("Stop it and start", width="stretch"):
        _tell(running.folder, "stop")
        st.session_state.replacing = "waiting"
        st.rerun(scope="fragment")
    if st.button("Keep it", width="stretch"):
        st.session_state.replacing = ""
        st.rerun(scope="fragment")


def _start_when_free() -> None:
    if st.session_state.get("replacing") == "waiting":
        if run_is_on():
            st.caption("Waiting for the run to end its step.")
            return
        st.session_state.replacing = ""
        _start()
        st.rerun(scope="app")


def _tell(folder: Any, kind: str, **payload: Any) -> int | None:
    """Submits a command; returns its number, None where it was refused."""
    st.session_state.problem = ""
    try:
        return session.command(folder, kind, **payload)
    except PPOEngineError as error:
        st.session_state.problem = str(error)
        return None


def _change_speed(folder: Any) -> None:
    if folder is not None and st.session_state.speed:  # pressing the chosen one again deselects it: nothing is asked for
        st.session_state.speed_asked = folder, _tell(folder, "speed", seconds_per_step=session.SPEEDS[st.session_state.speed])


def _follow_speed(folder: Path | None, info: RunInfo | None) -> None:
    """Shows the run's own speed, which another tab may have changed, unless this tab has just asked for another."""
    st.session_state.setdefault("speed", next(iter(session.SPEEDS)))
    if folder is None or info is None or not info.alive or info.state == "loading":
        return
    asked_of, number = st.session_state.get("speed_asked", (None, None))
    if asked_of != folder or number is None or RunReader(folder).command(number)[0] != "queued":
        st.session_state.speed = next(name for name, seconds in session.SPEEDS.items() if seconds >= info.seconds_per_step)


def _listed(problems: list[str]) -> str:
    """Problems as a list, each on one line of code, so that what a stranger put into a link is never read as Markdown."""
    return "\n".join(f"- `{' '.join(problem.replace('`', '').split())}`" for problem in problems)
