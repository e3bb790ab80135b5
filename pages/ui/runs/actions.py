"""The actions on one ticked run: open, resume, describe, export, delete."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from pages.data.folder import TAKEN_UP
from ppo_engine import session
from ppo_engine.errors import PPOEngineError, StoreError
from ppo_engine.export.report import html_report
from ppo_engine.export.tables import FORMATS, WHAT, table_bytes
from ppo_engine.store import describe
from ppo_engine.store.catalog import (
    TRASH,
    Summary,
    glance,
    list_trash,
    move_to_trash,
    restore_from_trash,
)
from ppo_engine.store.checkpoint_files import list_checkpoints

from .. import messages
from ..sidebar.controls import when_free

_MEDIA = {"csv": "text/csv", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}
_PATIENCE_S = 300


def draw(one: Summary, branches: list[str]) -> None:
    """The actions in four groups. branches: the names of the runs that branched from this one."""
    st.subheader(messages.inert(one.name))
    opening, describing, exporting, deleting = st.tabs(["Open", "Describe", "Export", "Delete"])
    with opening:
        _open(one)
    with describing:
        _describe(one)
    with exporting:
        _export(one)
    with deleting:
        _delete(one, branches)
    messages.show_problem("run-")


def _open(one: Summary) -> None:
    points = [point.step for point in list_checkpoints(one.folder)]
    st.caption(
        f"Checkpoints after step {', '.join(map(str, points))}."
        if points
        else "This run has no checkpoint yet."
    )
    left, right = st.columns(2)
    left.page_link(
        "../live.py",
        label="Open on the Live page",
        icon=":material/monitoring:",
        query_params={"run": one.id},
    )
    can = one.state in TAKEN_UP and one.steps < one.planned
    right.button(
        "Resume where it ended",
        icon=":material/resume:",
        disabled=not can,
        on_click=when_free,
        args=(session.resume, one.folder),
        help=(
            "Resumes from its last checkpoint; steps recorded after it are recomputed, with the same results."
            if can
            else (
                "Only a run that stopped, failed or was interrupted before its last step can be resumed; "
                f"this one is {one.state}."
            )
        ),
    )
    st.caption("To branch from it, open it and press Branch a new run in the sidebar.")


def _describe(one: Summary) -> None:
    with st.form(f"describe-{one.id}", border=False):
        name = st.text_input("Name", one.name, max_chars=80)
        tags = st.text_input("Tags, separated by commas", ", ".join(one.tags))
        remark = st.text_area("Remark", one.remark, max_chars=2000)
        if st.form_submit_button("Save"):
            try:
                describe(one.folder, name, [tag for tag in tags.split(",") if tag.strip()], remark)
            except PPOEngineError as error:
                messages.complain(error)
            else:
                messages.forget_problem()
                messages.confirm("Saved.")
            st.rerun()


def _export(one: Summary) -> None:
    kind = (
        st.segmented_control("Format of the tables", FORMATS, default=FORMATS[0], key=f"format-{one.id}")
        or FORMATS[0]
    )
    for place, what in zip(st.columns(len(WHAT)), WHAT, strict=True):
        place.download_button(
            what.capitalize(),
            partial(table_bytes, one.folder, what, kind),
            f"{one.id}-{what}.{kind}",
            _MEDIA[kind],
            width="stretch",
            on_click="ignore",
            icon=":material/download:",
        )
    left, right = st.columns(2)
    left.download_button(
        "Report",
        partial(html_report, one.folder),
        f"{one.id}.html",
        "text/html",
        width="stretch",
        on_click="ignore",
        icon=":material/summarize:",
        help="One HTML file with curves, samples, settings and history, which opens offline.",
    )
    points = [point.step for point in list_checkpoints(one.folder)]
    step = right.selectbox(
        "Policy after step", points[::-1], key=f"policy-step-{one.id}", disabled=not points
    )
    right.download_button(
        "Policy",
        partial(_policy_archive, one.folder, step),
        f"{one.id}-policy.zip",
        "application/zip",
        width="stretch",
        on_click="ignore",
        disabled=not points,
        icon=":material/neurology:",
        help=("A zipped folder for transformers' from_pretrained, with a model card. Takes a few seconds."),
    )


def _policy_archive(run: Path, step: int) -> bytes:
    """The policy's folder as a zip. Models are loaded in a separate process, never in the server's."""
    with tempfile.TemporaryDirectory() as aside:
        target = Path(aside) / "policy"
        command = [
            sys.executable,
            "-m",
            "ppo_engine",
            "export",
            str(run),
            "--what",
            "policy",
            "--step",
            str(step),
            "-o",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        if done.returncode:
            raise RuntimeError(
                done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the export failed"
            )
        return Path(shutil.make_archive(str(target), "zip", aside, target.name)).read_bytes()


def _delete(one: Summary, branches: list[str]) -> None:
    st.markdown(
        "This moves the run to the folder `.trash` beside the others. Nothing is erased, and it can be "
        "restored below."
    )
    if branches:
        st.warning(
            f"Its curves will no longer appear behind its branches': {messages.inert(', '.join(branches))}."
        )
    sure = st.checkbox("Yes, delete this run", key=f"sure-{one.id}")
    if st.button("Delete the run", icon=":material/delete:", disabled=not sure, key=f"delete-{one.id}"):
        try:
            move_to_trash(one.folder)
        except PPOEngineError as error:
            messages.complain(error)
        else:
            if st.query_params.get("run") == one.id:
                st.query_params.pop("run")
            messages.confirm(f"{one.name} moved to the trash.")
        st.rerun()


def draw_trash(runs: Path) -> None:
    """The deleted runs, if any, and how to restore them."""
    thrown = list_trash(runs)
    if not thrown:
        return
    with st.expander(f"Trash: {len(thrown)} deleted {'run' if len(thrown) == 1 else 'runs'}"):
        st.caption(f"In {messages.inert(str(runs / TRASH))}. To free disk space, delete that folder.")
        folder = st.selectbox("Deleted run", thrown, format_func=_name_of)
        if st.button("Restore", icon=":material/restore_from_trash:"):
            try:
                restore_from_trash(folder)
            except PPOEngineError as error:
                messages.complain(error)
            else:
                messages.confirm(f"{_name_of(folder)} restored.")
            st.rerun()


def _name_of(folder: Path) -> str:
    try:
        return f"{glance(folder).name} ({folder.name})"
    except StoreError:
        return folder.name
