"""The Tokens page's payload."""

from __future__ import annotations

from typing import Literal, TypedDict

from .common import RunReference

ColourName = Literal[
    "old_logprob",
    "ref_logprob",
    "value",
    "advantage",
    "whitened",
    "kl_estimate",
    "kl",
    "kl_penalty",
    "score_share",
    "reward",
    "delta",
    "return",
    "new_logprob",
    "ratio",
    "new_value",
    "clip",
]


class Colour(TypedDict):
    """What can colour the tokens. centre: of the diverging scale."""

    label: str
    centre: float
    about: str


class TokensView(TypedDict):
    """What is looked at, all from 0. token: None where the sample has none; epoch: -1 where the update made
    no gradient step.
    """

    step: int
    sample: int
    token: int | None
    epoch: int
    colour: ColourName


SampleTokens = TypedDict(
    "SampleTokens",
    {
        "text": list[str],
        "id": list[int],
        "old_logprob": list[float | None],
        "ref_logprob": list[float | None],
        "kl_estimate": list[float | None],
        "kl": list[float | None],
        "kl_penalty": list[float | None],
        "score_share": list[float | None],
        "reward": list[float | None],
        "value": list[float | None],
        "delta": list[float | None],
        "advantage": list[float | None],
        "whitened": list[float | None],
        "return": list[float | None],
        "new_logprob": list[list[float | None]],
        "ratio": list[list[float | None]],
        "new_value": list[list[float | None]],
        "policy_clip": list[list[bool | None]],
        "value_clip": list[list[bool | None]],
    },
)
SampleTokens.__doc__ = """All columns of the chosen sample's tokens.

Those of one list have an entry a token; those of two are a list of epochs, each with an entry a token,
None where the update never came to it. Log-probabilities and KL in nats, the rest in the score's unit.
"""


class Highlight(TypedDict):
    """A token that stands out. name: what for; about: what is compared; number: its figure; unit: a word
    before it, "" for a signed number.
    """

    name: str
    about: str
    sample: int
    position: int
    number: float
    unit: str


class Term(TypedDict):
    """One term of a GAE sum: a later token's delta, its weight (gamma lambda)^k, and their product."""

    position: int
    text: str
    delta: float
    weight: float
    part: float


class TokenEpoch(TypedDict):
    """A token in one epoch of the update. case: of the clip, by name; policy_clip, value_clip: whether the
    clip binds.
    """

    new_logprob: float
    ratio: float
    case: str
    policy_clip: bool
    new_value: float
    value_clip: bool


class TokenTrace(TypedDict):
    """A token's way through a step, in the order of the algorithm. Log-probabilities and KL in nats, the rest
    in the score's unit. kl_estimate: the KL as the penalty takes it; mean, spread: of the batch's advantages;
    returned: its return.
    """

    text: str
    old_logprob: float
    ref_logprob: float
    kl_estimate: float
    kl: float
    kl_coef: float
    kl_penalty: float
    score_share: float
    reward: float
    value: float
    next_value: float
    gamma: float
    lam: float
    delta: float
    terms: list[Term]
    advantage: float
    mean: float
    spread: float
    whitened: float
    returned: float
    epochs: list[TokenEpoch]


class ClipCase(TypedDict):
    """A case of the clip: how many tokens are in it, and whether it cuts their gradient."""

    name: str
    count: int
    cut: bool


class Scatter(TypedDict):
    """Every token that the update came to in an epoch, an entry a token in each list. case: a place in
    `cases`; unreached: how many tokens it never came to.
    """

    ratio: list[float | None]
    advantage: list[float | None]
    case: list[int]
    sample: list[int]
    position: list[int]
    text: list[str]
    cases: list[ClipCase]
    unreached: int


class BatchTexts(TypedDict):
    """What concerns the whole batch. samples: query, response, score, and KL summed over the response."""

    samples: list[tuple[str, str, float, float]]
    finds: list[Highlight]


class TokensBatch(BatchTexts):
    """The same with the points of the chosen epoch: what the browser keeps by its `batch_key`."""

    scatter: Scatter


class StepPart(TypedDict):
    """What every payload says of its step, in few bytes. limits: where each colour's scale saturates, as a
    distance from its centre; epochs: those that the update came to; restricted: whether top-k or top-p
    restricted the sampling.
    """

    step: int
    limits: dict[ColourName, float]
    colours: dict[ColourName, Colour]
    epochs: int
    cliprange: float
    cliprange_value: float
    restricted: bool


class TokensState(StepPart):
    """All that the page draws. batch: None where the browser holds it already; steps: those that have tokens;
    count: samples of the batch; missing: why another step than the one asked for is shown, "" where it is
    not; story: None where the sample has no token.
    """

    batch_key: str
    batch: TokensBatch | None
    steps: list[int]
    count: int
    following: bool
    missing: str
    look: TokensView
    epoch_chosen: bool
    sample: SampleTokens
    story: TokenTrace | None


class TokensPage(TokensState):
    """The same with `echo`, the browser's mark of the request that this answers; None before the first."""

    echo: str | None


class TokensPayload(TypedDict):
    """What the component of the Tokens page is given."""

    only: Literal["microscope"]
    run: RunReference
    microscope: TokensPage
