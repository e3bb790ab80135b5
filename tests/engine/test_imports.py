"""What importing costs: the engine knows no UI, and what pages need before a run needs no torch."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ppo_engine

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = [
    "config",
    "errors",
    "metrics",
    "records",
    "formatting",
    "store",
    "store.catalog",
    "session",
    "charts",
    "export.tables",
    "export.report",
]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(ppo_engine.__path__, "ppo_engine.")
    if not module.name.endswith("__main__")
]


def imported_by(statement: str) -> set[str]:
    """Top-level names in sys.modules after `statement`, in a new interpreter."""
    script = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in "
        "sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_engine_never_imports_streamlit() -> None:
    """All of its modules at once, in one interpreter."""
    assert {"ppo_engine.training.trainer", "ppo_engine.store"} <= set(MODULES)
    assert "streamlit" not in imported_by("import " + ", ".join(MODULES))


def test_no_source_file_of_the_engine_names_streamlit_in_an_import() -> None:
    """Nor does one inside a function, where importing the module would not show it."""
    for path in (ROOT / "ppo_engine").rglob("*.py"):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert not [line for line in lines if line.startswith(("import streamlit", "from streamlit"))], path


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_what_a_page_needs_first_imports_without_torch(module: str) -> None:
    loaded = imported_by(f"import ppo_engine.{module}")
    assert "ppo_engine" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "datasets", "accelerate"})


def test_the_package_itself_loads_nothing_until_asked() -> None:
    loaded = imported_by("import ppo_engine; ppo_engine.Config; ppo_engine.METRICS; ppo_engine.RunReader")
    assert "torch" not in loaded
    assert "torch" in imported_by("from ppo_engine import Trainer")


@pytest.mark.parametrize("name", ppo_engine.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(ppo_engine, name) is not None and name in dir(ppo_engine)


def test_exports_are_sorted_and_unknown_names_are_refused() -> None:
    assert list(ppo_engine.__all__) == sorted(ppo_engine.__all__, key=lambda name: (not name.isupper(), name))
    assert set(ppo_engine._HOMES) == set(ppo_engine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Agent'"):
        _ = ppo_engine.Agent
