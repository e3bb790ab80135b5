"""The component that keeps its DOM: Python says which run it shows, and static/ fetches and draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pages.data.payloads import Payload

from .assets import LOADER, PREFIX
from .run_view import stamp, take_address

_board = st.components.v2.component(
    "ppo_live_board", html='<div class="ppo-container"></div>', js=LOADER, isolate_styles=False
)


def _ignore() -> None:
    """For components that ask for nothing."""


def mount(payload: Payload, key: str, run: Path | None, on_ask: Callable[[], None] = _ignore) -> Any:
    """Mounts a page's component, which fetches what it shows of the run by itself. The result has `ask`, a
    request, and `stamp`, sent with the browser's address where this page has to be made anew.
    """
    data = {**payload, "prefix": PREFIX, "run": run.name if run else "", "stamp": stamp()}

    def on_stamp() -> None:
        told = (st.session_state.get(key) or {}).get("stamp") or {}
        take_address(str(told.get("address", "")))

    return _board(data=data, key=key, on_stamp_change=on_stamp, on_ask_change=on_ask)
