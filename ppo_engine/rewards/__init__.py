"""Reward functions: each a module in `kinds`, behind one protocol, with its own display texts.

To add one, put a module that ends in `KIND = ...` into `kinds`; the setting `reward` then accepts it. Nothing
here imports torch before a reward is loaded: pages need the texts, not the models.
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


LONGEST_REWARD = 80
"""Characters of the setting `reward`, which stands in titles."""


@dataclass(frozen=True)
class Scores:
    """total: (batch,) float32, the reward; parts: (batch,) by name, what it was computed from."""

    total: Tensor
    parts: dict[str, Tensor]


class Reward(Protocol):
    """A loaded reward. remarks: notes for the user; fingerprints: of its source."""

    @property
    def remarks(self) -> Sequence[str]: ...

    @property
    def fingerprints(self) -> Mapping[str, str]: ...

    def score(
        self, queries: Sequence[str], responses: Sequence[str], between: Callable[[], None] = ...
    ) -> Scores:
        """The score of each response to its query. `between` is called regularly and may raise."""
        ...


class RewardSettings(Protocol):
    """The settings that a reward may read."""

    @property
    def reward(self) -> str: ...

    @property
    def reward_model(self) -> str: ...

    @property
    def positive_label(self) -> str: ...


@dataclass(frozen=True)
class RewardWords:
    """Display texts of a reward. title: of its mean on a chart; unit: of a score; judge: the scorer, after
    "the"; about: a sentence on the score; aim: the effect of training on the texts; parts: what a score is
    computed from, "" for none; bounds: its least and greatest value, None if unbounded.
    """

    title: str
    unit: str
    judge: str
    about: str
    aim: str
    parts: str = ""
    bounds: tuple[float, float] | None = None


class RewardKind(ABC):
    """A reward function. argument: the part after a colon, or ""; help: the score in brief."""

    argument = ""
    help = ""

    @abstractmethod
    def words(self, settings: RewardSettings) -> RewardWords:
        """The display texts under these settings."""

    @abstractmethod
    def load(self, settings: RewardSettings, device: Any) -> Reward:
        """The reward itself. Raises `SourceError` and other `PPOEngineError`s."""


@cache
def reward_kinds() -> dict[str, RewardKind]:
    """All kinds, by name."""
    home = f"{__name__}.kinds"
    names = sorted(module.name for module in pkgutil.iter_modules(import_module(home).__path__))
    return {name: import_module(f"{home}.{name}").KIND for name in names}


def allowed() -> list[str]:
    """The allowed values of the setting `reward`, with arguments in capitals."""
    return [f"{name}:{kind.argument}" if kind.argument else name for name, kind in reward_kinds().items()]


def described() -> str:
    """The same, each explained, for the setting's help."""
    return "; ".join(
        f"{name}: {kind.help}" for name, kind in zip(allowed(), reward_kinds().values(), strict=True)
    )


def argument_of(reward: str) -> str:
    """The part after the colon in the setting `reward`, without the blanks around it."""
    return reward.partition(":")[2].strip()


def find_kind(reward: str) -> RewardKind:
    """The kind named by the setting `reward`. Raises `ValueError` for an unknown one."""
    name, colon, argument = reward.partition(":")
    kind = reward_kinds().get(name)
    if len(reward) > LONGEST_REWARD:
        raise ValueError(f"must be at most {LONGEST_REWARD} characters")
    if kind is None or bool(kind.argument) != bool(colon) or bool(argument.strip()) != bool(colon):
        raise ValueError(f"must be one of {', '.join(allowed())}")
    return kind


def reward_words(settings: RewardSettings) -> RewardWords:
    """The display texts of a run's reward."""
    return find_kind(settings.reward).words(settings)


def load_reward(settings: RewardSettings, device: Any) -> Reward:
    """A run's reward."""
    return find_kind(settings.reward).load(settings, device)
