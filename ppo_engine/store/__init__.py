"""The run store: one folder a run with one SQLite file in it, all that a trainer and its viewers share.

The run's owner writes through `RunStore`; everyone else reads through `RunReader`, which holds no connection between calls, and
asks for something by `submit`, a row in the command table that the owner applies or refuses at the next step boundary.
"""

from .reader import RunInfo, RunReader, StepRow, list_runs
from .schema import COMMANDS, DATABASE, ENDED, SCHEMA_VERSION, STATES
from .writer import RunStore, submit

__all__ = [
    "COMMANDS",
    "DATABASE",
    "ENDED",
    "SCHEMA_VERSION",
    "STATES",
    "RunInfo",
    "RunReader",
    "RunStore",
    "StepRow",
    "list_runs",
    "submit",
]
