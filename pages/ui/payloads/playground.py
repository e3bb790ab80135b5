"""The Playground's payload: continuations of one opening."""

from __future__ import annotations

from typing import Literal, TypedDict


class PlayedSample(TypedDict):
    """A continuation. score: of the whole text; tokens: each with its probability under the source, from 0
    to 1.
    """

    text: str
    score: float
    tokens: list[tuple[str, float]]


class PlayedSource(TypedDict):
    """A model's continuations."""

    name: str
    samples: list[PlayedSample]


class Played(TypedDict):
    """The job's result: the opening, continued by each source with the same random numbers."""

    opening: str
    sources: list[PlayedSource]


class PlaygroundPayload(TypedDict):
    """The payload of the Playground's component. number: of the job."""

    only: Literal["playground"]
    playground: Played
    number: int
