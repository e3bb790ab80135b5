"""What more than one page sends."""

from __future__ import annotations

from typing import Literal, TypedDict


class Mounted(TypedDict):
    """What the mounting of a component adds to every payload.

    prefix: where the browser's files lie, below the server's root; hidden: whether the tab said that it is
    out of sight.
    """

    prefix: str
    hidden: bool


class RunLine(TypedDict):
    """The line at the top of a page: which run, in what state, how far.

    id: "" before the first run; share: of the steps that are done, 0 to 1; left: the time left in words, ""
    where it is unknown; machine: device and memory; example: whether this is the recorded example.
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
    """The run that a page is about, by its id alone: its top line is another component's."""

    id: str


class TopPayload(TypedDict):
    """The top line alone, above the pages that have a component of their own below it."""

    only: Literal["top"]
    run: RunLine
