"""`python -m ppo_engine`: the command line, see cli.py. Here is what has to be so before anything large is
imported.

Ctrl-C, a closed terminal and SIGTERM end the process as they should from its first moment on, and no
console's encoding or closed pipe ends it as they should not.
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
