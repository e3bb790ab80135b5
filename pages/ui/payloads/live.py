"""The live page's payload."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from .common import RunLine

TokenView = Literal["reward", "advantage", "ratio", "value"]


class Notice(TypedDict):
    """One sentence on where things stand. bad: a failure; detail: the whole error, "" without one."""

    bad: bool
    text: str
    detail: str


class Figure(TypedDict):
    """A headline number as text: its label, its value now, its change, and the metric's explanation."""

    label: str
    now: str
    change: str
    about: str


class ChartSpec(TypedDict):
    """A chart as plotly.js takes it."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]


class Chart(TypedDict):
    """A chart over the steps. about: what its metrics mean."""

    key: str
    title: str
    spec: ChartSpec
    about: str


class Side(TypedDict):
    """A continuation compared with an earlier one. pieces: its text in order, each piece with whether it is
    new.
    """

    score: float
    pieces: list[tuple[str, bool]]


class Pair(TypedDict):
    """A held-out opening, continued by the first and by the newest policy. now: None while there is but one
    evaluation.
    """

    query: str
    then: Side
    now: Side | None


class Pairs(TypedDict):
    """The held-out openings "then and now"."""

    title: str
    items: list[Pair]


class PromptRow(TypedDict):
    """What a pinned prompt was continued with after `step`; 0 is the untrained policy."""

    step: int
    side: Side


class Prompts(TypedDict):
    """The pinned prompts. chosen: the place in `queries` of the one whose continuations `rows` lists, newest
    first.
    """

    queries: list[str]
    chosen: int
    rows: list[PromptRow]


class HistoryItem(TypedDict):
    """An event of the run. number: its own; step: -1 before the first; undo: whether it can be taken back."""

    number: int
    step: int
    kind: str
    text: str
    undo: bool


class HistoryList(TypedDict):
    """The events, newest first. step: the newest, which a note goes to; writable: whether notes are taken."""

    title: str
    step: int
    writable: bool
    items: list[HistoryItem]


class History(HistoryList):
    """The same with `problem`: why what was asked last was refused, "" where it was not."""

    problem: str


class BatchSample(TypedDict):
    """A continuation of the batch. kl: summed over its tokens, nats; length: in tokens; ended: whether the
    policy ended it itself.
    """

    index: int
    query: str
    response: str
    score: float
    kl: float
    length: int
    ended: bool


TokenColumns = TypedDict(
    "TokenColumns",
    {
        "text": list[str],
        "sample": list[int],
        "position": list[int],
        "token_id": list[int],
        "epochs_seen": list[int],
        "policy_clip": list[int],
        "value_clip": list[int],
        "old_logprob": list[float | None],
        "ref_logprob": list[float | None],
        "kl_estimate": list[float | None],
        "kl": list[float | None],
        "kl_penalty": list[float | None],
        "score_share": list[float | None],
        "reward": list[float | None],
        "value": list[float | None],
        "advantage": list[float | None],
        "whitened": list[float | None],
        "return": list[float | None],
        "ratio": list[float | None],
        "new_value": list[float | None],
    },
)
TokenColumns.__doc__ = """The batch's response tokens, an entry a token in every column.

sample, position: whose token, and its place in the response, from 0; policy_clip, value_clip: in how many
of its `epochs_seen` epochs the clip binds; ratio, new_value: at the last of them. Log-probabilities and KL
in nats, the rest in the score's unit; None: not finite.
"""


class Batch(TypedDict):
    """A step's batch. limits: where each view's colour scale saturates, as a distance from its centre."""

    step: int
    title: str
    samples: list[BatchSample]
    tokens: TokenColumns
    limits: dict[TokenView, float]
    about: dict[TokenView, str]


class Pin(TypedDict):
    """The step that was chosen, and its sample; -1 for none of its samples."""

    step: int
    sample: int


class ShownBatch(Batch):
    """The same with `pinned`: what was chosen, None while the page follows the newest step."""

    pinned: Pin | None


class LivePayload(TypedDict):
    """Everything the live page shows of a run. batch: None before the first step."""

    run: RunLine
    notice: Notice
    headline: list[Figure]
    charts: list[Chart]
    pairs: Pairs
    prompts: Prompts
    history: History
    batch: ShownBatch | None
