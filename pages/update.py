"""Update: one PPO update, stage by stage: what the algorithm does to a handful of texts, number by number."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.data.folder import info_of
from pages.data.payloads.update import UpdateState
from pages.ui import component, messages, run_view
from pages.ui.address import UPDATE
from pages.ui.top import top_line
from ppo_engine import session
from ppo_engine.errors import PPOEngineError, StoreError
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.store import RunInfo, newest_job, read_job


def draw() -> None:
    """The stages, or what has to happen first."""
    folder = run_view.shown_run()
    component.mount(
        {"only": "walk", "walk": _state(folder, messages.info(folder))},
        key="walk",
        run=folder,
        on_ask=messages.answering(_ask),
    )


def _state(folder: Path | None, info: RunInfo | None) -> UpdateState:
    if folder is None or info is None or info.last_step < 0:
        said = (
            "There is no update to take apart before the first step is complete. Press Start; meanwhile, read"
            " what each stage does."
        )
        return {"run": "", "number": None, "state": "empty", "said": said}
    problem, about = st.session_state.get("walk_problem", ("", None))
    shown: UpdateState = {
        "run": folder.name,
        "number": None,
        "state": "none",
        "said": (
            "Press the button to take one update apart, on the run's own models and prompts. The run is "
            "not affected."
        ),
        "problem": problem if about == folder else "",
    }
    try:
        number = UPDATE.index("job")
        number = newest_job(folder, UpdateTraceRequest.kind) if number is None else number
        return shown if number is None else {**shown, **_of_job(folder, number)}
    except StoreError as error:
        said = f"The address names an update that this run does not have ({error}). Take a new one apart."
        return {**shown, "state": "error", "said": said}


def _of_job(folder: Path, number: int) -> UpdateState:
    job = read_job(folder, number)
    if job.kind != UpdateTraceRequest.kind:
        raise StoreError(f"job {number} of this run is not an update")
    shown: UpdateState = {
        "run": folder.name,
        "number": number,
        "state": "waiting",
        "said": "",
        "batch": job.payload.get("batch"),
        "seed": job.payload.get("seed"),
    }
    if job.state in ("queued", "working"):
        session.ensure_worker(folder)
        return {**shown, "said": _waiting(folder)}
    if job.result is None or "error" in job.result:
        reason = (job.result or {}).get("error", "it has no result")
        said = f"Not possible: {reason}\nCorrect this, or take another batch."
        return {**shown, "state": "error", "said": said}
    said = (
        f"The update that the run would take after step {job.result['step']}, computed on copies of its "
        "models; the run is not affected. Click a token to see the formulas with its numbers."
    )
    return {**shown, "state": "done", "said": said}


def _waiting(folder: Path) -> str:
    info = info_of(folder)
    if not info.alive:
        return "Loading the run's models from its last checkpoint; this takes a few seconds."
    return (
        "The run's models are loading."
        if info.state == "loading"
        else "Waiting for the current step to finish."
    )


def _ask() -> None:
    """Takes another update apart."""
    asked, folder = st.session_state.walk.get("ask") or {}, run_view.shown_run()
    if folder is None or asked.get("run") != folder.name:
        return
    st.session_state.walk_problem = "", None
    try:
        number = session.ask(
            folder, UpdateTraceRequest.read({name: asked.get(name) for name in ("batch", "seed")})
        )
    except PPOEngineError as error:
        st.session_state.walk_problem = str(error), folder
        return
    UPDATE.keep({"job": number}, folder.name)


top_line()
messages.surviving(draw)()
