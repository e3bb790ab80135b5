"""Live: a run as it trains: the reviews turn positive, the curves show why, and a setting can be changed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import commands, component, messages, run_view
from pages.ui.address import LIVE, beyond, refusal
from pages.ui.live import board
from pages.ui.payloads.live import LivePayload, ShownBatch
from pages.ui.refresh import follow_visibility, interval
from ppo_engine.errors import StoreError
from ppo_engine.store import RunInfo


def draw() -> None:
    """The board; redrawn regularly while the page is open."""
    if token := st.session_state.pop("token_asked", None):
        st.switch_page("../tokens.py", query_params={name: str(value) for name, value in token.items()})
    folder = run_view.shown_run()
    example = folder is None
    if folder is not None and messages.info(folder) is None:
        return  # the frame around the page says why
    try:
        payload = _payload(folder or run_view.EXAMPLE, example)
    except StoreError as error:
        st.error(messages.inert(str(error)))
        return
    messages.say_unmet(_unmet(run_view.info_of(folder or run_view.EXAMPLE), payload["batch"]))
    result = component.mount(
        payload, key="board", on_pin=messages.answering(_pin), on_ask=messages.answering(_ask)
    )
    follow_visibility(result)


def _payload(folder: Path, example: bool) -> LivePayload:
    info = run_view.info_of(folder)
    earlier = None if example else run_view.earlier_run(folder)
    prompt = (st.session_state.get("board") or {}).get("prompt") or 0
    return board.board_payload(
        folder, info, earlier, _pinned(), example, int(prompt), messages.problem_in_words()
    )


def _pin() -> None:
    """Keeps the chosen sample in the address, so that a link reopens it."""
    pin = st.session_state.board.get("pin") or {}
    if pin.get("run") and pin.get("step", -1) >= 0:
        LIVE.keep({"step": pin["step"], "sample": pin["sample"]}, str(pin["run"]))
        return
    LIVE.keep({})
    if run_view.shown_run() == run_view.newest_run():
        # the newest run is shown without its name, so that a newer one takes its place
        st.query_params.pop("run", None)


def _ask() -> None:
    """The board's requests: undo an edit, add a note, or show a token on the Tokens page."""
    asked, folder = st.session_state.board.get("ask") or {}, run_view.shown_run()
    if folder is None or asked.get("run") != run_view.info_of(folder).id:
        return
    if asked.get("kind") == "undo":
        undo = next(
            (one.undo for one in run_view.view_of(folder).history() if one.number == asked.get("number")),
            None,
        )
        if undo:
            commands.edit(folder, undo)
    elif asked.get("kind") == "token":
        st.session_state.token_asked = {
            "run": asked["run"],
            **{name: int(asked.get(name, 0)) for name in ("step", "sample", "token")},
        }
    elif asked.get("kind") == "note":
        commands.note(folder, int(asked.get("step", 0)), str(asked.get("text", "")))


def _pinned() -> tuple[int, int] | None:
    """The step and the sample in the address, -1 for no sample; None to follow the newest step."""
    step, sample = LIVE.index("step"), LIVE.index("sample")
    return None if step is None else (step, -1 if sample is None else sample)


def _unmet(info: RunInfo, batch: ShownBatch | None) -> list[str]:
    """What the address asks for and the board does not show."""
    query, found, step = LIVE.asked(), LIVE.not_indices(), LIVE.index("step")
    if "sample" in query and "step" not in query:
        needed = "the step must be given too, as in step=3&sample=0"
        found.append(refusal("sample", query["sample"], needed))
    if step is None or batch is None:
        return found
    if step != batch["step"]:
        why = f"the last step is {info.last_step}" if step > info.last_step else "its batch is not stored"
        found.append(refusal("step", query["step"], f"{why}; showing step {batch['step']}"))
    return found + beyond(query, "sample", len(batch["samples"]), f"step {batch['step']}", None)


st.fragment(messages.surviving(draw), run_every=interval(busy=0.5))()
