"""What of a run can change, read at once: whoever looks on asks for this, and for more only if it differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError
from .ownership import Owner, owns
from .schema import DATABASE, ENDED, reading

_PULSE = """select state, stage, error, name, changed, seconds_per_step,
    owner_pid, owner_started, owner_host, heartbeat, owner_file,
    (select coalesce(max(step), -1) from steps), (select coalesce(max(id), 0) from events),
    (select count(*) from commands where state != 'queued'),
    (select count(*) from jobs where state not in ('queued', 'working')), (select count(*) from jobs)
from run"""


@dataclass(frozen=True)
class Pulse:
    """state: as `RunInfo.state`; stage: what is being loaded, "" while nothing is; changed: sources found
    changed, as JSON; events: the newest's number; commands: answered so far; jobs, jobs_asked: done, and
    asked for.
    """

    state: str
    stage: str
    error: str
    name: str
    changed: str
    seconds_per_step: float
    step: int
    events: int
    commands: int
    jobs: int
    jobs_asked: int


def read_pulse(folder: Path) -> Pulse:
    """How the run stands. Raises `StoreError`."""
    with reading(folder) as connection:
        row = connection.execute(_PULSE).fetchone()
        if row is None:
            raise StoreError(f"{folder}: the run has no data; delete the folder")
        state, stage, error, name, changed, pace, *owner, file, step, events, commands, jobs, asked = row
        alive = state in ENDED or _is_owned(Owner(*owner), file, folder)
        return Pulse(
            state if alive else "interrupted",
            stage if state == "loading" else "",
            error,
            name,
            changed,
            float(pace),
            int(step),
            int(events),
            int(commands),
            int(jobs),
            int(asked),
        )


def _is_owned(owner: Owner, file: str, folder: Path) -> bool:
    return owner.lives and owns(owner, file, folder / DATABASE)
