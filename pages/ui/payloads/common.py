"""Payload types that more than one page uses."""

from __future__ import annotations

from typing import Literal, TypedDict


class Mounted(TypedDict):
    """What mounting a component adds to every payload.

    prefix: path of the browser's files, below the server's root; hidden: whether the tab last reported itself
    hidden.
    """

    prefix: str
    hidden: bool


class RunLine(TypedDict):
    """The line at the top of a page: which run, its state, its progress.

    id: "" before the first run; share: fraction of steps done, 0 to 1; left: the remaining time in words, ""
    if unknown; machine: device and memory; example: whether this is the recorded example.
    """

    id: str
    name: str
    preset: str
    state: str
    step: str
    share: float
    left: str
    machine: str
    example: bool


class RunReference(TypedDict):
    """The run that a page is about, by id only: its top line is a component of its own."""

    id: str


class TopPayload(TypedDict):
    """The top line alone, on pages whose content is a component of its own."""

    only: Literal["top"]
    run: RunLine
