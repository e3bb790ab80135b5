"""Live edits of a run's settings: which are possible."""

from __future__ import annotations

from typing import Any

from ..config import FIELDS, Config
from ..errors import ConfigError


def edited_config(now: Config, changes: dict[str, Any], step: int = -1) -> Config:
    """`now` with the changes of a live edit after `step`. Raises `ConfigError` for what may not change, or
    not to that value.
    """
    locked = [name for name in changes if name in FIELDS and not FIELDS[name].live]
    if locked:
        raise ConfigError(
            [
                f"{name} = {changes[name]}: cannot change during a run; branch a new run with it"
                for name in locked
            ]
        )
    wanted = now.changed(**changes)
    if wanted.steps <= step:
        raise ConfigError(
            [f"steps = {wanted.steps}: must be more than {step}, the steps already taken; Stop ends the run"]
        )
    if wanted == now:
        raise ConfigError([f"{name} = {getattr(now, name)}: is so already" for name in changes])
    return wanted
