"""The What-if page's payload: a recorded step with other settings."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

SliderName = Literal["gamma", "lam", "kl_coef", "cliprange", "cliprange_value"]


FigureKind = Literal["signed", "number", "percent"]
HistogramKey = Literal["advantages", "returns"]


class Slider(TypedDict):
    """A setting that can be changed. own: the run's value; low, high, stride: of the slider; locked: why it
    cannot be changed here, or "".
    """

    name: SliderName
    label: str
    about: str
    own: float
    value: float
    low: float
    high: float
    stride: float
    locked: str


class Whiten(TypedDict):
    """Whether the advantages are whitened: in the run, and now."""

    own: bool
    value: bool


class ComparedFigure(TypedDict):
    """A row of the table. kind: the format of its numbers, percent for a fraction from 0 to 1; None: not
    finite.
    """

    label: str
    was: float | None
    now: float | None
    kind: FigureKind
    about: str


class Histogram(TypedDict):
    """The number of the batch's tokens in each bin. x: left edges of the bins, which have equal width."""

    key: HistogramKey
    title: str
    x: list[float]
    was: list[int]
    now: list[int]
    axis: str


class WhatIfSample(TypedDict):
    """The chosen sample's tokens. rewards to returns, and the clips: two lists, in the run and with the
    chosen settings; used: advantages as the policy loss uses them; limit: at which their colour saturates;
    moved: the sample that changes most, None if none does; digits: number of decimals, 0 for three
    significant digits; clips: in how many of the token's `epochs` they bind. The notebook's example has no
    score, ratios or clips.
    """

    index: int
    count: int
    token: int
    values: list[float | None]
    rewards: list[list[float | None]]
    advantages: list[list[float | None]]
    used: list[list[float | None]]
    returns: list[list[float | None]]
    limit: float
    moved: int | None
    query: str
    texts: list[str]
    digits: int
    score: NotRequired[float]
    ratios: NotRequired[list[float | None]]
    epochs: NotRequired[list[int]]
    policy_clips: NotRequired[list[list[int]]]
    value_clips: NotRequired[list[list[int]]]


class Rung(TypedDict):
    """A k-step estimator: its value, its weight now and in the run. k and value are None for the entry that
    sums up those between the first ones and the last.
    """

    k: int | None
    value: float | None
    weight: float
    own: float


class Ladder(TypedDict):
    """The chosen token's estimators, how many there are, and the advantage they add up to."""

    rungs: list[Rung]
    count: int
    sum: float


class Sweep(TypedDict):
    """Over lambda, for the whole batch: variance of the advantages, and their squared distance from lambda 1.
    now, was: the chosen lambda, and the run's.
    """

    key: Literal["sweep"]
    title: str
    lams: list[float]
    variance: list[float]
    distance: list[float]
    now: float
    was: float


class ClipSide(TypedDict):
    """The clipped objective for advantages of one sign: the curve over `Clip.grid`, the tokens plotted on it,
    whether the clip binds for each, and the total number of tokens.
    """

    curve: list[float]
    x: list[float]
    y: list[float]
    binds: list[bool]
    tokens: int


class Clip(TypedDict):
    """L_CLIP over the ratio. sides: for advantages above and below 0; range: the clip range; chosen: ratio
    and objective of the chosen token, None if the update did not reach it.
    """

    key: Literal["clip"]
    title: str
    grid: list[float]
    sides: list[ClipSide]
    range: float
    chosen: list[float] | None


class WhatIfNumbers(TypedDict):
    """The step with the chosen settings. count: number of samples; length: tokens of the chosen one; ladder:
    None if the response has no token; clip: None if there are no ratios.
    """

    knobs: list[Slider]
    whiten: Whiten
    figures: list[ComparedFigure]
    histograms: list[Histogram]
    sample: WhatIfSample
    count: int
    length: int
    ladder: Ladder | None
    sweep: Sweep
    clip: Clip | None


class WhatIfAnswer(WhatIfNumbers):
    """The same with the settings that were changed, and what was invalid in those asked for, which is left
    out.
    """

    turned: dict[str, float | bool]
    problems: list[str]


class WhatIfPayload(TypedDict):
    """What Python tells the What-if page. said: the answer to "Use these in the run"."""

    only: Literal["whatif"]
    said: str
