"""Which run a page shows, as its address says."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from pages.data.folder import EXAMPLE, info_of, newest_run, runs_folder, why_unreadable
from pages.data.watcher import read_change
from ppo_engine.store import list_runs
from ppo_engine.store.catalog import TRASH


def shown_run() -> Path | None:
    """The run that the address names, else the newest that can be read; None before the first."""
    runs = list_runs(runs_folder())
    wanted = st.query_params.get("run", "")
    return next((run for run in runs if run.name == wanted), None) or newest_run()


def keep_run(page: str) -> None:
    """Keeps the address's run where a link to another page names none. To be called first in the script."""
    turned = page != st.session_state.get("page", page)
    st.session_state.page = page
    kept = st.session_state.get("run_kept")
    if turned and kept and "run" not in st.query_params:
        st.query_params["run"] = kept
    st.session_state.run_kept = st.query_params.get("run")


def run_trouble() -> str:
    """Why the run shown is not the one in the address, or not the newest; "" where it is."""
    runs, wanted, instead = list_runs(runs_folder()), st.query_params.get("run", ""), newest_run()
    shown = f"Showing {info_of(instead).name}, the newest run." if instead else "Showing a recorded example."
    if wanted and wanted not in [run.name for run in runs]:
        in_trash = any(run.name == wanted for run in list_runs(runs_folder() / TRASH))
        return (
            f"The address names the run {wanted[:80]}, which "
            f"{'is in the trash' if in_trash else 'does not exist'}. {shown}"
        )
    if wanted and (reason := why_unreadable(runs_folder() / wanted)):
        return f"The run {wanted[:80]} cannot be shown. {reason}"
    if not wanted and runs and runs[0] != instead:
        shown = shown.replace("the newest", "the newest readable")
        return f"The newest run, {runs[0].name}, cannot be shown. {why_unreadable(runs[0])}. {shown}"
    return ""


STAMPING = ("top", "board")
"""The components that ask for the script to run again, by their keys."""


def _stamps() -> list[Any]:
    return [(st.session_state.get(key) or {}).get("stamp") for key in STAMPING]


def stamp_came() -> bool:
    """In a callback: whether a component asked for this run of the script, rather than a person. One that has
    gone with its page, and its stamp with it, asked for nothing.
    """
    before = st.session_state.get("stamps", [None] * len(STAMPING))
    return any(now is not None and now != then for now, then in zip(_stamps(), before, strict=True))


def stamp_now() -> None:
    """Notes how the run stands, first of all: what the script reads later is of then, or newer."""
    st.session_state.stamps = _stamps()
    shown = shown_run()
    st.session_state.stamp = read_change(shown.name if shown else "").stamp


def stamp() -> str:
    """What `stamp_now` noted."""
    if "stamp" not in st.session_state:
        stamp_now()  # a page that runs without its frame
    return str(st.session_state.stamp)


def take_address(address: str) -> None:
    """The address as the browser has it: the pages' own scripts change it without Streamlit knowing."""
    there = dict(parse_qsl(address.removeprefix("?"), keep_blank_values=True))
    if there != st.query_params.to_dict():
        st.query_params.from_dict(there)


def shown_or_example() -> Path:
    """The run shown; before the first, the recorded example."""
    return shown_run() or EXAMPLE
