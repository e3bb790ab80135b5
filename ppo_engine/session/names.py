"""Memorable names for runs."""

from __future__ import annotations

import secrets


def draw_name() -> str:
    """A name like brave-otter. Independent of the generators that a checkpoint restores."""
    return f"{secrets.choice(_MANNERS)}-{secrets.choice(_ANIMALS)}"


_MANNERS = [
    "amber",
    "brave",
    "calm",
    "clever",
    "curious",
    "daring",
    "eager",
    "gentle",
    "happy",
    "humble",
    "jolly",
    "keen",
    "lively",
    "lucky",
    "mellow",
    "merry",
    "nimble",
    "patient",
    "proud",
    "quick",
    "quiet",
    "sunny",
    "swift",
    "witty",
]
_ANIMALS = [
    "badger",
    "beaver",
    "bison",
    "crane",
    "dolphin",
    "falcon",
    "finch",
    "fox",
    "gecko",
    "heron",
    "ibis",
    "koala",
    "lark",
    "lynx",
    "marmot",
    "otter",
    "owl",
    "panda",
    "puffin",
    "raven",
    "robin",
    "seal",
    "swan",
    "wren",
]
