"""Payload types that more than one page uses."""

from __future__ import annotations

from typing import Literal, TypedDict


class Mounted(TypedDict):
    """What mounting a component adds to every payload.

    prefix: path of the browser's files, below the server's root; run: the run's id, "" before the first;
    stamp: of all that Streamlit's script has drawn of runs; where the server's differs, it runs again.
    """

    prefix: str
    run: str
    stamp: str


class Change(TypedDict):
    """How a run stands, as the stream tells it. version: differs where anything of the run does."""

    run: str
    version: str
    step: int
    state: str
    stamp: str


class LineAnswer(TypedDict):
    """The top line. step: the newest, -1 before the first; parent_step: of a branch, where it left its
    parent.
    """

    run: RunLine
    step: int
    parent_step: int | None


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


class TopPayload(TypedDict):
    """The top line alone, on pages whose content is a component of its own."""

    only: Literal["top"]
