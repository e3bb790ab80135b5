"""The run store: one folder a run with one SQLite file in it, all that a trainer and its viewers share.

The run's owner writes through `RunStore`; everyone else reads through `RunReader`, which holds no connection
between calls, and asks for something by `submit`, a row in the command table that the owner applies or
refuses at the next step boundary.
"""

from .job_queue import Job, ask_job, finish_job, newest_job, read_job, requeue_jobs, take_job
from .ownership import HEARTBEAT_S, Owner
from .pulse import Pulse, read_pulse
from .reader import RunReader, list_runs
from .requests import add_note, describe, mark_branch, refuse_without_owner, submit
from .rows import Edit, Event, RunInfo, StepRow
from .schema import COMMANDS, DATABASE, ENDED, SCHEMA_VERSION, STATES
from .writer import RunStore

__all__ = [
    "COMMANDS",
    "DATABASE",
    "ENDED",
    "HEARTBEAT_S",
    "SCHEMA_VERSION",
    "STATES",
    "Edit",
    "Event",
    "Job",
    "Owner",
    "Pulse",
    "RunInfo",
    "RunReader",
    "RunStore",
    "StepRow",
    "add_note",
    "ask_job",
    "describe",
    "finish_job",
    "list_runs",
    "mark_branch",
    "newest_job",
    "read_job",
    "read_pulse",
    "refuse_without_owner",
    "requeue_jobs",
    "submit",
    "take_job",
]
