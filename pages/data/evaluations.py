"""The held-out texts: which evaluations there are, one whole, and one opening through all of them."""

from __future__ import annotations

from typing import Any

from ppo_engine.records import EVAL
from ppo_engine.store import RunReader

from .answers import RefusedError
from .asked import Asked
from .live.held_out import pinned_prompts
from .payloads.live import Prompts
from .view import view_of


def evaluations(asked: Asked) -> dict[str, Any]:
    """The steps with held-out texts. after: the newest that the client has."""
    after = asked.whole("after", -1, least=-1)
    steps = RunReader(asked.folder).steps_with_samples(EVAL)
    return {"run": asked.run, "steps": [step for step in steps if step > after]}


def evaluation(asked: Asked) -> dict[str, Any]:
    """The held-out texts of a step."""
    step = asked.number("step")
    samples = RunReader(asked.folder).samples(step, EVAL)
    if not samples:
        raise RefusedError(404, f"step = {step}: no held-out texts; `evaluations` lists the steps with some")
    return {
        "run": asked.run,
        "step": step,
        "samples": [
            {"query": one.query, "response": one.response, "score": one.score, "length": one.response_length}
            for one in samples
        ],
    }


def prompt(asked: Asked) -> Prompts:
    """A held-out opening's continuations. at: the newest evaluation that counts."""
    at = asked.whole("at", 0)
    if at not in RunReader(asked.folder).steps_with_samples(EVAL):
        raise RefusedError(404, f"at = {at}: no evaluation; `evaluations` lists the steps that have one")
    return pinned_prompts(view_of(asked.folder), at, asked.number("prompt"))
