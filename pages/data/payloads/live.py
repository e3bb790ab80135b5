"""The live page's payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from ppo_engine.columns import names

from .common import RunLine


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


class Source(TypedDict):
    """What a curve shows: the metric y, or y + times · plus. error: the metric of its error bars; missing:
    what counts where a step lacks y, without it the step is left out; first: its first step.
    """

    y: str
    plus: NotRequired[str]
    times: NotRequired[float]
    error: NotRequired[str]
    missing: NotRequired[float]
    first: NotRequired[int]


class ChartPart(TypedDict):
    """A chart without numbers. about: what its metrics mean; traces, layout: as plotly.js takes them;
    sources: a trace's, None for an earlier run's, which has no new steps.
    """

    key: str
    about: str
    traces: list[dict[str, Any]]
    sources: list[Source | None]
    layout: dict[str, Any]


class ChartsPart(TypedDict):
    """All charts. names: the metrics in a row of `LiveAnswer`."""

    charts: list[ChartPart]
    names: list[str]


class ChartNow(TypedDict):
    """What changes of a chart at every step. ranges: of its axes, as plotly.js takes them."""

    title: str
    ranges: dict[str, dict[str, Any]]


class Curve(TypedDict):
    """The points of a trace. error: half the length of the error bars, where it has them."""

    x: list[int]
    y: list[float]
    error: NotRequired[list[float]]


class Curves(TypedDict):
    """The points of all traces of all charts. upto: the newest step among them, -1 for none."""

    upto: int
    charts: list[list[Curve]]


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
    """The newest events, newest first. writable: whether notes are accepted; earlier: how many more there
    are.
    """

    title: str
    writable: bool
    earlier: int
    items: list[HistoryItem]


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


_TOKEN_COLUMNS: dict[str, Any] = {
    "text": list[str],
    **dict.fromkeys(("sample", "position"), list[int]),
    **dict.fromkeys(("token_id", "epochs_seen", *names(kinds=("flag",))), NotRequired[list[int]]),
    **{name: NotRequired[list[float | None]] for name in names(kinds=("float",))},
}
if TYPE_CHECKING:  # its fields are those of the table of columns
    TokenColumns = dict[str, Any]
else:
    TokenColumns = TypedDict("TokenColumns", _TOKEN_COLUMNS)
    TokenColumns.__doc__ = """The batch's response tokens: one entry per token in every column that was asked
for.

sample, position: the token's sample, and its index in the response; policy_clip, value_clip: in how many
of its `epochs_seen` epochs the clip binds; ratio, new_value: in the last of them. Log-probabilities and KL
in nats, the rest in units of the score; None: not finite.
"""


class Batch(TypedDict):
    """A step's batch. limits: distance from its centre at which a column's colour scale saturates."""

    step: int
    samples: list[BatchSample]
    tokens: TokenColumns
    limits: dict[str, float]


class StepsAnswer(TypedDict):
    """The steps whose tokens are stored, in order."""

    steps: list[int]


class Pin(TypedDict):
    """The chosen step and sample; -1 if no sample was chosen."""

    step: int
    sample: int


PartName = Literal["charts", "history", "pairs"]


class LivePart(TypedDict, total=False):
    """What of a run changes now and then; only what the browser lacks is there."""

    charts: ChartsPart
    history: HistoryList
    pairs: Pairs


class LiveAnswer(TypedDict):
    """What the live page shows of a run. step: the newest; rows: each new step and its metrics, None if they
    are too many to send; evaluated, kept: the newest step with held-out texts, and with tokens; None for
    none.
    """

    run: RunLine
    step: int
    notice: Notice
    headline: list[Figure]
    now: list[ChartNow]
    rows: list[list[float | None]] | None
    keys: dict[PartName, str]
    parts: LivePart
    evaluated: int | None
    kept: int | None


class LivePayload(TypedDict):
    """What Python tells the live page. problem: why the last request was refused, or ""."""

    only: Literal["live"]
    problem: str
