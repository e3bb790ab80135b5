"""Held-out openings and their continuations: then and now, and one opening at every evaluation."""

from __future__ import annotations

import difflib

from ppo_engine.records import EVAL, Sample

from ..payloads.live import Pair, Pairs, PromptRow, Prompts, Side
from ..view import RunView

_MOST_PROMPTS = 48
_MOST_EVALUATIONS = 60


def then_and_now(view: RunView, count: int = 3) -> Pairs:
    """The first held-out openings, continued at the first and at the newest evaluation."""
    steps = view.reader.steps_with_samples(EVAL)
    if not steps:
        return {"title": "Then and now: held-out openings, before training and after", "items": []}
    first, last = steps[0], steps[-1]
    then, now = (view.reader.samples(step, EVAL)[:count] for step in (first, last))
    items: list[Pair] = [
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


def pinned_prompts(view: RunView, upto: int, chosen: int) -> Prompts:
    """The first held-out openings, and one's continuations at the evaluations up to a step, newest first,
    with the changes. The first and the newest are always there.
    """
    reader = view.reader
    steps = [step for step in reader.steps_with_samples(EVAL) if step <= upto]
    queries = [one.query for one in reader.samples(steps[-1], EVAL)[:_MOST_PROMPTS]] if steps else []
    if not queries:
        return {"queries": [], "chosen": 0, "rows": []}
    chosen = min(chosen, len(queries) - 1)
    told = steps[:1] + steps[1:][-_MOST_EVALUATIONS:]
    continued = [(step, reader.samples(step, EVAL)[chosen]) for step in told]
    before = [continued[0][1], *(sample for _, sample in continued)]
    rows: list[PromptRow] = [
        {"step": step, "side": _side(old, new)} for old, (step, new) in zip(before, continued, strict=False)
    ]
    return {"queries": queries, "chosen": chosen, "rows": rows[::-1]}


def _side(old: Sample, new: Sample) -> Side:
    """The new text in pieces, each with whether it differs from the old one."""
    before, after = old.response.split(" "), new.response.split(" ")
    pieces: list[tuple[str, bool]] = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if end > start:
            pieces.append(((" " if start else "") + " ".join(after[start:end]), kind != "equal"))
    return {"score": new.score, "pieces": pieces}
