"""The What-if page's view as parameters of an address: step, sample, token, changed settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ppo_engine.analysis.what_if import WhatIfSettings
from ppo_engine.config import Config
from ppo_engine.errors import ConfigError

CONFIG_FIELDS = {
    "gamma": "gamma",
    "lam": "lam",
    "kl_coef": "init_kl_coef",
    "cliprange": "cliprange",
    "cliprange_value": "cliprange_value",
}
"""The numeric what-if settings, and the run's setting with each one's range and help."""

Turned = tuple[tuple[str, float | bool], ...]


@dataclass(frozen=True)
class ViewState:
    """step: None follows the newest; example: the notebook's batch instead; turned: the changed settings."""

    step: int | None = None
    sample: int = 0
    token: int = 0
    example: bool = False
    turned: Turned = ()

    def knobs(self, own: WhatIfSettings) -> WhatIfSettings:
        """The run's own settings with the changed ones."""
        return replace(own, **dict(self.turned))  # type: ignore[arg-type]


def read(query: Mapping[str, str]) -> ViewState:
    """The view that the browser names; what is invalid in it is left out."""
    step = query.get("step", "")
    return ViewState(
        int(step) if step.isascii() and step.isdecimal() else None,
        example=query.get("example", "") == "notebook",
        turned=read_settings(query.get("what", ""))[0],
    )


def read_settings(text: str) -> tuple[Turned, list[str]]:
    """Changed settings as in "gamma:0.9,whiten:off", and what is invalid in them, which is left out."""
    turned: dict[str, float | bool] = {}
    problems: list[str] = []
    for part in filter(None, text.split(",")):
        name, _, value = part.partition(":")
        try:
            turned[name] = _value(name, value)
        except ConfigError as error:
            problems += error.problems
    return tuple(turned.items()), problems


def _value(name: str, text: str) -> float | bool:
    if name == "whiten" and text in ("on", "off"):
        return text == "on"
    if name == "whiten":
        raise ConfigError([f"whiten = {text[:60]}: must be on or off"])
    if name not in CONFIG_FIELDS:
        raise ConfigError(
            [f"{name[:60]}: no such what-if setting; allowed: {', '.join((*CONFIG_FIELDS, 'whiten'))}"]
        )
    field = CONFIG_FIELDS[name]
    try:
        return float(getattr(Config.from_strings("tiny-reviews", {field: text}), field))
    except ConfigError as error:
        raise ConfigError([problem.replace(field, name, 1) for problem in error.problems]) from None
