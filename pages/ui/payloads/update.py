"""The Update page's payload: the stages of one update."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Entries = list[list[float | None] | None]


class DivergingScale(TypedDict):
    """Vermilion below the centre, blue above; it saturates at `limit` from the centre."""

    kind: Literal["diverging"]
    centre: float
    limit: float


class OneSidedScale(TypedDict):
    """From nothing at 0 to a quantity's own colour at `limit`. below: for what is never above 0."""

    kind: Literal["one-sided"]
    colour: Literal["policy", "value", "grey"]
    limit: float
    below: bool


class NoScale(TypedDict):
    """Numbers that stand for no quantity, such as token ids."""

    kind: Literal["none"]


Scale = DivergingScale | OneSidedScale | NoScale


class Tensor(TypedDict):
    """A labelled heatmap. values: a row a sample, None where it has none; an entry a token, None where it is
    not finite or padding.

    marks: underlined cells; words: what stands in the cells; rows, columns: names, where they are no samples
    and tokens; since: the values before, for arrows; beside: it stands beside its neighbour; reveal: tokens
    are shown one by one, from the last.
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
    """A formula with numbers in it, and what it is worked for."""

    of: str
    text: str


class RunningLine(TypedDict):
    """A step of a running sum: the token, the sum so far, and the formula with numbers."""

    position: int
    token: str
    sum: float | None
    text: str


class Running(TypedDict):
    """A sum that is worked token by token, in the order of the lines."""

    title: str
    lines: list[RunningLine]


class EpochChoice(TypedDict):
    """An epoch to look at, from 1; 0 is after the update."""

    epoch: int
    label: str


class Epochs(TypedDict):
    """The epochs that a stage can show, and which it shows."""

    chosen: int
    choices: list[EpochChoice]


class Table(TypedDict):
    """A small table of texts; the first of each row is its name."""

    head: list[str]
    rows: list[list[str]]


class StageNumbers(TypedDict, total=False):
    """What a batch's numbers add to a stage's words. note: "" without one."""

    worked: list[WorkedLine]
    tensors: list[Tensor]
    note: str
    running: Running
    epochs: Epochs
    table: Table


class Stage(TypedDict):
    """A stage of the update: its words, and what it has of a batch's numbers."""

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
    """The stages in order. token: row and position, from 0, of the one that the formulas are worked for, None
    without a batch; epochs: those that can be shown, 0 is after the update.
    """

    stages: list[Stage]
    token: list[int] | None
    epochs: list[int]


class UpdateSample(TypedDict):
    """A sample of the batch. tokens: of its response, as texts; chances: the log-probability of each;
    runners_up: for each the likeliest ones, as text, probability, and whether it was drawn.
    """

    query: str
    response: str
    score: float | None
    ended: bool
    tokens: list[str]
    chances: list[float | None]
    runners_up: list[list[tuple[str, float | None, bool]]]


class UpdatePage(Stages):
    """All that the page shows. run: "" without one; number: the job's; state: empty (nothing to ask yet), none
    (nothing asked yet), waiting, error, done; said: a sentence on it; stage: the one to open at, from 1;
    problem: why a request was refused; batch, seed: as they were asked for.
    """

    run: str
    number: int | None
    state: Literal["empty", "none", "waiting", "error", "done"]
    said: str
    samples: list[UpdateSample]
    stage: int
    problem: NotRequired[str]
    batch: NotRequired[int | None]
    seed: NotRequired[int | None]


class UpdatePayload(TypedDict):
    """What the component of the Update page is given."""

    only: Literal["walk"]
    walk: UpdatePage
