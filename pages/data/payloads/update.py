"""The Update page's payload: the stages of one update."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Entries = list[list[float | None] | None]


class DivergingScale(TypedDict):
    """Vermilion below the centre, blue above it, saturated at distance `limit` from it."""

    kind: Literal["diverging"]
    centre: float
    limit: float


class OneSidedScale(TypedDict):
    """From transparent at 0 to the quantity's colour at `limit`. below: for quantities that are never
    positive.
    """

    kind: Literal["one-sided"]
    colour: Literal["policy", "value", "grey"]
    limit: float
    below: bool


class NoScale(TypedDict):
    """For numbers that are not quantities, such as token ids."""

    kind: Literal["none"]


Scale = DivergingScale | OneSidedScale | NoScale


class Tensor(TypedDict):
    """A labelled heatmap. values: one row per sample, None if it has none; one entry per token, None if not
    finite or padding.

    marks: underlined cells; words: text in the cells; rows, columns: their names, if they are not samples and
    tokens; since: earlier values, for arrows; beside: placed beside its neighbour; reveal: tokens are
    revealed one by one, from the last.
    """

    label: str
    values: Entries
    shape: str
    scale: Scale
    about: str
    marks: NotRequired[list[list[bool] | None]]
    words: NotRequired[list[list[str]]]
    rows: NotRequired[list[str]]
    columns: NotRequired[list[str]]
    since: NotRequired[Entries]
    beside: NotRequired[bool]
    reveal: NotRequired[Literal["backwards"]]


class WorkedLine(TypedDict):
    """A formula with numbers, and what it is worked out for."""

    of: str
    text: str


class RunningLine(TypedDict):
    """A term of a running sum: the token, the sum so far, and the formula with numbers."""

    position: int
    token: str
    sum: float | None
    text: str


class Running(TypedDict):
    """A sum worked out token by token, in the order of the lines."""

    title: str
    lines: list[RunningLine]


class EpochChoice(TypedDict):
    """An epoch that can be shown, from 1; 0 is after the update."""

    epoch: int
    label: str


class Epochs(TypedDict):
    """The epochs that a stage can show, and the one it shows."""

    chosen: int
    choices: list[EpochChoice]


class Table(TypedDict):
    """A small table of texts; the first entry of each row is its name."""

    head: list[str]
    rows: list[list[str]]


class StageNumbers(TypedDict, total=False):
    """What a batch's numbers add to a stage's explanation. note: or ""."""

    worked: list[WorkedLine]
    tensors: list[Tensor]
    note: str
    running: Running
    epochs: Epochs
    table: Table


class Stage(TypedDict):
    """A stage of the update: its explanation, and what a batch's numbers add to it."""

    key: str
    name: str
    title: str
    formulas: list[str]
    explanation: str
    worked: list[WorkedLine]
    tensors: list[Tensor]
    note: str
    running: NotRequired[Running]
    epochs: NotRequired[Epochs]
    table: NotRequired[Table]


class Stages(TypedDict):
    """The stages in order. token: row and position, from 0, of the token that the formulas are worked out
    for, None without a batch; epochs: those that can be shown, 0 is after the update.
    """

    stages: list[Stage]
    token: list[int] | None
    epochs: list[int]


class UpdateSample(TypedDict):
    """A sample of the batch. tokens: the response's tokens as text; chances: the log-probability of each;
    runners_up: for each, the most likely tokens: text, probability, and whether it was sampled.
    """

    query: str
    response: str
    score: float | None
    ended: bool
    tokens: list[str]
    chances: list[float | None]
    runners_up: list[list[tuple[str, float | None, bool]]]


class UpdateAnswer(Stages):
    """A finished update."""

    samples: list[UpdateSample]


class UpdateState(TypedDict):
    """Where the page stands. run: "" without one; number: of the job; state: empty (nothing to ask for yet),
    none (nothing asked for yet), waiting, error, done; said: a sentence about it; problem: why a request was
    refused; batch, seed: as requested.
    """

    run: str
    number: int | None
    state: Literal["empty", "none", "waiting", "error", "done"]
    said: str
    problem: NotRequired[str]
    batch: NotRequired[int | None]
    seed: NotRequired[int | None]


class UpdatePayload(TypedDict):
    """What Python tells the Update page."""

    only: Literal["walk"]
    walk: UpdateState
