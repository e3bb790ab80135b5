"""Descriptions of settings for forms, command lines and tables, and explanations of invalid values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

BOS_MODES = ("auto", "on", "off")
GROUPS = (
    "Run",
    "Sampling",
    "Rewards and KL",
    "PPO",
    "Optimisation",
    "Evaluation",
    "Models and data",
    "Machine",
)


def setting(
    default: Any, group: str, help: str, *, label: str, unit: str = "", live: bool = False, **range_: Any
) -> Any:
    """A pydantic field with its label, group and unit. `range_`: gt, ge, le, min_length."""
    extra: dict[str, Any] = {"group": group, "unit": unit, "live": live, "label": label}
    return pydantic.Field(default, description=help, json_schema_extra=extra, **range_)


@dataclass(frozen=True)
class Field:
    """Description of one field of `Config`, for forms, command lines and tables."""

    name: str
    label: str
    group: str
    help: str
    unit: str
    live: bool
    kind: type[int] | type[float] | type[bool] | type[str]
    choices: tuple[str, ...]
    default: Any
    minimum: float | None
    maximum: float | None
    open_minimum: bool

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "non-empty text"
        noun = "a whole number" if self.kind is int else "a number"
        low = f"above {self.minimum:g}" if self.open_minimum else f"from {self.minimum:g}"
        high = f"{self.maximum:,}".replace(",", " ") if self.kind is int else f"{self.maximum:g}"
        return f"{noun} {low} to {high}"


def read_field(name: str, field: FieldInfo) -> Field:
    """The `Field` of a field of the pydantic model."""
    extra: dict[str, Any] = dict(field.json_schema_extra)  # type: ignore[arg-type]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    bounds = {
        key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "le") if hasattr(item, key)
    }
    return Field(
        name=name,
        label=extra["label"],
        group=extra["group"],
        help=field.description or "",
        unit=extra["unit"],
        live=extra["live"],
        kind=str if choices else field.annotation,  # type: ignore[arg-type]
        choices=choices,
        default=field.default,
        minimum=bounds.get("ge", bounds.get("gt")),
        maximum=bounds.get("le"),
        open_minimum="gt" in bounds,
    )


def explain(problem: Any, fields: Mapping[str, Field]) -> list[str]:
    """A pydantic error as "field = value: what is allowed"; several where fields contradict each other."""
    if not problem["loc"]:
        contradictions: list[str] = problem["ctx"]["error"].problems
        return contradictions
    name = str(problem["loc"][0])
    if name not in fields:
        near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
        advice = f"did you mean {near[0]}?" if near else "allowed: " + ", ".join(fields)
        return [f"{shortened(name)}: unknown setting; {advice}"]
    refusal = str(problem.get("ctx", {}).get("error", ""))
    wanted = refusal if refusal.startswith("must be") else f"must be {fields[name].allowed}"
    return [f"{name} = {shortened(problem['input'])}: {wanted}"]


def shortened(value: Any) -> str:
    """An untrusted value, short enough for a message."""
    text = str(value) if isinstance(value, str | int | float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
