"""Exports: what a spreadsheet must not run, and that a table is of one moment though the run goes on."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppo_engine import Config, RunReader, session
from ppo_engine.export import tables
from ppo_engine.export.tables import WHAT, _write, guard, table, table_bytes, unguard
from ppo_engine.store import RunStore
from ppo_engine.store.catalog import survey
from ppo_engine.store.schema import reading
from tests.engine.runs import Run

FORMULAS = [
    "=1+1", "=\n1+1", "=\r\n1", " =1+1", "\t=1+1", "\tplain", "\rplain", "\nplain", "\u00a0=1", "\u200b=1",
    "\ufeff=1", "\u3000+1",
    "\u2060@x", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff201", "\ufe66 1", "-2", "+2", "@cmd", "\x00=1",
    "\x01\x02=1", "\u202e=1",
    "\u00ad=1",
    "= cmd|' /C calc'!A0", "'=1", "''=1", "' =1",
]  # fmt: skip
PLAIN = ["", "-", "=", "+", "@", "–", "a=1", "'tis", "'", "1", "\u200b", " ", "film - good", "(=1)", "“=”"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_a_spreadsheet_would_run_is_kept_from_it(cell: str) -> None:
    assert guard(cell) == f"'{cell}" and unguard(guard(cell)) == cell


@pytest.mark.parametrize("cell", PLAIN)
def test_what_it_would_not_run_is_left_alone(cell: str) -> None:
    assert guard(cell) == cell == unguard(cell)


BEGINNINGS = st.text(alphabet=" \t\r\n\u00a0\u200b\ufeff\u3000\u2060'\x00\u202e", max_size=3)
SIGNS = st.sampled_from(["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "x", ""])
CELLS = st.builds(lambda *parts: "".join(parts), BEGINNINGS, SIGNS, st.text(max_size=8))


@given(st.lists(CELLS | st.text(max_size=12), min_size=1, max_size=8))
def test_a_csv_is_inert_and_parses_back_to_what_it_was(cells: list[str]) -> None:
    cells = [cell.encode("utf-8", "ignore").decode() for cell in cells]
    numbers = [-1.5 * i if i % 2 else math.nan for i in range(len(cells))]
    file = io.BytesIO()
    _write(pd.DataFrame({"text": cells, "number": numbers}), "csv", file)
    back = pd.read_csv(
        io.BytesIO(file.getvalue()),
        keep_default_na=False,
        na_values={"number": [""]},
        encoding="utf-8",
        engine="python",
    )
    assert [unguard(cell) for cell in back["text"].astype(str)] == cells
    assert all(a == b or (a != a and b != b) for a, b in zip(back["number"], numbers, strict=True))
    for cell in back["text"].astype(str):
        shown = cell.lstrip(" \t\r\n\u00a0\u200b\ufeff\u3000\u2060\x00\u202e")
        assert len(shown) < 2 or shown[0] not in "=+-@\uff1d\uff0b\uff0d\uff20\ufe66"
        assert not cell.startswith(("\t", "\r", "\n"))


def test_an_export_of_a_run_that_is_on_is_of_one_moment(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that is committed between two of its queries is in none of the answers."""
    run = begin(steps=3)
    run.hold_at(1)
    with run.reader.snapshot() as reader:
        assert reader.info().last_step == 1
        run.let_go()
        run.wait_for(3)
        assert reader.info().last_step == 1 and [row.step for row in reader.steps()] == [0, 1]
        assert (
            reader.steps_with_samples("train") == [1] and reader.samples(2) == [] and reader.tokens(2) is None
        )
        assert run.reader.info().last_step == 3
    run.join()


def test_every_table_is_made_within_one_snapshot(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, owner = session.create(tiny(steps=1), "tiny-reviews", tmp_path)
    owner.run()
    opened: list[Path] = []
    monkeypatch.setattr("ppo_engine.store.reader.reading", lambda run: (opened.append(run), reading(run))[1])
    for what in WHAT:
        opened.clear()
        assert len(table(folder, what)) > 0
        assert opened == [folder], what


def test_an_empty_run_exports_empty_tables(tmp_path: Path) -> None:
    RunStore.create(tmp_path / "run", "run", "brave-otter", "tiny-reviews", Config()).close()
    assert all(len(table(tmp_path / "run", what)) == 0 for what in ("metrics", "samples", "tokens"))


def test_no_csv_cell_begins_like_a_formula(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spreadsheet runs what begins with =, +, - or @."""
    folder = survey(runs)[0][0].folder
    samples = tables.samples_table(RunReader(folder)).head(4)
    samples["query"], samples["response"] = ["=1+1", "@cmd", "+2", "-3"], ["fine", "= 5", "-", "–"]
    monkeypatch.setattr(tables, "samples_table", lambda reader: samples)
    rows = list(csv.DictReader(io.StringIO(table_bytes(folder, "samples", "csv").decode())))
    assert [row["query"] for row in rows] == ["'=1+1", "'@cmd", "'+2", "'-3"]
    assert [row["response"] for row in rows] == ["fine", "'= 5", "-", "–"]
    assert all(float(row["score"]) == score for row, score in zip(rows, samples["score"], strict=True)), (
        "numbers stay numbers"
    )
