"""How the browser's modules are laid out: lib/ is for all, a page's folder knows lib/ and itself, nothing
goes in circles.
"""

from __future__ import annotations

import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "pages" / "ui" / "static"
SCRIPTS = sorted([*STATIC.rglob("*.js"), *STATIC.rglob("*.d.ts")])
STYLES = sorted(STATIC.rglob("*.css"))
_IMPORTS = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']""")
"""Static and dynamic ones, and those of types in comments."""


def name(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


def room(path: Path) -> str:
    """The folder that a module belongs to: lib, a page's, or "" for those that put all together."""
    folder, _, rest = name(path).partition("/")
    return folder if rest else ""


@cache
def imports(path: Path) -> tuple[Path, ...]:
    wanted = [path.parent / found for found in _IMPORTS.findall(path.read_text(encoding="utf-8"))]
    return tuple(_found(one.resolve()) for one in wanted)


def _found(path: Path) -> Path:
    """The file that an import means; of one that the server makes, its declaration."""
    if path.exists():
        return path
    return path.with_name(path.name.removesuffix(".js") + ".d.ts")


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_every_import_is_there_and_runs_the_right_way(path: Path) -> None:
    allowed = {"lib"} if room(path) == "lib" else {"lib", room(path)}
    for other in imports(path):
        assert other.exists(), f"{name(path)} imports {other}, which is not there"
        assert not room(path) or room(other) in allowed, f"{name(path)} must not import {name(other)}"


def test_no_module_needs_itself() -> None:
    try:
        TopologicalSorter({path: imports(path) for path in SCRIPTS}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(map(name, error.args[1]))}")


@pytest.mark.parametrize("path", sorted((STATIC / "lib").glob("*.js")), ids=name)
def test_what_is_in_lib_serves_more_than_one_page(path: Path) -> None:
    users = {room(script) for script in SCRIPTS if path in reached(script)} - {"lib"}
    assert "" in users or len(users) > 1


@cache
def reached(path: Path) -> frozenset[Path]:
    """All that a module needs."""
    return frozenset(imports(path)).union(*(reached(other) for other in imports(path)))


def test_every_style_is_used() -> None:
    wanted = re.findall(r'@import "([^"]+)"', (STATIC / "mount.css").read_text(encoding="utf-8"))
    assert sorted([*wanted, "mount.css"]) == [name(path) for path in STYLES]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.suffix == ".js"], ids=name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("// ")
