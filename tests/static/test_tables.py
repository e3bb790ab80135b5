"""What is written in two languages says the same in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppo_engine import formatting
from tests.static.payload_types import WRITTEN, declarations

CASES = json.loads((Path(__file__).parent / "numbers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['function']}({case['value']})")
def test_numbers_as_the_browser_writes_them(case: dict[str, Any]) -> None:
    """format.test.js reads the same table."""
    assert getattr(formatting, case["function"])(float(case["value"])) == case["text"]


def test_the_payloads_types_are_pythons() -> None:
    """Made anew by `python -m tests.static.payload_types`."""
    assert WRITTEN.read_text(encoding="utf-8") == declarations()
