"""The README keeps its word: its notebook example runs, its commands are CI's, its links and
names are there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_notebook_example_runs() -> None:
    (example,) = (block for block in blocks("python") if "Trainer" in block)
    assert len([line for line in example.splitlines() if line.strip()]) <= 5
    done = subprocess.run(
        [sys.executable, "-c", example.replace("steps=20", "steps=1")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 ")


def test_ci_runs_the_test_command_word_for_word() -> None:
    (command,) = (block.strip() for block in blocks("bash") if "pytest" in block)
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_top_level_holds_what_it_should() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    top = {path.split("/")[0] for path in tracked}
    assert {name for name in top if not name.startswith(".")} <= {
        "app.py",
        "pages",
        "ppo_engine",
        "tests",
        "requirements.txt",
        "README.md",
    }
