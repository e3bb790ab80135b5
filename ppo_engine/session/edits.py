"""Live edits of a run's settings: validation."""

from __future__ import annotations

from typing import Any

from ..config import FIELDS, Config
from ..errors import ConfigError


def edited_config(now: Config, changes: dict[str, Any], step: int = -1) -> Config:
    """`now` with the changes of a live edit after `step`. Raises `ConfigError` for an invalid edit."""
    locked = [name for name in changes if name in FIELDS and not FIELDS[name].live]
    if locked:
        reason = "fixed during a run; branch the run to change it"
        raise ConfigError([f"{name} = {changes[name]}: {reason}" for name in locked])
    wanted = now.changed(**changes)
    if wanted.steps <= step:
        raise ConfigError(
            [f"steps = {wanted.steps}: must be more than the {step} already completed; Stop ends the run"]
        )
    if wanted == now:
        raise ConfigError([f"{name} = {getattr(now, name)}: already has this value" for name in changes])
    return wanted
