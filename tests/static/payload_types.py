"""Writes static/lib/payloads.d.ts, the payloads' types as TypeScript has them, from pages/ui/payloads.

python -m tests.static.payload_types
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from pages.ui.payloads import common, live, playground, tokens, update, whatif

MODULES = (common, live, tokens, update, whatif, playground)
WRITTEN = Path(__file__).parents[2] / "pages" / "ui" / "static" / "lib" / "payloads.d.ts"
HEAD = "// The payloads' types. Made by `python -m tests.static.payload_types` from pages/ui/payloads.\n"
WIDTH = 110
PLAIN = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", Any: "unknown"}


def declarations() -> str:
    """The whole file."""
    parts = [HEAD]
    for module in MODULES:
        own = {name: thing for name, thing in vars(module).items() if _is_of(module, name, thing)}
        aliases = {thing: name for name, thing in own.items() if not is_typeddict(thing)}
        parts += [
            _interface(thing, aliases) if is_typeddict(thing) else _alias(name, _type(thing, {}))
            for name, thing in own.items()
        ]
    payloads = [name for module in MODULES for name in vars(module) if name.endswith("Payload")]
    return "\n".join([*parts, _alias("Payload", " | ".join(payloads))])


def _is_of(module: types.ModuleType, name: str, thing: Any) -> bool:
    """Whether a name is a type that the module defines: a `TypedDict` or an alias of others."""
    if is_typeddict(thing):
        return bool(thing.__module__ == module.__name__)
    return name[0].isupper() and get_origin(thing) in (typing.Literal, types.UnionType, typing.Union, list)


def _alias(name: str, kind: str) -> str:
    line = f"export type {name} = {kind};\n"
    return (
        line if len(line) <= WIDTH else f"export type {name} =\n  | " + kind.replace(" | ", "\n  | ") + ";\n"
    )


def _interface(made: Any, aliases: dict[Any, str]) -> str:
    fields = []
    for name, hint in get_type_hints(made, include_extras=True).items():
        said = get_origin(hint) is NotRequired
        optional = "?" if said or name in made.__optional_keys__ else ""
        fields.append(f"  {name}{optional}: {_type(get_args(hint)[0] if said else hint, aliases)};\n")
    about = "".join(
        f" * {line.strip()}".rstrip() + "\n" for line in (made.__doc__ or "").strip().splitlines()
    )
    return f"/**\n{about} */\nexport interface {made.__name__} {{\n{''.join(fields)}}}\n"


def _type(hint: Any, aliases: dict[Any, str]) -> str:
    if hint in aliases:
        return aliases[hint]
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        return " | ".join(f'"{value}"' for value in args)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(_type(one, aliases) for one in args)
    if origin is list:
        inner = _type(args[0], aliases)
        is_union = get_origin(args[0]) in (types.UnionType, typing.Union) and args[0] not in aliases
        return f"({inner})[]" if is_union else f"{inner}[]"
    if origin is tuple:
        return f"[{', '.join(_type(one, aliases) for one in args)}]"
    if origin is dict:
        return f"Record<{_type(args[0], aliases)}, {_type(args[1], aliases)}>"
    if is_typeddict(hint):
        return str(hint.__name__)
    raise TypeError(f"no TypeScript is known for {hint}")


if __name__ == "__main__":
    WRITTEN.write_text(declarations(), encoding="utf-8")
