"""The requests of jobs, with their limits. Free of torch, for pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from ...errors import ConfigError

LARGEST_SEED = 2**31 - 1
POLICY, REFERENCE = "policy", "reference"


@dataclass(frozen=True)
class JobRequest:
    """A job request, which leaves the run unchanged. `kind`: its name in the store, in all versions."""

    kind: ClassVar[str]

    def payload(self) -> dict[str, Any]:
        """The request as the store keeps it."""
        return asdict(self)

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """A stored request, validated. Raises `ConfigError` with each field, its value and its limits."""
        try:
            request = cls(**payload)
        except TypeError as error:
            raise ConfigError([f"{cls.kind}: {error}"]) from None
        if problems := list(request.problems()):
            raise ConfigError(problems)
        return request

    def problems(self) -> Iterator[str]:
        """The invalid fields, in words."""
        raise NotImplementedError


@dataclass(frozen=True)
class PlaygroundRequest(JobRequest):
    """Continue an opening. sources: `POLICY`, `REFERENCE`, steps; count: samples of each; length: tokens."""

    kind: ClassVar[str] = "playground"
    MOST_SAMPLES: ClassVar[int] = 16
    LONGEST: ClassVar[int] = 256
    LONGEST_OPENING: ClassVar[int] = 2000
    LARGEST_TEMPERATURE: ClassVar[float] = 10.0

    opening: str
    sources: list[str | int]
    count: int
    length: int
    temperature: float
    seed: int

    def problems(self) -> Iterator[str]:
        if not isinstance(self.opening, str):
            yield f"opening = {self.opening}: must be text"
        elif len(self.opening) > self.LONGEST_OPENING:
            yield f"opening = {len(self.opening)} characters: must be at most {self.LONGEST_OPENING}"
        yield from _whole("count", self.count, 1, self.MOST_SAMPLES)
        yield from _whole("length", self.length, 1, self.LONGEST)
        yield from _whole("seed", self.seed, 0, LARGEST_SEED)
        limit = self.LARGEST_TEMPERATURE
        if type(self.temperature) not in (int, float) or not 0 < self.temperature <= limit:
            yield f"temperature = {self.temperature}: must be a number above 0 and at most {limit:g}"
        if not isinstance(self.sources, list) or not self.sources:
            yield "sources: select at least one of policy, reference and the checkpoints"
        else:
            yield from map(_source_problem, filter(_is_no_source, self.sources))


def _is_no_source(source: object) -> bool:
    return type(source) is not int and source not in (POLICY, REFERENCE)


def _source_problem(source: object) -> str:
    return f"sources = {source}: must be {POLICY}, {REFERENCE} or the step of a checkpoint"


@dataclass(frozen=True)
class UpdateTraceRequest(JobRequest):
    """Trace one update of `batch` samples."""

    kind: ClassVar[str] = "walk"
    MOST_SAMPLES: ClassVar[int] = 16

    batch: int = 4
    seed: int = 0

    def problems(self) -> Iterator[str]:
        yield from _whole("batch", self.batch, 1, self.MOST_SAMPLES)
        yield from _whole("seed", self.seed, 0, LARGEST_SEED)


def read_request(kind: str, payload: Mapping[str, Any]) -> JobRequest:
    """A stored job's request. Raises `ConfigError` for an invalid one."""
    known = {request.kind: request for request in (PlaygroundRequest, UpdateTraceRequest)}
    if kind not in known:
        raise ConfigError([f"job = {kind}: must be one of {', '.join(known)}"])
    return known[kind].read(payload)


def _whole(name: str, value: Any, low: int, high: int) -> Iterator[str]:
    if type(value) is not int or not low <= value <= high:
        yield f"{name} = {value}: must be a whole number from {low} to {high}"
