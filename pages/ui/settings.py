"""The hyperparameters as a form made from `ppo_engine.config`: kept in the address, and staged for the run that is on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.config import GROUPS, KNOBS, PRESETS, Config, Knob
from ppo_engine.errors import ConfigError
from ppo_engine.history import shown
from ppo_engine.store import RunInfo

from . import asking
from .state import shown_run

_OWN_PARAMETERS = ("run", "step", "sample", "search", "token", "epoch", "colour", "job", "stage", "example", "what")
_FIRST = ("seed", "steps")


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
    """The form. While a run is on, it shows that run's settings: those that may change in mid-run are staged, the others locked."""
    running = session.running()
    on = running.folder if running else None
    info = asking.info(on)
    if info is not None and on is not None:
        _follow(on, info)
    if problems := st.session_state.pop("address_problems", []):
        st.session_state.address_message = "The link asks for settings that cannot be; without them:\n\n" + asking.listed(problems)
    if message := st.session_state.get("address_message"):
        st.warning(message)
    if info is not None and on is not None:
        _staged(on, info)
    else:
        _offer_settings_of(asking.info(shown_run()))
    st.selectbox(
        "Preset",
        list(PRESETS),
        key="preset",
        format_func=lambda name: PRESETS[name].title,
        on_change=_use_preset,
        disabled=on is not None,
        help="\n\n".join(f"{preset.title}: {preset.help}" for preset in PRESETS.values()),
    )
    for name in _FIRST:
        widget(KNOBS[name], on is not None and not KNOBS[name].live)
    for group in GROUPS:
        knobs = [knob for knob in KNOBS.values() if knob.group == group and knob.name not in _FIRST]
        if knobs:
            with st.expander(group):
                for knob in knobs:
                    widget(knob, on is not None and not knob.live)
    _keep_address()


def _follow(folder: Path, info: RunInfo) -> None:
    """Takes over what is in force in the run that is on. A value that this tab has staged stays staged."""
    known: tuple[Path, Config] | None = st.session_state.get("in_force")
    if known is None or known[0] != folder:
        _show_settings_of(info)
    elif known[1] != info.config:
        for name in KNOBS:
            if st.session_state[f"knob-{name}"] == getattr(known[1], name):
                st.session_state[f"knob-{name}"] = getattr(info.config, name)
    st.session_state.in_force = folder, info.config


def staged(info: RunInfo) -> dict[str, Any]:
    """What the form has that is not in force in the run."""
    values = {name: st.session_state[f"knob-{name}"] for name, knob in KNOBS.items() if knob.live}
    return {name: value for name, value in values.items() if value != getattr(info.config, name)}


def _staged(folder: Path, info: RunInfo) -> None:
    """What is pending, and what to do with it."""
    changes = staged(info)
    if not changes:
        st.caption(
            "Settings that you change now come into force at the next step, when you apply them. "
            "Greyed ones cannot change during a run: branch a new run with them."
        )
        return
    with st.container(border=True, key="pending"):  # the style sheet keeps it in sight while the sidebar is scrolled
        lines = "".join(
            f"\n- {KNOBS[name].label}: {shown(getattr(info.config, name))} → **{shown(value)}**" for name, value in changes.items()
        )
        st.markdown(f"Pending{lines}")
        if asking.edit_is_open(folder):
            st.caption("Asked for; comes into force when the step under way is done.")
            return
        problems = _problems(info, changes)
        if problems:
            st.error("These changes cannot be:\n\n" + asking.listed(problems))
        left, right = st.columns(2, gap="small")
        left.button(
            "Apply",
            type="primary",
            width="stretch",
            disabled=bool(problems),
            on_click=asking.edit,
            args=(folder, changes),
            key="apply-edit",
            help="All of them together, at the next step boundary. A checkpoint is kept before.",
        )
        right.button("Discard", width="stretch", on_click=_fill_form, args=(info.config,), key="discard-edit")


def _problems(info: RunInfo, changes: dict[str, Any]) -> list[str]:
    try:
        session.edited_config(info.config, changes, info.last_step)
    except ConfigError as error:
        return error.problems
    return []


def _offer_settings_of(info: RunInfo | None) -> None:
    """A run that has ended may have had other settings than the form: one press takes them over for the next."""
    if info is None or all(st.session_state[f"knob-{name}"] == getattr(info.config, name) for name in KNOBS):
        return
    st.button(
        f"Take over the settings of {asking.inert(info.name)}",
        icon=":material/content_copy:",
        width="stretch",
        on_click=_take_over,
        args=(info,),
        key="take-over",
        help="The settings below are for the next run. This makes them those of the run that is shown.",
    )


def _take_over(info: RunInfo) -> None:
    st.session_state.preset = info.preset
    _fill_form(info.config)


def _show_settings_of(info: RunInfo) -> None:
    """Another tab may have started the run with other settings than this form's. A link's own settings then have to wait."""
    if "in_force" not in st.session_state and _differs(info):
        st.session_state.address_message = (
            f"The run {asking.inert(info.name)} is on, so its settings are shown here and not the link's. "
            "Open the link again when it has ended."
        )
    _take_over(info)


def _differs(info: RunInfo) -> bool:
    """Whether the form, filled from a link, asks for something else than the run that is on."""
    asked = {name for name in st.query_params if name not in _OWN_PARAMETERS and name != "preset"}
    try:
        return bool(asked) and form_config() != info.config
    except ConfigError:
        return True


def widget(knob: Knob, locked: bool = False, key: str = "knob") -> Any:
    """The form element of one setting. Its value is `st.session_state[f"{key}-{knob.name}"]`, which has to be there already."""
    label = knob.label[0].upper() + knob.label[1:] + (f" ({knob.unit})" if knob.unit and knob.unit != knob.label else "")
    common: dict[str, Any] = {
        "key": f"{key}-{knob.name}",
        "disabled": locked,
        "help": f"`{knob.name}`: {knob.help} Allowed: {knob.allowed}.",
    }
    if knob.choices:
        return st.selectbox(label, knob.choices, **common)
    if knob.kind is bool:
        return st.toggle(label, **common)
    if knob.kind is str:
        return st.text_input(label, **common)
    if knob.kind is int:
        return st.number_input(label, min_value=int(knob.minimum or 0), max_value=int(knob.maximum or 0), step=1, **common)
    return st.number_input(
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
