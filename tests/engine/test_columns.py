"""The table of token columns is the one that everything has: records, exports, the browser's types."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ppo_engine.columns import COLUMNS, Column, as_data, names
from ppo_engine.records import TokenTable

ROOT = Path(__file__).parents[2]


def test_every_stored_column_is_a_field_of_the_record_and_no_derived_one_is() -> None:
    own = {field.name for field in fields(TokenTable)}
    assert set(names(stored=True)) <= own
    assert set(names(stored=False)).isdisjoint(own)


@pytest.mark.parametrize("name", names(stored=False))
def test_every_derived_column_is_computed(name: str) -> None:
    assert hasattr(TokenTable, f"_{name}")


def test_names_are_chosen_by_what_a_column_is() -> None:
    assert names(kinds=("flag",)) == ["policy_clip", "value_clip"]
    assert names(per_epoch=True, kinds=("float",)) == ["new_logprob", "ratio", "new_value"]
    assert names() == list(COLUMNS) and {*names(per_epoch=True), *names(per_epoch=False)} == set(COLUMNS)


def test_a_clip_underlines_a_column_that_it_is_about() -> None:
    for column in COLUMNS.values():
        assert not column.clip or (COLUMNS[column.clip].kind == "flag" and column.per_epoch), column.name


def test_the_browsers_type_has_the_fields_that_are_served() -> None:
    text = (ROOT / "pages/ui/static/lib/columns.d.ts").read_text(encoding="utf-8")
    declared = re.findall(r"^  (\w+): ", text, flags=re.MULTILINE)
    assert declared == [field.name for field in fields(Column)] == list(as_data()["ratio"])


def test_centres_are_where_nothing_has_moved() -> None:
    """New and old policy alike: a ratio of e^0; every other coloured quantity is a difference from 0."""
    centres = {name: column.centre for name, column in COLUMNS.items() if column.centre is not None}
    assert centres.pop("ratio") == float(np.exp(0.0)) and set(centres.values()) == {0.0}
