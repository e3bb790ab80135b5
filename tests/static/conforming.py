"""Whether a payload is what its `TypedDict` says, with no key too many: what mypy cannot see of values that
are made at run time.
"""

from __future__ import annotations

import types
import typing
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from pages.data.payloads.common import Mounted, TopPayload
from pages.data.payloads.live import LivePayload
from pages.data.payloads.playground import PlaygroundPayload
from pages.data.payloads.tokens import TokensPayload
from pages.data.payloads.update import UpdatePayload
from pages.data.payloads.whatif import WhatIfPayload

PAYLOADS: dict[str | None, Any] = {
    "live": LivePayload,
    "top": TopPayload,
    "microscope": TokensPayload,
    "walk": UpdatePayload,
    "whatif": WhatIfPayload,
    "playground": PlaygroundPayload,
}
"""By what a payload is `only` for."""


def check(mounted: dict[str, Any]) -> None:
    """Raises `AssertionError` with all that is wrong in a payload as the browser gets it."""
    shared = {name: mounted[name] for name in Mounted.__annotations__}
    own = {name: value for name, value in mounted.items() if name not in shared}
    found = mismatches(shared, Mounted) + mismatches(own, PAYLOADS[own.get("only")])
    assert not found, "\n".join(found)


def mismatches(value: Any, hint: Any, place: str = "payload") -> list[str]:
    """Each difference, with its place; none where the value conforms. A tuple passes for a list, and a whole
    number for a float, as in JSON.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if is_typeddict(hint):
        return _of_fields(value, hint, place)
    if origin is NotRequired:
        return mismatches(value, arguments[0], place)
    if origin in (types.UnionType, typing.Union):
        wanted = [one for one in arguments if value is None or one is not type(None)]
        tries = [mismatches(value, one, place) for one in wanted]
        return min(tries, key=len)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{place}: {value!r} is none of {arguments}"]
    if origin is list and isinstance(value, list | tuple):
        return _of_entries(value, arguments[0], place)
    if origin is tuple and isinstance(value, list | tuple) and len(value) == len(arguments):
        parts = zip(value, arguments, strict=True)
        return [
            found for i, (one, part) in enumerate(parts) for found in mismatches(one, part, f"{place}[{i}]")
        ]
    if origin is dict and isinstance(value, dict):
        keys = _of_entries(list(value), arguments[0], f"{place} keys")
        return keys + [
            found for k, one in value.items() for found in mismatches(one, arguments[1], f"{place}.{k}")
        ]
    plain = {float: (int, float), type(None): (type(None),)}.get(hint, (hint,))
    is_right = origin is None and isinstance(value, plain) and (hint is bool or not isinstance(value, bool))
    return [] if is_right else [f"{place}: {str(value)[:60]!r} is no {hint}"]


def _of_fields(value: Any, hint: Any, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: {str(value)[:60]!r} is no {hint.__name__}"]
    hints = get_type_hints(hint, include_extras=True)
    optional = {name for name, one in hints.items() if get_origin(one) is NotRequired} | set(
        hint.__optional_keys__
    )
    found = [f"{place}: {name} is missing" for name in hints if name not in value and name not in optional]
    found += [f"{place}: {name} is unknown" for name in value if name not in hints]
    for name, one in hints.items():
        if name in value:
            found += mismatches(value[name], one, f"{place}.{name}")
    return found


def _of_entries(values: Any, hint: Any, place: str) -> list[str]:
    """The first entry that does not conform stands for all."""
    for i, one in enumerate(values):
        if found := mismatches(one, hint, f"{place}[{i}]"):
            return found
    return []
