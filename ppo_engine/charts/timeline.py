"""A run's journal in words, for the History panel and the chart markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..config import FIELDS
from ..errors import StoreError
from ..formatting import data_size, setting, signed
from ..store import Event

_STATE_WORDS = {"paused": "pause", "stopped": "stop", "failed": "failed", "interrupted": "interrupted"}
_STATE_TEXTS = {
    "paused": "Paused.",
    "stopped": "Stopped.",
    "failed": "Failed.",
    "finished": "Finished.",
    "loading": "Resumed from the last checkpoint.",
}
_LONGEST_ON_A_CHART = 80
_MOST_WORDS = 30
_MOST_LINES = 200


@dataclass(frozen=True)
class TimelineEntry:
    """A line of the history. word: its chart marker, or ""; undo: the edit that reverts it, if any."""

    number: int
    step: int
    time: str
    kind: str
    word: str
    text: str
    undo: dict[str, Any] | None = None


def timeline_entries(events: Iterable[Event], trained: bool = False) -> list[TimelineEntry]:
    """The journal's events in words, in order. Raises `StoreError` for a damaged one.

    trained: whether the run had trained before these.
    """
    told = []
    for event in events:
        try:
            word, text, undo = _tell(event, trained)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(
                f"event {event.number} of the journal is damaged ({error or type(error).__name__})"
            ) from error
        trained |= event.kind == "state" and event.payload["state"] == "running"
        told.append(TimelineEntry(event.number, event.step, event.time, event.kind, word, text, undo))
    return told


def _tell(event: Event, trained: bool) -> tuple[str, str, dict[str, Any] | None]:
    kind, payload = event.kind, event.payload
    if kind == "state":
        state = payload["state"]
        if state == "running":
            return ("resume", "Resumed.", None) if trained else ("", "Training started.", None)
        return _STATE_WORDS.get(state, ""), _STATE_TEXTS.get(state, state), None
    if kind == "edit":
        changes = payload["changes"]
        text = ", ".join(
            f"{_label(name)}: {setting(old)} → {setting(new)}" for name, (old, new) in changes.items()
        )
        return "edit", text, {name: old for name, (old, _) in changes.items()}
    if kind == "checkpoint":
        return "", f"Checkpoint saved, {data_size(payload['bytes'])}.", None
    if kind == "branch":
        return "branch", f"Branched into {payload['name']}.", None
    if kind == "evaluation":
        score = signed(payload["metrics"]["eval/reward_mean"])
        return "", f"Final held-out evaluation: mean score {score}.", None
    if kind == "note":
        return "note", payload["text"], None
    if kind == "accepted":
        changed = "; ".join(f"{name}: {how}" for name, how in payload["changed"].items())
        return "accepted", f"Continued with changed sources: {changed}.", None
    word = {"error": "error", "difference": "differs", "remark": ""}.get(kind, kind)
    return word, str(payload.get("message", "")), None


def _label(name: str) -> str:
    return FIELDS[name].label if name in FIELDS else name


def markers(told: Sequence[TimelineEntry], colour: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """plotly shapes and annotations: a thin line at each of the newest steps with an event. Lines of a kind
    share one shape, and few have words: plotly.js takes milliseconds for each.
    """
    by_step: dict[int, list[TimelineEntry]] = {}
    for one in told:
        if one.word or one.kind == "checkpoint":
            by_step.setdefault(max(0, one.step), []).append(one)
    spoken = {
        step: [one for one in here if one.word]
        for step, here in by_step.items()
        if any(one.word for one in here)
    }
    silent = [step for step in by_step if step not in spoken]
    shapes = [
        _lines(sorted(spoken)[-_MOST_LINES:], 1.0, colour, "dot"),
        _lines(sorted(silent)[-_MOST_LINES:], 0.04, colour, "solid"),
    ]
    return [shape for shape in shapes if shape["path"]], [
        _word(step, spoken[step], colour) for step in sorted(spoken)[-_MOST_WORDS:]
    ]


def _lines(steps: Sequence[int], height: float, colour: str, dash: str) -> dict[str, Any]:
    """Vertical lines at those steps, up to that share of the chart height."""
    path = " ".join(f"M{step},0L{step},{height:g}" for step in steps)
    line = {"color": colour, "width": 1, "dash": dash}
    return {"type": "path", "path": path, "yref": "paper", "line": line}


def _word(step: int, here: Sequence[TimelineEntry], colour: str) -> dict[str, Any]:
    return {
        "x": step,
        "y": 1,
        "yref": "paper",
        "xanchor": "right",
        "yanchor": "top",
        "textangle": -90,
        "showarrow": False,
        "text": ", ".join(dict.fromkeys(one.word for one in here)),
        "font": {"size": 10, "color": colour},
        # plotly.js reads a few tags in texts: what people wrote must not be any.
        "hovertext": "<br>".join(escape(_short(one.text)) for one in here),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_ON_A_CHART else text[: _LONGEST_ON_A_CHART - 1] + "…"
