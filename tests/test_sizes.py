"""House sizes: files stay under 350 lines, data tables aside, and the median function at six."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLES = {"ppo_engine/metrics.py", "ppo_engine/config/model.py", "ppo_engine/world/rules.py"}
"""Data, an entry after the other."""
FILES = [
    path.relative_to(ROOT).as_posix()
    for base in ("ppo_engine", "pages")
    for path in (ROOT / base).rglob("*.py")
]
LONGEST_FILE = 350


def lengths(base: str) -> list[int]:
    """The lines of every function, from `def` to its last."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / base).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.end_lineno or 0) - node.lineno + 1 for node in functions]


@pytest.mark.parametrize("name", sorted(set(FILES) - TABLES))
def test_a_file_is_short(name: str) -> None:
    count = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert count < LONGEST_FILE, f"{name} has {count} lines"


@pytest.mark.parametrize("base", ["ppo_engine", "pages"])
def test_the_median_function_is_short(base: str) -> None:
    assert statistics.median(lengths(base)) <= 6
