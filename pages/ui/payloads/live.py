"""The live page's payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ppo_engine.columns import names

from .common import RunLine

TokenView = Literal["reward", "advantage", "ratio", "value"]


class Notice(TypedDict):
    """One sentence on the state of the run. bad: whether it is a failure; detail: the full error, or ""."""

    bad: bool
    text: str
    detail: str


class Figure(TypedDict):
    """A headline number as text: its label, current value, change, and the metric's explanation."""

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
    """A continuation compared with an earlier one. pieces: of its text, each with whether it is new."""

    score: float
    pieces: list[tuple[str, bool]]


class Pair(TypedDict):
    """A held-out opening, continued by the first and by the newest policy. now: None while there is only one
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
    """The continuation of a pinned prompt after `step`; 0 is the untrained policy."""

    step: int
    side: Side


class Prompts(TypedDict):
    """The pinned prompts. chosen: index of the query whose continuations are in `rows`, newest first."""

    queries: list[str]
    chosen: int
    rows: list[PromptRow]


class HistoryItem(TypedDict):
    """An event of the run. number: its id; step: -1 before the first; undo: whether that is possible."""

    number: int
    step: int
    kind: str
    text: str
    undo: bool


class HistoryList(TypedDict):
    """The events, newest first. step: the newest step, to which a note is pinned; writable: whether notes are
    accepted.
    """

    title: str
    step: int
    writable: bool
    items: list[HistoryItem]


class History(HistoryList):
    """The same with `problem`: why the last request was refused, or ""."""

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


NOT_SENT = ("delta", "new_logprob")
"""Columns that no view of this page shows: a payload is sent at every step."""

_TOKEN_COLUMNS: dict[str, Any] = {
    "text": list[str],
    **dict.fromkeys(("sample", "position", "token_id", "epochs_seen", *names(kinds=("flag",))), list[int]),
    **{name: list[float | None] for name in names(kinds=("float",)) if name not in NOT_SENT},
}
if TYPE_CHECKING:  # its fields are those of the table of columns
    TokenColumns = dict[str, Any]
else:
    TokenColumns = TypedDict("TokenColumns", _TOKEN_COLUMNS)
    TokenColumns.__doc__ = """The batch's response tokens: one entry per token in every column.

sample, position: the token's sample, and its index in the response; policy_clip, value_clip: in how many
of its `epochs_seen` epochs the clip binds; ratio, new_value: in the last of them. Log-probabilities and KL
in nats, the rest in units of the score; None: not finite.
"""


class Batch(TypedDict):
    """A step's batch. limits: distance from the centre at which each view's colour scale saturates."""

    step: int
    title: str
    samples: list[BatchSample]
    tokens: TokenColumns
    limits: dict[TokenView, float]
    about: dict[TokenView, str]


class Pin(TypedDict):
    """The chosen step and sample; -1 if no sample was chosen."""

    step: int
    sample: int


class ShownBatch(Batch):
    """The same with `pinned`: the choice, None while the page follows the newest step."""

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
