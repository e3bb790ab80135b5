"""What training raises: reward functions, each a module in `kinds`, behind one protocol, with its own words.

To add one, put a module into `kinds` that ends in `KIND = ...`; the setting `reward` takes it from then on.
Nothing here imports torch before a reward is loaded: pages need the words, not the models.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """total: (batch,) float32, what training raises; parts: (batch,) by name, what it was read from."""

    total: Tensor
    parts: dict[str, Tensor]


class Reward(Protocol):
    """A loaded reward. remarks: what a person should know of it; fingerprints: of what it was loaded from."""

    @property
    def remarks(self) -> Sequence[str]: ...

    @property
    def fingerprints(self) -> Mapping[str, str]: ...

    def score(
        self, queries: Sequence[str], responses: Sequence[str], between: Callable[[], None] = ...
    ) -> Scores:
        """The score of each response to its query. `between` is called now and then and may raise."""
        ...


class RewardSettings(Protocol):
    """What a reward may read of a run's configuration."""

    @property
    def reward(self) -> str: ...

    @property
    def reward_model(self) -> str: ...

    @property
    def positive_label(self) -> str: ...


@dataclass(frozen=True)
class RewardWords:
    """How a reward is spoken of. title: of its mean on a chart; unit: of a score; judge: who scores, after
    "the"; about: what a score is, a sentence; aim: what training does to the texts; parts: what a score is
    read from, "" where it has no parts; low, high: the ends of its range, None where it has none.
    """

    title: str
    unit: str
    judge: str
    about: str
    aim: str
    parts: str = ""
    low: float | None = None
    high: float | None = None


class RewardKind(ABC):
    """A reward function. argument: what follows a colon, or ""; help: what a score is, briefly."""

    argument = ""
    help = ""

    @abstractmethod
    def words(self, settings: RewardSettings) -> RewardWords:
        """How this reward is spoken of under these settings."""

    @abstractmethod
    def load(self, settings: RewardSettings, device: Any) -> Reward:
        """The reward itself. Raises `SourceError` and other `PPOEngineError`s."""


@cache
def reward_kinds() -> dict[str, RewardKind]:
    """Every kind there is, by name."""
    home = f"{__name__}.kinds"
    names = sorted(module.name for module in pkgutil.iter_modules(import_module(home).__path__))
    return {name: import_module(f"{home}.{name}").KIND for name in names}


def allowed() -> list[str]:
    """What the setting `reward` may be, with the place of an argument in capitals."""
    return [f"{name}:{kind.argument}" if kind.argument else name for name, kind in reward_kinds().items()]


def described() -> str:
    """The same with what each is, for the setting's help."""
    return "; ".join(
        f"{name}: {kind.help}" for name, kind in zip(allowed(), reward_kinds().values(), strict=True)
    )


def argument_of(reward: str) -> str:
    """What follows the colon in the setting `reward`."""
    return reward.partition(":")[2]


def find_kind(reward: str) -> RewardKind:
    """The kind that the setting `reward` names. Raises `ValueError` for one that isn't there."""
    name, colon, argument = reward.partition(":")
    kind = reward_kinds().get(name)
    if kind is None or bool(kind.argument) != bool(colon) or bool(argument.strip()) != bool(colon):
        raise ValueError(f"must be one of {', '.join(allowed())}")
    return kind


def reward_words(settings: RewardSettings) -> RewardWords:
    """How a run's reward is spoken of."""
    return find_kind(settings.reward).words(settings)


def load_reward(settings: RewardSettings, device: Any) -> Reward:
    """A run's reward."""
    return find_kind(settings.reward).load(settings, device)
