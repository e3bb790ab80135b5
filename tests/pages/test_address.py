"""Pages declare what they have in the address; what is not declared is an error, not a silent nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.ui import address
from pages.ui.address import Address, own_parameters
from pages.ui.assets import STATIC
from ppo_engine.config import FIELDS


def test_no_page_takes_the_name_of_a_setting() -> None:
    assert own_parameters().isdisjoint(FIELDS) and "preset" not in own_parameters()


def test_own_parameters_are_those_that_pages_declare() -> None:
    pages = [value for value in vars(address).values() if isinstance(value, Address)]
    assert own_parameters() >= {"run", *(name for page in pages for name in page.names)}


@pytest.mark.parametrize("name", ["sample", "colour", "run"])
def test_a_name_that_is_not_declared_is_an_error(name: str) -> None:
    page = address.METRICS_PAGE
    for read in (page.index, page.word):
        with pytest.raises(KeyError, match=name):
            read(name)
    with pytest.raises(KeyError, match=name):
        page.keep({name: 1})


def test_pages_read_the_address_through_their_declaration_alone() -> None:
    """Settings, the run and the sidebar's jumps have ways of their own."""
    root = Path(address.__file__).parents[1]
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name not in ("address.py", "form.py", "controls.py", "run_view.py", "actions.py"):
            assert "query_params.get" not in text and "query_params.update" not in text, path


@pytest.mark.parametrize(
    "module", ["live/page.js", "tokens/view_state.js", "update/page.js", "whatif/view_state.js"]
)
def test_what_the_browser_keeps_in_the_address_is_no_setting(module: str) -> None:
    text = (STATIC / module).read_text(encoding="utf-8")
    lists = re.findall(r"^const (?:NAMES|INDICES) = \[(.*)\];$", text, re.MULTILINE)
    names = {name for found in lists for name in re.findall(r'"(\w+)"', found)}
    assert names and names <= own_parameters()
