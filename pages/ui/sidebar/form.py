"""What the settings' fields hold, tab by tab: a draft of the next run, and what is staged for active runs.

Streamlit drops a field's value whenever a run of the script ends before the field is drawn. So the values are
kept here and put into the fields each time, and no tab loses its draft while the fields show the settings of
a run that another tab has started.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ppo_engine import session
from ppo_engine.config import FIELDS, PRESETS, Config
from ppo_engine.errors import ConfigError
from ppo_engine.store import RunInfo

from ..address import own_parameters
from ..run_view import stamp_came

_DRAFT = ""
_FIRST_PRESET = "tiny-reviews"
_MISSING = object()


@dataclass
class Forms:
    """draft: the next run's values by field, "preset" among them; draft_of: the run that it was started as,
    or copied from; follows: the run whose settings replace it when that ends, since it was the same before,
    or nobody's own.

    staged: by run, what its fields hold; in_force: what was in force there when they were last drawn; of:
    the run whose values the fields show; touched: how often a person changed any; refused: the problems of
    the address.
    """

    draft: dict[str, Any]
    draft_of: str = ""
    follows: str = ""
    staged: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_force: dict[str, Config] = field(default_factory=dict)
    of: str = _DRAFT
    touched: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def shown(self) -> dict[str, Any]:
        """The values of the fields as they are drawn."""
        return self.staged.get(self.of, self.draft)


def forms() -> Forms:
    """This tab's; made from the address when it is opened."""
    made: Forms | None = st.session_state.get("forms")
    if made is None:
        config, preset, refused = read_address(st.query_params.to_dict())
        made = st.session_state.forms = Forms(_values(config, preset), refused=refused)
    return made


def read_address(query: dict[str, str]) -> tuple[Config, str, list[str]]:
    """The settings and the preset that an address asks for, and its problems, which are left out."""
    asked = {name: value for name, value in query.items() if name not in own_parameters()}
    preset, problems = asked.pop("preset", _FIRST_PRESET), []
    if preset not in PRESETS:
        problems.append(f"preset = {preset[:60]}: must be one of {', '.join(PRESETS)}")
        preset = _FIRST_PRESET
    for name in [name for name in asked if name not in FIELDS]:
        try:
            Config.from_strings(preset, {name: asked.pop(name)})
        except ConfigError as error:
            problems += error.problems
    while True:
        try:
            return Config.from_strings(preset, asked), preset, problems
        except ConfigError as error:
            problems += error.problems
            named = {problem.split(" = ")[0] for problem in error.problems}
            kept = {name: value for name, value in asked.items() if name not in named}
            asked = kept if len(kept) < len(asked) else {}


def to_address() -> None:
    """Puts the fields' values into the address: the preset, the seed, and what differs from the preset."""
    values = forms().shown
    try:
        changes = config().changes_from(values["preset"])
    except ConfigError:
        return
    kept = {name: value for name, value in st.query_params.to_dict().items() if name in own_parameters()}
    wanted = {**kept, "preset": values["preset"], "seed": str(values["seed"]), **changes}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def config() -> Config:
    """The fields' values as a configuration; raises `ConfigError`."""
    values = forms().shown
    return Config(**{name: values[name] for name in FIELDS})


def key(name: str) -> str:
    """The key of a field's value in Streamlit's session state while the field is drawn."""
    return name if name == "preset" else f"knob-{name}"


def heard(name: str) -> None:
    """Keeps a person's change of a field at once, whatever becomes of the field.

    A change that comes along with a component's stamp is not a person's: the browser sent it before it
    received a value that was set here. A person's change comes in a message of its own.
    """
    if stamp_came():
        st.session_state[key(name)] = forms().shown[name]
    else:
        _take({name: st.session_state[key(name)]})


def put(values: dict[str, Any]) -> None:
    """Sets fields; only before any of them is drawn, as in a callback."""
    _take(values)
    for name, value in values.items():
        st.session_state[key(name)] = value


def _take(values: dict[str, Any]) -> None:
    kept = forms()
    kept.shown.update(values)
    kept.touched += 1
    if kept.of == _DRAFT:
        kept.follows = ""


def use_preset() -> None:
    """Fills the fields from the preset that was chosen."""
    put(_values(Config.preset(st.session_state.preset), st.session_state.preset))


def draft_from(config: Config, preset: str, run: str) -> None:
    """Makes that run's settings the next run's draft."""
    kept = forms()
    kept.draft, kept.draft_of, kept.follows, kept.touched = _values(config, preset), run, "", kept.touched + 1


def discard() -> None:
    """Resets the fields to what is in force in the run that they show."""
    kept = forms()
    if kept.of in kept.in_force:
        put(_values(kept.in_force[kept.of], kept.shown["preset"]))


def show(run: Path | None, info: RunInfo | None) -> None:
    """Makes the fields show that active run's values, or with None the draft's, before any is drawn."""
    kept = forms()
    running = session.running()
    for name in [name for name in kept.staged if running is None or running.folder.name != name]:
        _end(kept, name)
    kept.of = _DRAFT
    if run is not None and info is not None:
        _follow(kept, run.name, info)
        kept.of = run.name
    for name, value in kept.shown.items():
        if st.session_state.get(key(name), _MISSING) != value:
            st.session_state[key(name)] = value


def _follow(kept: Forms, run: str, info: RunInfo) -> None:
    """Adopts what is in force in the run. A value that this tab has staged stays staged."""
    now, known = _values(info.config, info.preset), kept.in_force.get(run)
    if known is None:
        kept.staged[run] = now
        if kept.draft == now or not _is_own(kept):
            kept.draft_of = kept.follows = run
    elif known != info.config:
        before = _values(known, info.preset)
        kept.staged[run] = {
            name: now[name] if value == before[name] else value for name, value in kept.staged[run].items()
        }
    kept.in_force[run] = info.config


def _end(kept: Forms, run: str) -> None:
    """After the run's end, what a person had staged for it moves to the draft, as do its edits where the
    draft was the run's own.
    """
    values, config = kept.staged.pop(run), kept.in_force.pop(run)
    before = _values(config, values["preset"])
    if kept.follows == run:
        kept.draft = dict(values)
    else:
        kept.draft |= {name: value for name, value in values.items() if value != before[name]}


def staged(run: Path, info: RunInfo) -> dict[str, Any]:
    """The fields' values that differ from what is in force in that run; none where they are another's."""
    kept = forms()
    mine = kept.staged.get(run.name, kept.draft if kept.draft_of == run.name else {})
    now = info.config
    return {name: mine[name] for name in FIELDS if name in mine and mine[name] != getattr(now, name)}


def waits() -> bool:
    """Whether a draft of this tab's own waits while the fields show a run's settings."""
    kept = forms()
    return kept.of != _DRAFT and kept.follows != kept.of and _is_own(kept)


def _is_own(kept: Forms) -> bool:
    """Whether the draft is more than an unchanged preset."""
    preset = kept.draft["preset"]
    return kept.draft != _values(Config.preset(preset), preset)


def _values(config: Config, preset: str) -> dict[str, Any]:
    return {
        **{name: getattr(config, name) for name in FIELDS},
        "preset": preset if preset in PRESETS else _FIRST_PRESET,
    }
