"""What a page reads from the address."""

from __future__ import annotations

_DIGITS = 9  # a number with more is none of ours


def whole(text: str) -> int | None:
    """The whole number, from 0, that the text is; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None
