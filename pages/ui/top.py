"""The top line of every page: the run, its state, its progress."""

from __future__ import annotations

from . import component, run_view


def top_line() -> None:
    """Mounts it."""
    component.mount({"only": "top"}, key="top", run=run_view.shown_run())
