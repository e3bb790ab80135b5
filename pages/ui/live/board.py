"""The live board: one component that keeps its DOM, fed by one payload. The payload is made here; static/
draws it.
"""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ppo_engine.charts.live import live_charts, present, shortened_or_none
from ppo_engine.charts.timeline import Happening
from ppo_engine.columns import COLUMNS, names
from ppo_engine.formatting import duration, gigabytes, percent, signed, three_digits
from ppo_engine.metrics import METRICS
from ppo_engine.records import EVAL, Sample, TokenTable
from ppo_engine.store import RunInfo, StepRow
from ppo_engine.store.checkpoint_files import list_checkpoints

from ..assets import LOADER, PREFIX
from ..run_view import RunView, ancestry, batch_of, can_go_on, failed_early, from_where, view_of

_board = st.components.v2.component(
    "ppo_live_board", html='<div class="ppo-container"></div>', js=LOADER, isolate_styles=False
)

_VIEWS = {"reward": "reward", "advantage": "whitened", "ratio": "ratio", "value": "new_value"}
"""Each token view's column."""

_NOT_SENT = ("delta", "new_logprob")
"""Columns that no view of this page shows: a payload is sent at every step."""
_MOST_PROMPTS = 48
_MOST_EVALUATIONS = 60


def _ignore() -> None:
    """A change that needs nothing but the page drawn again."""


def mount(
    payload: dict[str, Any],
    key: str,
    on_pin: Callable[[], None] = _ignore,
    on_ask: Callable[[], None] = _ignore,
    on_look: Callable[[], None] = _ignore,
) -> Any:
    """Draws the payload. The result has `hidden`, whether the tab is hidden, `pin`, the sample that was
    chosen, `ask`, a request, `prompt`, a pinned prompt, and `look`, what else a page lets a person choose to
    look at.
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


def top_payload(info: RunInfo | None, rows: list[StepRow], example: bool = False) -> dict[str, Any]:
    """The top line alone."""
    return {"only": "top", "run": _run_line(info, rows, example)}


def board_payload(
    folder: Path,
    info: RunInfo,
    earlier: Path | None,
    pinned: tuple[int, int] | None,
    example: bool,
    prompt: int = 0,
    problem: str = "",
) -> dict[str, Any]:
    """Everything the live page shows of a run. pinned: the step and sample that were chosen, -1 for none of
    its samples, None to follow the newest step; prompt: the pinned prompt whose continuations are listed;
    problem: why what was asked last was refused.
    """
    view = view_of(folder)
    rows, frame = view.refresh()
    step, sample = pinned or (info.last_step, -1)
    history = view.history()
    charts, pairs, batch, kept = _slow_parts(folder, earlier, len(rows), len(history), step)
    return {
        "run": _run_line(info, rows, example),
        "notice": _notice(folder, info, frame, example),
        "headline": _headline(frame, info),
        "charts": charts,
        "pairs": pairs,
        "prompts": _prompts(folder, len(rows), len(history), prompt),
        "history": {**_history(info, history, kept, example), "problem": problem},
        "batch": (
            None
            if batch is None
            else {**batch, "pinned": None if pinned is None else {"step": batch["step"], "sample": sample}}
        ),
    }


@lru_cache(maxsize=32)
def _slow_parts(
    folder: Path, earlier: Path | None, _rows: int, _events: int, step: int
) -> tuple[Any, Any, Any, set[int]]:
    """What changes only with a step or an event, made once for all who look on."""
    view = view_of(folder)
    frame, info = view.refresh()[1], view.reader.info()
    ghost = ancestry(info)
    if ghost is None and earlier:
        ghost = view_of(earlier).refresh()[1]
    charts = [
        {
            "key": chart.key,
            "title": chart.title,
            "spec": chart.spec,
            "about": "\n\n".join(METRICS[name].tooltip for name in chart.metrics),
        }
        for chart in live_charts(frame, info.config, ghost, view.history())
    ]
    return charts, _then_and_now(view), _batch(view, step), {one.step for one in list_checkpoints(folder)}


def _run_line(info: RunInfo | None, rows: list[StepRow], example: bool) -> dict[str, Any]:
    if info is None:
        return {
            "id": "",
            "name": "ppo-live",
            "preset": "",
            "state": "no run yet",
            "step": "",
            "share": 0,
            "left": "",
            "machine": "",
            "example": True,
        }
    done, steps = max(0, info.last_step, info.parent_step or 0), info.config.steps
    pace = _seconds_per_step(rows)
    left = f"{duration((steps - done) * pace)} left" if info.alive and done and pace == pace else ""
    machine = ", ".join(
        part for part in (info.device, gigabytes(info.memory_bytes) if info.memory_bytes else "") if part
    )
    state = (
        "example"
        if example
        else f"loading: {info.stage.removeprefix('loading ')}"
        if info.state == "loading"
        else info.state
    )
    return {
        "id": info.id,
        "name": info.name,
        "preset": info.preset,
        "state": state,
        "step": f"step {done} of {steps}",
        "share": done / steps,
        "left": left,
        "machine": machine,
        "example": example,
    }


def _seconds_per_step(rows: list[StepRow]) -> float:
    """Median of the last few steps by the clock on the wall: waits for the chosen speed count, a single pause
    does not.
    """
    recent = [row.wall_time for row in rows[-6:]]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(recent)]
    return statistics.median(gaps) if gaps else float("nan")


def _notice(folder: Path, info: RunInfo, frame: pd.DataFrame, example: bool) -> dict[str, Any]:
    """One sentence on where things stand and what to do next. Always there, so that nothing
    below it jumps.
    """
    if example:
        return _said(
            "This is a recorded example. Press Start: within a minute a small language model learns, while "
            "you watch, to write film reviews that a sentiment classifier likes."
        )
    again = (
        f"Press Resume to take it up {from_where(folder)}, or Start for a new run."
        if can_go_on(info)
        else "Press Start for a new run."
    )
    if failed_early(info):
        return _warned(
            f"The run failed before its first step. {info.error}\nCorrect that, and press Start to try "
            "again.",
            info,
        )
    if info.state == "failed":
        return _warned(f"The run failed. {info.error}\nWhat it recorded is below and stays. {again}", info)
    if info.state == "interrupted":
        kept = (
            "What it recorded is below and stays. "
            if info.last_step >= 0
            else "It had recorded nothing yet. "
        )
        return _warned(f"The process that trained this run ended without closing it. {kept}{again}", info)
    if info.state == "paused" and info.error:
        return _warned(
            f"{info.error}\nChange a setting and apply it, then press Resume; or branch from an earlier "
            "checkpoint.",
            info,
        )
    if info.state == "loading":
        soon = (
            "The run goes on in a few seconds."
            if info.last_step >= 0
            else "The first scores appear in a few seconds."
        )
        return _said(f"Getting ready: {info.stage}. {soon}")
    if info.state == "paused":
        return _said(
            f"Paused after step {max(0, info.last_step)}. Resume goes on; Step takes one step, then pauses "
            "again."
        )
    if info.state == "running":
        return _said(
            f"At each step the policy continues {info.config.batch_size} openings, the classifier scores the "
            "texts, and PPO makes the tokens that did better than expected likelier."
        )
    onward = "Resume goes on where it ended. " if can_go_on(info) else ""
    return _said(
        f"The run has {info.state}. {_outcome(frame)}{onward}Change a setting and press Start: this run stays"
        " behind the curves in grey."
    )


def _warned(text: str, info: RunInfo) -> dict[str, Any]:
    return {"bad": True, "text": text, "detail": info.traceback}


def _said(text: str) -> dict[str, Any]:
    return {"bad": False, "text": text, "detail": ""}


def _outcome(frame: pd.DataFrame) -> str:
    steps, scores = present(frame, "eval/reward_mean")
    if len(scores) < 2:
        return ""
    return (
        f"The held-out score went from {signed(scores[0])} to {signed(scores[-1])} in {steps[-1] - steps[0]} "
        "steps. "
    )


def _headline(frame: pd.DataFrame, info: RunInfo) -> list[dict[str, str]]:
    score, kl = METRICS["env/reward_mean"], METRICS["objective/kl"]
    clip, value_clip = METRICS["ppo/policy/clipfrac"], METRICS["ppo/val/clipfrac"]
    return [
        _figure("Mean score", frame, score.name, signed),
        _figure(
            f"KL, target {info.config.target:g}" if info.config.adap_kl_ctrl else "KL",
            frame,
            kl.name,
            three_digits,
        ),
        _figure("Policy clip binds", frame, clip.name, percent),
        _figure("Value clip binds", frame, value_clip.name, percent),
        _speed_figure(frame),
    ]


def _figure(label: str, frame: pd.DataFrame, metric: str, text: Callable[[float], str]) -> dict[str, str]:
    values = present(frame, metric)[1]
    now = text(float(values[-1])) if len(values) else "–"
    change = ""
    if len(values) > 1:
        by = float(values[-1] - values[-2])
        size = text(abs(by)).lstrip("+").replace("%", "points")
        change = f"{'up' if by > 0 else 'down'} {size} this step" if by else "no change this step"
    return {"label": label, "now": now, "change": change, "about": METRICS[metric].tooltip}


def _speed_figure(frame: pd.DataFrame) -> dict[str, str]:
    values = present(frame[frame["step"] > 0], "time/step")[1]
    recent = values[-5:]
    now = three_digits(float(1 / recent.mean())) if len(recent) else "–"
    change = f"{three_digits(float(values[-1]))} s for this step" if len(values) else ""
    return {
        "label": "Steps a second",
        "now": now,
        "change": change,
        "about": "PPO steps a second over the last five steps, waits between steps left out.",
    }


def _history(info: RunInfo, told: list[Happening], kept: set[int], example: bool) -> dict[str, Any]:
    """What happened, newest first, with what can be taken back. kept: the steps whose checkpoints are still
    there.
    """

    def text(one: Happening) -> str:
        gone = one.kind == "checkpoint" and one.step not in kept and not example
        return f"{one.text} Removed since, to save space." if gone else one.text

    return {
        "title": "History: edits, pauses, notes, checkpoints",
        "step": max(0, info.last_step),
        "writable": not example,
        "items": [
            {
                "number": one.number,
                "step": one.step,
                "kind": one.kind,
                "text": text(one),
                "undo": bool(one.undo and info.alive),
            }
            for one in reversed(told)
        ],
    }


def _then_and_now(view: RunView, count: int = 3) -> dict[str, Any]:
    """The first held-out openings, as the policy of the first evaluation and of the newest continue them."""
    steps = view.reader.steps_with_samples(EVAL)
    if not steps:
        return {"title": "Then and now: held-out openings, before training and after", "items": []}
    first, last = steps[0], steps[-1]
    then, now = (view.reader.samples(step, EVAL)[:count] for step in (first, last))
    items = [
        {"query": old.query, "then": _side(old, old), "now": _side(old, new) if last > first else None}
        for old, new in zip(then, now, strict=True)
    ]
    # a branch has no evaluation before training
    begin = f"after step {first}" if first else "before training"
    title = (
        f"Then and now: held-out openings {begin} and after step {last}"
        if last > first
        else f"Then: held-out openings {begin}"
    )
    return {"title": title, "items": items}


@lru_cache(maxsize=32)
def _prompts(folder: Path, _rows: int, _events: int, chosen: int) -> dict[str, Any]:
    """The first held-out openings, and how one was continued at each evaluation: newest first, each compared
    with the one before.
    """
    reader = view_of(folder).reader
    steps = reader.steps_with_samples(EVAL)
    queries = [one.query for one in reader.samples(steps[-1], EVAL)[:_MOST_PROMPTS]] if steps else []
    if not queries:
        return {"queries": [], "chosen": 0, "rows": []}
    chosen = min(chosen, len(queries) - 1)
    told = steps[:1] + steps[1:][-_MOST_EVALUATIONS:]
    continued = [(step, reader.samples(step, EVAL)[chosen]) for step in told]
    before = [continued[0][1], *(sample for _, sample in continued)]
    rows = [
        {"step": step, "side": _side(old, new)} for old, (step, new) in zip(before, continued, strict=False)
    ]
    return {"queries": queries, "chosen": chosen, "rows": rows[::-1]}


def _side(old: Sample, new: Sample) -> dict[str, Any]:
    """The new text in pieces, each with whether it is not in the old one."""
    before, after = old.response.split(" "), new.response.split(" ")
    pieces = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if end > start:
            pieces.append([(" " if start else "") + " ".join(after[start:end]), kind != "equal"])
    return {"score": new.score, "pieces": pieces}


def _batch(view: RunView, step: int) -> dict[str, Any] | None:
    found = batch_of(view.reader, step)
    if found is None:
        kept = view.reader.steps_with_tokens()
        if not kept:
            return None
        step = min(kept, key=lambda other: abs(other - step))
        found = batch_of(view.reader, step)
        assert found is not None
    tokens, samples = found
    columns = _token_columns(tokens)
    return {
        "step": step,
        "title": f"Step {step}'s {len(samples)} continuations",
        "samples": [
            {
                "index": s.index,
                "query": s.query,
                "response": s.response,
                "score": round(s.score, 4),
                "kl": round(s.kl_sum, 4),
                "length": s.response_length,
                "ended": s.ended_by_eos,
            }
            for s in samples
        ],
        "tokens": columns,
        "limits": {
            view: scale_limit(columns[name], COLUMNS[name].centre or 0.0) for view, name in _VIEWS.items()
        },
        "about": {view: COLUMNS[name].tooltip for view, name in _VIEWS.items()},
    }


def _token_columns(tokens: TokenTable) -> dict[str, list[Any]]:
    """The columns that the token views show, as short JSON. Per-epoch ones at the last epoch that the token
    was in, clips as counts.
    """
    plain = names(per_epoch=False, kinds=("float",))
    last = {
        name: tokens.at_last_epoch(name, float("nan")) for name in names(per_epoch=True, kinds=("float",))
    }
    whole = {
        "sample": tokens.sample,
        "position": tokens.position,
        "token_id": tokens.token_id,
        "epochs_seen": tokens.epochs_seen,
        **{name: tokens.clip_epochs(name) for name in names(kinds=("flag",))},
    }
    return {
        "text": tokens.text,
        **{name: column.tolist() for name, column in whole.items()},
        **{name: shortened_or_none(tokens.column(name), digits=4) for name in plain},
        **{name: shortened_or_none(column, digits=4) for name, column in last.items()},
    }


def scale_limit(values: list[float | None], centre: float) -> float:
    """Where a diverging scale saturates: the 98th percentile of the distance from its centre, so that no
    outlier flattens the rest.
    """
    distances = [abs(x - centre) for x in values if x is not None]
    return float(np.quantile(distances, 0.98)) if distances else 0.0
