"""`python -m ppo_engine`: the command line, see cli.py. Runs before any large import, so that Ctrl-C, a
closed terminal and SIGTERM end the process cleanly from the start, and a console encoding or a closed pipe
never breaks it.
"""

from __future__ import annotations

import sys

from . import console


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0 done, 2 bad input, 1 failure."""
    from .cli import run

    return run(arguments)


if __name__ == "__main__":
    console.begin()
    console.end(main(sys.argv[1:]))
