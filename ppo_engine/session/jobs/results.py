"""The results of jobs, as JSON: numbers with 7 digits, None for non-finite ones."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

Rows = list[list[float | None] | None]
"""A row per sample, None if it has none; an entry per counted response token."""


class PlayedSample(TypedDict):
    """A continuation. score: of the whole text; tokens: text and probability under the source."""

    text: str
    score: float
    tokens: list[tuple[str, float]]


class PlayedSource(TypedDict):
    """The continuations by one source."""

    name: str
    samples: list[PlayedSample]


class PlaygroundResult(TypedDict):
    """An opening and its continuations."""

    opening: str
    sources: list[PlayedSource]


class TracedSample(TypedDict):
    """A sample. parts: what its score was computed from; ended: by end-of-text; tokens: the response's."""

    query: str
    response: str
    score: float | None
    parts: dict[str, float | None]
    ended: bool
    query_tokens: list[str]
    query_ids: list[int]
    tokens: list[str]


class Moved(TypedDict):
    """The change of the weights: their number, the norm of the change, and its largest entry."""

    weights: int
    length: float | None
    largest: float | None


class TracedUpdate(TypedDict):
    """The update. epochs: those kept, from 1; new_logprob to value_clip: rows of tokens for each; losses,
    grad_norms: of each gradient step; minibatches: gradient steps an epoch has; planned, gradient_steps;
    means: metrics by name.
    """

    epochs: list[int]
    new_logprob: list[Rows]
    ratio: list[Rows]
    new_value: list[Rows]
    policy_term: list[Rows]
    policy_clip: list[Rows]
    value_term: list[Rows]
    value_clip: list[Rows]
    losses: list[float | None]
    grad_norms: list[float | None]
    minibatches: int
    planned: int
    gradient_steps: int
    means: dict[str, float | None]
    moved: Moved


class UpdateTrace(TypedDict):
    """The trace of one PPO update. settings: those in force; shape: (batch, response); query_shape: (batch,
    query); reward: its display texts (missing in older runs); tokens: columns by name; runners_up: for each
    token, the most likely (text, probability, whether it was sampled); whitening: mean, var, count; again:
    columns after the update, None if it failed; trouble: what went wrong.
    """

    step: int
    batch: int
    seed: int
    kl_coef: float | None
    settings: dict[str, Any]
    shape: list[int]
    query_shape: list[int]
    reward: NotRequired[dict[str, Any]]
    samples: list[TracedSample]
    tokens: dict[str, Rows]
    runners_up: list[list[list[tuple[str, float | None, bool]]]]
    whitening: dict[str, float | None]
    update: TracedUpdate
    again: dict[str, Rows] | None
    trouble: str
