"""Update: one PPO update, stage by stage: what the algorithm does to a handful of texts, number by number."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import streamlit as st

from pages.ui import component, messages, run_view
from pages.ui.address import UPDATE, parse_index, refusal
from pages.ui.payloads.update import UpdatePage
from pages.ui.refresh import interval
from pages.ui.top import top_line
from pages.ui.update.stages import stages
from ppo_engine import session
from ppo_engine.errors import PPOEngineError, StoreError
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.store import RunInfo, newest_job, read_job

_WAITING_S = 0.3
_LAST_STAGE = 11


def draw() -> None:
    """The stages, or what has to happen first."""
    folder = run_view.shown_run()
    info = messages.info(folder)
    payload = _payload(folder, info)
    messages.say_unmet(_unmet(payload) if info is not None else [])
    component.mount(
        {"only": "walk", "walk": cast(UpdatePage, payload)},
        key="walk",
        on_ask=messages.answering(_ask),
        on_look=messages.answering(_look),
    )
    every = (
        _WAITING_S
        if payload["state"] == "waiting"
        else interval(busy=1.0)
        if payload["state"] == "empty"
        else None
    )
    if every != st.session_state.get("walk_every"):  # the interval is set where the fragment is created
        st.session_state.walk_every = every
        st.rerun(scope="app")


def _payload(folder: Path | None, info: RunInfo | None) -> dict[str, Any]:
    """What the page shows. state: empty (no step yet), none (not asked), waiting, error, done; said: why."""
    if folder is None or info is None or info.last_step < 0:
        said = (
            "There is no update to take apart before the first step is complete. Press Start; meanwhile, read"
            " what each stage does."
        )
        return {"run": "", "number": None, "state": "empty", "said": said, **_words()}
    problem, about = st.session_state.get("walk_problem", ("", None))
    shown: dict[str, Any] = {
        "run": folder.name,
        "number": None,
        "problem": problem if about == folder else "",
    }
    try:
        number = UPDATE.index("job")
        number = newest_job(folder, UpdateTraceRequest.kind) if number is None else number
        if number is None:
            said = (
                "Press the button to take one update apart, on the run's own models and prompts. The run is "
                "not affected."
            )
            return {**shown, "state": "none", "said": said, **_words()}
        stage = UPDATE.asked().get("stage", _stage())
        UPDATE.add({"job": number, "stage": stage}, folder.name)  # so that a link reopens this update
        return {**shown, "number": number, **_of_job(folder, number)}
    except StoreError as error:
        said = f"The address names an update that this run does not have ({error}). Take a new one apart."
        return {**shown, "state": "error", "said": said, **_words()}


def _of_job(folder: Path, number: int) -> dict[str, Any]:
    job = read_job(folder, number)
    if job.kind != UpdateTraceRequest.kind:
        raise StoreError(f"job {number} of this run is not an update")
    asked = {name: job.payload.get(name) for name in ("batch", "seed")}
    if job.state in ("queued", "working"):
        session.ensure_worker(folder)
        return {**asked, "state": "waiting", "said": _waiting(folder), **_words()}
    if job.result is None or "error" in job.result:
        reason = (job.result or {}).get("error", "it has no result")
        said = f"Not possible: {reason}\nCorrect this, or take another batch."
        return {**asked, "state": "error", "said": said, **_words()}
    said = (
        f"The update that the run would take after step {job.result['step']}, computed on copies of its "
        "models; the run is not affected. Click a token to see the formulas with its numbers."
    )
    return {
        **asked,
        "state": "done",
        "said": said,
        **_told(folder, number, _token(), UPDATE.index("epoch")),
        "stage": _stage(),
    }


def _waiting(folder: Path) -> str:
    info = run_view.info_of(folder)
    if not info.alive:
        return "Loading the run's models from its last checkpoint; this takes a few seconds."
    return (
        "The run's models are loading."
        if info.state == "loading"
        else "Waiting for the current step to finish."
    )


@lru_cache(maxsize=16)
def _told(folder: Path, number: int, token: tuple[int, int] | None, epoch: int | None) -> dict[str, Any]:
    """A finished job as stages; it never changes."""
    walk = read_job(folder, number).result
    assert walk is not None
    samples = [
        {
            **{name: sample[name] for name in ("query", "response", "score", "ended", "tokens")},
            "runners_up": runners_up,
            "chances": walk["tokens"]["logprob"][row],
        }
        for row, (sample, runners_up) in enumerate(zip(walk["samples"], walk["runners_up"], strict=True))
    ]
    return {"samples": samples, **stages(walk, token, epoch)}


def _words() -> dict[str, Any]:
    return {"samples": [], **stages(None), "stage": _stage()}


def _stage() -> int:
    return min(max(UPDATE.index("stage") or 1, 1), _LAST_STAGE)


def _token() -> tuple[int, int] | None:
    row, _, position = UPDATE.word("token").partition(".")
    place = parse_index(row), parse_index(position)
    return None if place[0] is None or place[1] is None else (place[0], place[1])


def _unmet(payload: dict[str, Any]) -> list[str]:
    """What the address asks for and the page does not show. A missing job is reported by the page itself."""
    query, found = UPDATE.asked(), UPDATE.not_indices()
    stage = parse_index(query.get("stage", ""))
    if stage is not None and stage != _stage():
        found.append(refusal("stage", query["stage"], f"must be from 1 to {_LAST_STAGE}; showing {_stage()}"))
    if payload["state"] != "done":
        return found
    samples, epochs = payload["samples"], payload["epochs"]
    if "token" in query and (place := _token()) is None:
        found.append(refusal("token", query["token"], "must be a sample index and a token index, as in 0.3"))
    elif "token" in query and place is not None and list(place) != payload["token"]:
        row, position = payload["token"]
        there = (
            f"has tokens 0 to {len(samples[place[0]]['tokens']) - 1}"
            if place[0] < len(samples)
            else "does not exist"
        )
        found.append(refusal("token", query["token"], f"sample {place[0]} {there}; showing {row}.{position}"))
    if (epoch := parse_index(query.get("epoch", ""))) is not None and epoch not in epochs:
        found.append(
            refusal(
                "epoch",
                query["epoch"],
                f"must be one of {', '.join(map(str, epochs))}, where 0 is after the update",
            )
        )
    return found


def _look() -> None:
    """Keeps the view in the address, so that a link reopens it."""
    looked, folder = st.session_state.walk.get("look") or {}, run_view.shown_run()
    if folder is None or looked.get("run") != folder.name:
        return
    job = looked.get("job")
    if UPDATE.index("job") not in (None, job):
        return  # sent before another update was asked for
    before = st.session_state.get("walk_looked", {})
    wanted = {name: looked[name] for name in UPDATE.names if looked.get(name) is not None}
    kept = {**(before if before.get("job") == job else {}), **wanted, "run": folder.name}
    st.session_state.walk_looked = kept
    UPDATE.add(wanted, folder.name)


def _reopen() -> None:
    """Restores this page's view on coming back: another page's address has no place for it."""
    looked, folder = st.session_state.get("walk_looked"), run_view.shown_run()
    if looked and folder is not None and looked["run"] == folder.name and not UPDATE.asked().get("job"):
        UPDATE.add({name: value for name, value in looked.items() if name != "run"}, folder.name)


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
    UPDATE.keep({"job": number, "stage": _number_of(asked.get("stage"))}, folder.name)


def _number_of(stage: Any) -> int:
    return stage if type(stage) is int and 1 <= stage <= _LAST_STAGE else 1


top_line()
_reopen()
st.session_state.setdefault("walk_every", None)
st.fragment(
    messages.surviving(draw),
    run_every=None if st.session_state.get("hidden") else st.session_state.walk_every,
)()
