"""What a page, as Streamlit's own test runner runs it, sends to its components."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "pages" / "ui" / "shell.py")


def payloads(page: AppTest) -> list[dict[str, Any]]:
    """The payload of each of our components in the page's main part, in order."""
    return [json.loads(e.proto.json) for e in page.main if type(e).__name__ == "UnknownElement" and e.type == "bidi_component"]
