"""A page as Streamlit's own test runner runs it: opening it, pressing its buttons, and what it mounts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from ppo_engine.records import TokenTable
from tests.static.conforming import check

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "pages" / "ui" / "shell.py")


def payloads(page: AppTest) -> list[dict[str, Any]]:
    """The payload of each of our components in the page's main part, in order; each is as its type says."""
    made = [json.loads(one.proto.json) for one in _components(page)]
    for payload in made:
        check(payload)
    return made


def _components(page: AppTest) -> list[Any]:
    return [
        one for one in page.main if type(one).__name__ == "UnknownElement" and one.type == "bidi_component"
    ]


def app(**query: str) -> AppTest:
    page = AppTest.from_file(SHELL, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def board(page: AppTest) -> dict[str, Any]:
    """The payload of the page's live board."""
    (payload,) = payloads(page)
    return payload


def tell(page: AppTest, key: str, **state: Any) -> AppTest:
    """As a component's browser side tells Python of its state, with the values of all fields along."""
    (told,) = [one.proto.id for one in _components(page) if one.proto.id.endswith(f"-{key}")]
    states = page._tree.get_widget_states()
    states.widgets.add(id=told, json_value=json.dumps(state))
    return page._run(states)


def said(page: AppTest) -> str:
    """All warnings of the page, without the escapes that keep them text."""
    return "\n".join(warning.value for warning in page.warning).replace("\\", "")


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def never_updated(tokens: TokenTable | None) -> TokenTable | None:
    """The tokens as of an update that took no minibatch."""
    return None if tokens is None else replace(tokens, epochs_seen=np.zeros_like(tokens.epochs_seen))
