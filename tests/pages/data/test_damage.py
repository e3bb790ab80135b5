"""Whatever lies in the runs folder, the door answers in JSON: with what can be read, or with why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pages.data.routes import VIEWS
from tests.pages.data.test_routes import filled
from tests.pages.door import ask
from tests.pages.test_damage import DAMAGES, damage_run

UNHARMED = {"stages", "notebook/what-if"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_answered_with_a_reason(damage: str, finished: Path, runs: Path) -> None:
    other = shutil.copytree(finished, runs / "20260101-000000-000-sound-seal")
    damage_run(damage, finished)
    refused = []
    for view in VIEWS:
        reply = ask(filled(view, finished.name, 2))
        assert reply.status in (200, 404, 500), view.path
        if reply.status != 200:
            assert reply.error and "Traceback" not in reply.error, view.path
            refused.append(view.path)
    assert refused and not UNHARMED & set(refused)
    told = ask(f"now?run={finished.name}")
    assert told.status in (200, 404) and (told.status == 404 or told.data["run"] == finished.name)
    assert ask(f"runs/{other.name}/live").status == 200
