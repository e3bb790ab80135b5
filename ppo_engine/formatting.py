"""Number formats: three significant digits, signs where they matter, thin spaces."""

from __future__ import annotations

from math import isfinite
from typing import Any

MINUS, THIN_SPACE = "\u2212", "\u2009"


def three_digits(x: float) -> str:
    """`x` to three significant digits: 0.123, 12.3, 1 230; powers of ten beyond 1 000 000 and below 0.001."""
    if not isfinite(x):
        return "–" if x != x else ("∞" if x > 0 else f"{MINUS}∞")
    if x == 0:
        return "0"
    mantissa, power = f"{x:.2e}".split("e")
    size = int(power)
    if size < -3 or size > 5:
        return f"{mantissa}e{int(power)}".replace("-", MINUS)
    text = f"{float(f'{x:.2e}'):,.{max(0, 2 - size)}f}"
    return text.replace(",", THIN_SPACE).replace("-", MINUS)


def signed(x: float) -> str:
    """The same, with a plus sign if positive."""
    text = three_digits(x)
    return f"+{text}" if x > 0 and isfinite(x) else text


def percent(x: float) -> str:
    """A share in percent, to two digits below 10 %: 4.2 %, 37 %."""
    if not isfinite(x):
        return "–"
    text = f"{100 * x:z.1f}" if abs(100 * x) < 9.95 else f"{100 * x:.0f}"  # z: never −0.0
    return text.replace("-", MINUS) + "\u202f%"


def duration(seconds: float) -> str:
    """A time as minutes and seconds, 0:41, with hours where there are any, 1:02:03."""
    if not isfinite(seconds):
        return "–"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def gigabytes(count: int) -> str:
    """Bytes as gigabytes (10⁹)."""
    return f"{three_digits(count / 1e9)} GB"


def data_size(count: int) -> str:
    """Bytes in MB (10⁶) or, from a thousand of those on, in GB."""
    return gigabytes(count) if count >= 1e9 else f"{three_digits(count / 1e6)} MB"


def setting(value: Any) -> str:
    """A setting's value as displayed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
