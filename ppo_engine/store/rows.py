"""What readers give of a run: its row, its edits, its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..config import Config
from .ownership import Owner
from .schema import ENDED


@dataclass(frozen=True)
class RunInfo:
    """The run's own row. `state` is one of STATES, or `interrupted` where the owner died without ending the
    run.

    config: what is in force now; start_config: what the run began with; config_version: edits between the
    two.
    copy_of: the run's own identity where its folder has another name, as a copy has: id is then the folder's,
    and the name says so.
    fingerprints, machine: of the models and data that the run began with, and of what else decides its last
    digits; empty in old runs.
    """

    id: str
    name: str
    preset: str
    config: Config
    start_config: Config
    config_version: int
    versions: dict[str, str]
    created: datetime
    state: str
    stage: str
    error: str
    traceback: str
    device: str
    threads: int
    memory_bytes: int
    seconds_per_step: float
    last_step: int
    owner: Owner
    parent: str
    parent_step: int | None
    tags: tuple[str, ...]
    remark: str
    copy_of: str = ""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether the run still has an owner at work or waiting."""
        return self.state not in (*ENDED, "interrupted")


@dataclass(frozen=True)
class Edit:
    """A change of the configuration: in force from the step after `step` on. changes: field to (old, new)."""

    version: int
    step: int
    changes: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Event:
    """A line of the journal. payload: by kind, as it was written."""

    number: int
    time: str
    step: int
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class StepRow:
    """A step's metrics, without its samples and tokens."""

    step: int
    wall_time: datetime
    config_version: int
    metrics: dict[str, float]
