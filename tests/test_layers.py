"""The map keeps its shape: arrows between files run down only, nowhere in a circle, and doors stay doors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors", "console", "ppo", "formatting", "metrics", "columns"},
    {"files", "targets"},
    {"builtin"},
    {"sources"},
    {"rewards"},
    {"config"},
    {"records", "checkpoint_state"},
    {"store", "analysis"},
    {"training", "charts"},
    {"session"},
    {"export"},
    {"world", "cli"},
    {"__main__"},
)
"""The rooms of `ppo_engine`: each may use those of the lines above, and none beside it."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name, packages by their own."""
    files = [path for base in ("ppo_engine", "pages") for path in (ROOT / base).rglob("*.py")]
    return {".".join(_parts(path)): path for path in files}


def _parts(path: Path) -> list[str]:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def imported(name: str) -> frozenset[str]:
    """The project's modules that this one imports anywhere in it, inside functions too, and for types too."""
    path = modules()[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {module for node in ast.walk(tree) for module in _named(node, path)}
    return frozenset(found - {name})


def _named(node: ast.AST, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules())
    if isinstance(node, ast.ImportFrom):
        package = list(path.relative_to(ROOT).parts[:-1])
        base = package[: len(package) - node.level + 1] if node.level else []
        home = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            if f"{home}.{alias.name}" in modules():
                yield f"{home}.{alias.name}"
            elif home in modules():
                yield home


def room(name: str) -> str:
    """The part of the engine that a module belongs to; "" for the package itself, which loads lazily."""
    return name.split(".")[1] if "." in name else ""


def layer(name: str) -> int:
    return next(height for height, rooms in enumerate(LAYERS) if room(name) in rooms)


ENGINE = sorted(name for name in modules() if name.startswith("ppo_engine."))
PAGES = sorted(name for name in modules() if name.startswith("pages"))


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in ENGINE} == set().union(*LAYERS)


@pytest.mark.parametrize("name", ENGINE)
def test_no_arrow_of_the_engine_runs_up_or_aside(name: str) -> None:
    up = [
        other
        for other in imported(name)
        if other == "ppo_engine"
        or other.startswith("pages")
        or (room(other) != room(name) and layer(other) >= layer(name))
    ]
    assert not up, f"{name} imports {up}"


def test_no_circle_anywhere() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in imported(name):
                visit(other, (*path, name))
            done.add(name)

    for name in modules():
        visit(name, ())


def test_training_and_store_know_nothing_of_each_other() -> None:
    for name in ENGINE:
        for one, other in (("training", "store"), ("store", "training")):
            assert room(name) != one or not [m for m in imported(name) if room(m) == other], name


HEAVY = (
    "ppo_engine.training",
    "ppo_engine.session.replay",
    "ppo_engine.session.checkpoints",
    "ppo_engine.session.jobs.work",
    "ppo_engine.session.jobs.playground",
    "ppo_engine.session.jobs.update_trace",
    "ppo_engine.export.policy",
    "ppo_engine.rewards.classifier",
)
"""What loads a model, or works on one: never a page's business."""


@pytest.mark.parametrize("name", PAGES)
def test_pages_never_reach_training(name: str) -> None:
    reached = [other for other in imported(name) if other.startswith(HEAVY)]
    assert not reached, f"{name} imports {reached}"
    text = modules()[name].read_text(encoding="utf-8")
    assert "import_module" not in text and "Trainer" not in text, "the package itself would load it"
    assert not re.search(r"from ppo_engine[\w.]* import .*\b_\w", text), "private names stay in their room"


def test_the_server_never_reaches_training() -> None:
    assert not [name for name in HEAVY if name in (ROOT / "app.py").read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", ENGINE)
def test_a_rooms_private_names_stay_in_it(name: str) -> None:
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    private = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert not private, f"{name} imports {private}"
