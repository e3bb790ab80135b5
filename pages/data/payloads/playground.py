"""The Playground's payload: the job's own result, as the store keeps it."""

from __future__ import annotations

from typing import Literal, TypedDict

from ppo_engine.session.jobs.results import PlaygroundResult


class PlaygroundPayload(TypedDict):
    """The payload of the Playground's component. number: of the job."""

    only: Literal["playground"]
    playground: PlaygroundResult
    number: int
