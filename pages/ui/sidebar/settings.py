"""The hyperparameters as fields, from `ppo_engine.config`: the next run's draft, or staged for this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

from pages.data.folder import failed_early, is_mine
from ppo_engine import session
from ppo_engine.config import FIELDS, GROUPS, PRESETS, Config, Field
from ppo_engine.errors import ConfigError
from ppo_engine.formatting import setting
from ppo_engine.store import RunInfo

from .. import commands, messages
from ..run_view import shown_run
from . import form

_FIRST = ("seed", "steps")


def settings(corrected: list[str]) -> None:
    """The fields that `correct` has not drawn. What varies above them has fixed places, lest groups close."""
    run = shown_run()
    info = messages.info(run)
    on = run is not None and info is not None and is_mine(run, info)
    form.show(run if on else None, info)
    with st.container():
        _say_what_the_link_could_not()
    with st.container(key="about-settings"):  # the style sheet reserves its height
        if run is not None and info is not None and on:
            _say_when_changes_come_into_force()
            st.empty()  # at once in the place of the button below, which would stay until the script ends
        else:
            _offer_settings_of(run, info)
    with st.container(key="pending-place"):  # the style sheet keeps it in sight while the sidebar is scrolled
        if run is not None and info is not None and on:
            _pending(run, info)
    _fields(on, corrected)
    form.to_address()


def _fields(on: bool, elsewhere: list[str]) -> None:
    """elsewhere: fields that are drawn beside a message."""
    st.selectbox(
        "Preset",
        list(PRESETS),
        key="preset",
        format_func=lambda name: PRESETS[name].title,
        on_change=form.use_preset,
        disabled=on,
        help="\n\n".join(f"{preset.title}: {preset.help}" for preset in PRESETS.values()),
    )
    for name in _FIRST:
        _field(FIELDS[name], on, elsewhere)
    for group in GROUPS:
        knobs = [knob for knob in FIELDS.values() if knob.group == group and knob.name not in _FIRST]
        if knobs:
            with st.expander(group, key=f"group-{group}"):
                for knob in knobs:
                    _field(knob, on, elsewhere)


def _field(knob: Field, on: bool, elsewhere: list[str]) -> None:
    if knob.name in elsewhere:
        st.caption(f"{_label(knob)}: above, next to the message.")
    else:
        widget(knob, on and not knob.live, on_change=form.heard, args=(knob.name,))


def _say_what_the_link_could_not() -> None:
    """Shown until a setting is changed or a run started here: then the fields are no longer the link's."""
    kept = form.forms()
    if kept.touched or kept.draft_of:
        kept.refused.clear()
    if kept.refused:
        st.warning("Invalid settings in the link, left out:\n\n" + messages.listed(kept.refused))


def correct() -> list[str]:
    """For a run that failed before its first step: the fields to correct beside the reason; their names."""
    info = messages.info(shown_run())
    with st.container():
        names = (
            []
            if info is None or not failed_early(info)
            else re.findall(r"^(\w+) = ", info.error, re.MULTILINE)
        )
        names = [name for name in dict.fromkeys(names) if name in FIELDS]
        if info is None or not names:
            return []
        form.show(None, None)
        with st.container(border=True, key="correct"):
            st.error(messages.listed(info.error.splitlines()))
            for name in names:
                widget(FIELDS[name], on_change=form.heard, args=(name,))
            st.caption("Correct this, then press Start to try again.")
    return names


def _say_when_changes_come_into_force() -> None:
    about = "Changes take effect at the next step, once applied. "
    if form.waits():
        st.caption(
            f"{about}Your own settings for the next run, or this link's, are kept and return when this run "
            "ends."
        )
    else:
        st.caption(f"{about}Greyed-out settings are fixed during a run; branch a new run to change them.")


def _pending(folder: Path, info: RunInfo) -> None:
    """The staged changes, to apply or discard."""
    changes = form.staged(folder, info)
    if not changes:
        return
    with st.container(border=True, key="pending"):
        lines = "".join(
            f"\n- {FIELDS[name].label}: {setting(getattr(info.config, name))} → **{setting(value)}**"
            for name, value in changes.items()
        )
        st.markdown(f"Pending{lines}")
        if commands.edit_is_open(folder):
            st.caption("Requested: takes effect when the current step finishes.")
            return
        problems = _problems(info, changes)
        if problems:
            st.error("Invalid changes:\n\n" + messages.listed(problems))
        left, right = st.columns(2, gap="small")
        left.button(
            "Apply",
            type="primary",
            width="stretch",
            disabled=bool(problems),
            on_click=commands.edit,
            args=(folder, changes),
            key="apply-edit",
            help="Applies all changes together at the next step, after saving a checkpoint.",
        )
        right.button("Discard", width="stretch", on_click=form.discard, key="discard-edit")


def _problems(info: RunInfo, changes: dict[str, Any]) -> list[str]:
    try:
        session.edited_config(info.config, changes, info.last_step)
    except ConfigError as error:
        return error.problems
    return []


def _offer_settings_of(run: Path | None, info: RunInfo | None) -> None:
    """Where an ended run had other settings than the draft: one press uses them for the next run."""
    if run is None or info is None or not _differs(info.config):
        st.caption(
            "Settings of the next run. The page's address holds them, so a link reproduces them, seed "
            "included."
        )
        return
    st.caption("Settings of the next run.")
    st.button(
        f"Use the settings of {messages.inert(info.name)}",
        icon=":material/content_copy:",
        width="stretch",
        on_click=_take_over,
        args=(run, info),
        key="take-over",
        help="Replaces the settings below, which are for the next run, by those of the run shown.",
    )


def _differs(config: Config) -> bool:
    try:
        return form.config() != config
    except ConfigError:
        return True


def _take_over(run: Path, info: RunInfo) -> None:
    form.draft_from(info.config, info.preset, run.name)


def _label(knob: Field) -> str:
    return knob.label + (
        f" ({knob.unit})" if knob.unit and not knob.label.lower().endswith(knob.unit) else ""
    )


def widget(knob: Field, locked: bool = False, key: str = "knob", **more: Any) -> Any:
    """The form element of one setting. Its value, `st.session_state[f"{key}-{knob.name}"]`, has to exist."""
    common: dict[str, Any] = {
        "key": f"{key}-{knob.name}",
        "disabled": locked,
        "help": f"`{knob.name}`: {knob.help} Allowed: {knob.allowed}.",
        **more,
    }
    if knob.choices:
        return st.selectbox(_label(knob), knob.choices, **common)
    if knob.kind is bool:
        return st.toggle(_label(knob), **common)
    if knob.kind is str:
        return st.text_input(_label(knob), **common)
    if knob.kind is int:
        return st.number_input(
            _label(knob), min_value=int(knob.minimum or 0), max_value=int(knob.maximum or 0), step=1, **common
        )
    low, high = float(knob.minimum or 0), float(knob.maximum or 0)
    return st.number_input(
        _label(knob), min_value=low, max_value=high, step=_stride(knob), format="%g", **common
    )


def _stride(knob: Field) -> float:
    """A step of the field's arrows that suits the default's size."""
    return float(f"{(knob.default or 1) / 10:.0e}")
