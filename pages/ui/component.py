"""The component that keeps its DOM: Python sends a payload, and static/ draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from .assets import LOADER, PREFIX
from .payloads import Payload

_board = st.components.v2.component(
    "ppo_live_board", html='<div class="ppo-container"></div>', js=LOADER, isolate_styles=False
)


def _ignore() -> None:
    """A change that needs nothing but the page drawn again."""


def mount(
    payload: Payload,
    key: str,
    on_pin: Callable[[], None] = _ignore,
    on_ask: Callable[[], None] = _ignore,
    on_look: Callable[[], None] = _ignore,
) -> Any:
    """Draws the payload. The result has `hidden`, whether the tab is hidden, `pin`, the chosen sample, `ask`,
    a request, `prompt`, a pinned prompt, and `look`, a page's other choices of what to show.
    """
    data = {**payload, "prefix": PREFIX, "hidden": st.session_state.get("hidden", False)}
    return _board(
        data=data,
        key=key,
        on_hidden_change=_ignore,
        on_pin_change=on_pin,
        on_ask_change=on_ask,
        on_prompt_change=_ignore,
        on_look_change=on_look,
    )
