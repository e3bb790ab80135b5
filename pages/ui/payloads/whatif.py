"""The What-if page's payload: a recorded step with other settings."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

SliderName = Literal["gamma", "lam", "kl_coef", "cliprange", "cliprange_value"]


class Slider(TypedDict):
    """A setting that can be turned. own: the run's value; low, high, stride: of the slider; locked: why it
    cannot be turned here, "" where it can.
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
    """Whether the advantages are whitened: as the run had it, and now."""

    own: bool
    value: bool


class ComparedFigure(TypedDict):
    """A row of the table. kind: how its numbers are written, percent being of a share from 0 to 1; None: not
    finite.
    """

    label: str
    was: float | None
    now: float | None
    kind: Literal["signed", "number", "percent"]
    about: str


class Histogram(TypedDict):
    """How many of the batch's tokens are in each bin. x: the bins' left edges, all of one width."""

    key: Literal["advantages", "returns"]
    title: str
    x: list[float]
    was: list[int]
    now: list[int]
    axis: str


class WhatIfSample(TypedDict):
    """The chosen sample's tokens. rewards to returns, and the clips: two lists, as it was and with these
    settings; used: advantages as the policy loss takes them; limit: where their colour saturates; moved: the
    sample that changes most, None while none does; digits: decimals to write, 0 for three digits; clips: in
    how many of the token's `epochs` they bind. The notebook's example has no score, ratios and clips.
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
    """A k-step estimator: its value, its weight now and the run's; k and value are None for those between the
    first ones and the last together.
    """

    k: int | None
    value: float | None
    weight: float
    own: float


class Ladder(TypedDict):
    """The chosen token's estimators, how many there are, and the advantage that they make."""

    rungs: list[Rung]
    count: int
    sum: float


class Sweep(TypedDict):
    """Along lambda over the whole batch: variance of the advantages, and squared distance from lambda 1. now,
    was: lambda as it is turned, and the run's.
    """

    key: Literal["sweep"]
    title: str
    lams: list[float]
    variance: list[float]
    distance: list[float]
    now: float
    was: float


class ClipSide(TypedDict):
    """The clipped objective for advantages of one sign: the curve over `Clip.grid`, the tokens drawn on it,
    whether the clip binds for each, and how many tokens there are.
    """

    curve: list[float]
    x: list[float]
    y: list[float]
    binds: list[bool]
    tokens: int


class Clip(TypedDict):
    """L_CLIP over the ratio. sides: for advantages above and below 0; range: the clip's; chosen: ratio and
    objective of the chosen token, None where the update never came to it.
    """

    key: Literal["clip"]
    title: str
    grid: list[float]
    sides: list[ClipSide]
    range: float
    chosen: list[float] | None


class WhatIfFrame(TypedDict):
    """What is there in any case. told: the browser's number of the request that this answers; problems: what
    was left out of it; said: the answer to "Use these in the run"; query: the view as the address has it;
    step: shown, newest: that has tokens, before, after: its neighbours, None where there is none.
    """

    told: int
    problems: list[str]
    said: str
    query: dict[str, str]
    example: bool
    run: str
    step: int | None
    newest: int | None
    before: int | None
    after: int | None
    following: bool


class WhatIfMissing(WhatIfFrame):
    """Nothing to turn settings on: why, and the nearest step that has its tokens."""

    missing: str
    nearest: int | None


class WhatIfNumbers(TypedDict):
    """What the settings make of the step. ladder: None where the response has no token; clip: None where
    there are no ratios.
    """

    knobs: list[Slider]
    whiten: Whiten
    figures: list[ComparedFigure]
    histograms: list[Histogram]
    sample: WhatIfSample
    ladder: Ladder | None
    sweep: Sweep
    clip: Clip | None


class WhatIfShown(WhatIfFrame, WhatIfNumbers):
    """The whole page."""


class WhatIfPayload(TypedDict):
    """What the component of the What-if page is given."""

    only: Literal["whatif"]
    whatif: WhatIfShown | WhatIfMissing
