"""Playground: what training changed, on an opening of your own: the same random numbers, other weights."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import streamlit as st

from pages.data.folder import info_of
from pages.ui import component, messages, run_view
from pages.ui.top import top_line
from ppo_engine import session
from ppo_engine.errors import PPOEngineError
from ppo_engine.session.jobs.requests import LARGEST_SEED, POLICY, REFERENCE, PlaygroundRequest
from ppo_engine.session.jobs.results import PlaygroundResult
from ppo_engine.store import RunInfo, read_job
from ppo_engine.store.checkpoint_files import list_checkpoints


def draw() -> None:
    """The form, and below it the continuations as soon as there are any."""
    st.title("Playground")
    folder = run_view.shown_run()
    info = messages.info(folder)
    if folder is None or info is None or info.last_step < 0:
        st.info(
            "No model to try yet. Press Start, and return when the first step is complete.",
            icon=":material/edit_note:",
        )
        return
    st.caption(
        "All models continue the opening from the same random numbers, so any difference is due to their "
        "weights. The run is not affected."
    )
    with st.form("playground", border=False):
        opening = st.text_input("Opening", "This film", max_chars=PlaygroundRequest.LONGEST_OPENING)
        sources = st.multiselect(
            "Continued by", _sources(folder, info), default=[POLICY, REFERENCE], format_func=_titled
        )
        places = st.columns(4)
        count = places[0].number_input("Samples per model", 1, PlaygroundRequest.MOST_SAMPLES, 4)
        length = places[1].number_input("Maximum tokens", 1, PlaygroundRequest.LONGEST, 16)
        temperature = places[2].number_input(
            "Temperature",
            0.05,
            PlaygroundRequest.LARGEST_TEMPERATURE,
            1.0,
            step=0.1,
            help="1 is the models' own distribution; below 1 more predictable, above 1 more random.",
        )
        seed = places[3].number_input(
            "Seed", 0, LARGEST_SEED, 0, help="A different seed gives different continuations."
        )
        if st.form_submit_button("Continue", type="primary", icon=":material/play_arrow:"):
            _ask(folder, PlaygroundRequest(opening, sources, count, length, temperature, seed))
    if st.session_state.get("playing", (None,))[0] == folder:
        messages.surviving(_answer)()


def _sources(folder: Path, info: RunInfo) -> list[str | int]:
    return [
        POLICY,
        REFERENCE,
        *(point.step for point in reversed(list_checkpoints(folder)) if point.step != info.last_step),
    ]


def _titled(source: str | int) -> str:
    return {POLICY: "current policy", REFERENCE: "untrained reference"}.get(
        str(source), f"checkpoint after step {source}"
    )


def _ask(folder: Path, request: PlaygroundRequest) -> None:
    messages.forget_problem()
    try:
        st.session_state.playing = folder, session.ask(folder, request)
    except PPOEngineError as error:
        messages.complain(error)


def _answer() -> None:
    folder, number = st.session_state.playing
    job = read_job(folder, number)
    if job.state in ("queued", "working"):
        session.ensure_worker(folder)
        alive = info_of(folder).alive
        st.caption(
            "Waiting for the current step to finish."
            if alive
            else "Loading the run's models; this takes a few seconds."
        )
        return
    if job.result is not None and "error" in job.result:
        st.error("Not possible:\n\n" + messages.listed(job.result["error"].splitlines()))
        return
    result = cast(PlaygroundResult, job.result)
    component.mount(
        {"only": "playground", "playground": result, "number": number}, key="playground", run=folder
    )


top_line()
messages.surviving(draw)()
