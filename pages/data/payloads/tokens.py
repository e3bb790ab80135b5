"""The Tokens page's payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ppo_engine.columns import COLUMNS, names

_FLOATS = names(kinds=("float",))
_COLOURS = (*(name for name in _FLOATS if COLUMNS[name].centre is not None), "clip")
ColourName = Literal[_COLOURS]  # type: ignore[valid-type]  # as the table has them


_PER_EPOCH = names(per_epoch=True)
_SAMPLE_TOKENS: dict[str, Any] = {
    "text": list[str],
    "id": list[int],
    **{name: list[float | None] for name in _FLOATS if name not in _PER_EPOCH},
    **{name: list[list[float | None]] for name in _FLOATS if name in _PER_EPOCH},
    **{name: list[list[bool | None]] for name in names(kinds=("flag",))},
}
if TYPE_CHECKING:  # its fields are those of the table of columns
    SampleTokens = dict[str, Any]
else:
    SampleTokens = TypedDict("SampleTokens", _SAMPLE_TOKENS)
    SampleTokens.__doc__ = """All columns of the chosen sample's tokens.

A flat list has one entry per token; a nested one has a list of tokens per epoch, None where the update did
not reach the token. Log-probabilities and KL in nats, the rest in units of the score.
"""


class Highlight(TypedDict):
    """A token that stands out. name: for what; about: what is compared; number: the figure; unit: a word
    before the figure, "" for a signed number.
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
    """A token in one epoch of the update. case: name of the clip case; policy_clip, value_clip: whether the
    clip binds.
    """

    new_logprob: float
    ratio: float
    case: str
    policy_clip: bool
    new_value: float
    value_clip: bool


_TRACED = names(per_epoch=False, kinds=("float",))
_TOKEN_TRACE: dict[str, Any] = {
    "text": str,
    **{"returned" if name == "return" else name: float for name in _TRACED},
    **dict.fromkeys(("kl_coef", "next_value", "gamma", "lam", "mean", "spread"), float),
    "terms": list[Term],
    "epochs": list[TokenEpoch],
}
if TYPE_CHECKING:  # its fields are those of the table of columns
    TokenTrace = dict[str, Any]
else:
    TokenTrace = TypedDict("TokenTrace", _TOKEN_TRACE)
    TokenTrace.__doc__ = """A token's way through a step, in the order of the algorithm.

Log-probabilities and KL in nats, the rest in units of the score. kl_estimate: the KL as the penalty counts
it; mean, spread: of the batch's advantages; returned: the token's return.
"""


class ClipCase(TypedDict):
    """A case of the clip: its name, its number of tokens, and whether it cuts their gradient."""

    name: str
    count: int
    cut: bool


class Scatter(TypedDict):
    """Every token that the update reached in an epoch, one entry per token in each list. case: index into
    `cases`; unreached: number of tokens not reached.
    """

    ratio: list[float | None]
    advantage: list[float | None]
    case: list[int]
    sample: list[int]
    position: list[int]
    text: list[str]
    cases: list[ClipCase]
    unreached: int


class TokensAnswer(TypedDict):
    """A step's batch in one epoch of the update. epoch: -1 if the update made no gradient step; epochs:
    number of those that it reached; limits: distance from the centre at which each colour scale saturates;
    restricted: whether top-k or top-p restricted the sampling; samples: query, response, score, and KL
    summed over the response.
    """

    step: int
    epoch: int
    epochs: int
    limits: dict[ColourName, float]
    cliprange: float
    cliprange_value: float
    restricted: bool
    samples: list[tuple[str, str, float, float]]
    finds: list[Highlight]
    scatter: Scatter


class SampleAnswer(TypedDict):
    """A sample of a step."""

    sample: int
    tokens: SampleTokens


class TraceAnswer(TypedDict):
    """A token of a step."""

    sample: int
    token: int
    trace: TokenTrace


class TokensPayload(TypedDict):
    """What Python tells the Tokens page."""

    only: Literal["microscope"]
