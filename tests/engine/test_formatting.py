"""Numbers as they are written, the same in Python and in the browser."""

from __future__ import annotations

import math

import pytest

from ppo_engine.formatting import duration, gigabytes, percent, signed, three_digits


@pytest.mark.parametrize(
    ("x", "written"),
    [(0.0, "0"), (0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1\u2009230"), (99.96, "100"),
     (0.99951, "1.00"),
     (-5.678, "−5.68"),
     (0.00123, "0.00123"), (0.000123, "1.23e−4"), (999_999.0, "1.00e6"), (123_456.0, "123\u2009000"),
     (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞")],
)  # fmt: skip
def test_three_significant_digits(x: float, written: str) -> None:
    assert three_digits(x) == written


def test_a_sign_where_it_matters() -> None:
    assert [signed(x) for x in (1.5, -1.5, 0.0, math.nan)] == ["+1.50", "−1.50", "0", "–"]


def test_shares_times_and_memory() -> None:
    assert [percent(x) for x in (0.042, 0.37, 0.0, 1.0, math.nan)] == [
        "4.2\u202f%",
        "37\u202f%",
        "0.0\u202f%",
        "100\u202f%",
        "–",
    ]
    assert [duration(x) for x in (0.4, 41, 61, 3723, math.nan)] == ["0:00", "0:41", "1:01", "1:02:03", "–"]
    assert gigabytes(1_234_000_000) == "1.23 GB"
