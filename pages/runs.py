"""Runs: the lab notebook, to find a run again, see which did best, compare two, or resume one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.data.folder import runs_folder
from pages.ui import messages
from pages.ui.runs import actions, comparing
from pages.ui.top import top_line
from ppo_engine.formatting import data_size
from ppo_engine.store.catalog import Summary, branches_of, survey

_CHOSEN = "chosen_runs"
_COLUMNS = {
    "name": st.column_config.TextColumn("Run", width="medium"),
    "state": st.column_config.TextColumn("State"),
    "preset": st.column_config.TextColumn("Preset"),
    "reward": st.column_config.TextColumn("Reward", help="Scores of different rewards do not compare."),
    "steps": st.column_config.TextColumn("Steps", help="Steps taken, of those planned."),
    "best": st.column_config.NumberColumn(
        "Best score", format="%+.2f", help="The best step's mean score over the training batch."
    ),
    "last": st.column_config.NumberColumn(
        "Last score", format="%+.2f", help="The last step's mean score over the training batch."
    ),
    "held out": st.column_config.NumberColumn(
        "Held out", format="%+.2f", help="Mean score on the held-out openings at the last evaluation."
    ),
    "KL": st.column_config.NumberColumn(
        "KL", format="%.2f", help="KL from the reference at the last step, in nats per sample."
    ),
    "parent": st.column_config.TextColumn(
        "Branched from", help="The parent run, and the step after which it was branched."
    ),
    "tags": st.column_config.ListColumn("Tags"),
    "remark": st.column_config.TextColumn("Remark", width="medium"),
    "size": st.column_config.TextColumn("Size", help="On disk, checkpoints included."),
    "created": st.column_config.DatetimeColumn("Started", format="YYYY-MM-DD HH:mm"),
}


def draw() -> None:
    """The table, and below it the runs chosen there."""
    st.title("Runs")
    messages.show_confirmation()
    found, damaged = survey(runs_folder())
    _list_damaged(damaged)
    if not found:
        st.info(
            "No runs yet. Press Start: each run is listed here with its curves, samples and settings.",
            icon=":material/science:",
        )
        return
    left, right = st.columns([3, 1])
    wanted = left.text_input(
        "Search",
        key="runs_search",
        placeholder="name, tag, remark, preset or state",
        label_visibility="collapsed",
    )
    size, folder = data_size(sum(one.size for one in found)), messages.inert(str(runs_folder()))
    right.caption(f"{len(found)} {'run' if len(found) == 1 else 'runs'}, {size} in {folder}")
    listed = [one for one in found if _matches(one, wanted)]
    if not listed:
        st.info("No run matches by name, tag, remark, preset or state. Clear the search to see all runs.")
        return
    chosen = _choose(listed, {one.id: one.name for one in found})
    if not chosen:
        st.caption(
            "Tick a run to open, resume, rename, export or delete it; tick two or more to compare them."
        )
    elif len(chosen) == 1:
        actions.draw(chosen[0], branches_of(chosen[0], found))
    else:
        comparing.draw(chosen)


def _list_damaged(there: list[tuple[Path, str]]) -> None:
    """The folders among the runs that cannot be read, each with its reason."""
    if there:
        reasons = "\n".join(
            f"- **{messages.inert(folder.name)}**: {messages.inert(reason)}" for folder, reason in there
        )
        count = "One run" if len(there) == 1 else f"{len(there)} runs"
        st.warning(
            f"{count} in {messages.inert(str(runs_folder()))} cannot be shown, and nothing in there "
            f"was changed.\n\n{reasons}"
        )


def _matches(one: Summary, wanted: str) -> bool:
    text = " ".join((one.name, one.id, one.preset, one.state, one.remark, *one.tags)).lower()
    return all(word in text for word in wanted.lower().split())


def _choose(listed: list[Summary], names: dict[str, str]) -> list[Summary]:
    """The table; ticks are remembered by run, since rows move when a run starts or is deleted."""
    ids = [one.id for one in listed]
    remembered = [ids.index(one) for one in st.session_state.get(_CHOSEN, []) if one in ids]
    event = st.dataframe(
        [_row(one, names) for one in listed],
        column_config=_COLUMNS,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": remembered, "columns": [], "cells": []}},
        key=f"runs-{hash(tuple(ids))}",
    )
    st.session_state[_CHOSEN] = [ids[row] for row in event["selection"]["rows"]]
    return [listed[row] for row in event["selection"]["rows"]]


def _row(one: Summary, names: dict[str, str]) -> dict[str, object]:
    """names: of all runs; a deleted parent is named as in its identity."""
    return {
        "name": one.name,
        "state": one.state,
        "preset": one.preset,
        "reward": one.reward,
        "steps": f"{one.steps} of {one.planned}",
        "best": one.best_score,
        "last": one.last_score,
        "held out": one.held_out,
        "KL": one.last_kl,
        "parent": (
            f"{names.get(one.parent, one.parent.split('-', 3)[-1])}, step {one.parent_step}"
            if one.parent
            else ""
        ),
        "tags": list(one.tags),
        "remark": one.remark,
        "size": data_size(one.size),
        "created": one.created,
    }


top_line()
messages.surviving(draw)()
messages.surviving(actions.draw_trash)(runs_folder())
