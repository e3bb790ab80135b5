"""All runs of the folder, a line each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ppo_engine.store.catalog import survey

from .asked import Asked


def every_run(asked: Asked) -> dict[str, Any]:
    """The runs that can be read, newest first, and the others with the reason."""
    found, damaged = survey(asked.folder)
    return {
        "runs": [{name: value for name, value in asdict(one).items() if name != "folder"} for one in found],
        "damaged": [{"run": folder.name, "error": reason} for folder, reason in damaged],
    }
