"""What the Update page shows of a finished update: its stages with the numbers of one token."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.store import read_job, read_pulse

from ..answers import RefusedError
from ..asked import Asked
from ..payloads.update import Stages, UpdateAnswer
from .stages import stages


def words(asked: Asked) -> Stages:
    """The stages without a batch: their texts alone."""
    return cast(Stages, stages(None))


def update(asked: Asked) -> UpdateAnswer:
    """A finished update. token: sample and token, as in 0.3; epoch: 0 for after the update."""
    number, text = asked.number("job"), asked.word("token")
    walk = _walk(asked.folder, number)
    epoch = asked.whole("epoch", 0) if asked.word("epoch") else None
    told = stages(walk, _place(text) if text else None, epoch)
    if text and told["token"] != list(_place(text)):
        raise RefusedError(404, f"token = {text[:60]}: {_there(walk, _place(text)[0])}")
    if epoch is not None and epoch not in told["epochs"]:
        there = ", ".join(map(str, told["epochs"]))
        raise RefusedError(404, f"epoch = {epoch}: must be one of {there}, where 0 is after the update")
    samples = [
        {
            **{name: sample[name] for name in ("query", "response", "score", "ended", "tokens")},
            "runners_up": runners_up,
            "chances": walk["tokens"]["logprob"][row],
        }
        for row, (sample, runners_up) in enumerate(zip(walk["samples"], walk["runners_up"], strict=True))
    ]
    return cast(UpdateAnswer, {"samples": samples, **told})


def _place(text: str) -> tuple[int, int]:
    row, _, position = text.partition(".")
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in (row, position)):
        raise RefusedError(400, f"token = {text[:60]}: must be a sample index and a token index, as in 0.3")
    return int(row), int(position)


def _there(walk: dict[str, Any], row: int) -> str:
    if row >= len(walk["samples"]):
        return f"sample {row} does not exist"
    return f"sample {row} has tokens 0 to {len(walk['samples'][row]['tokens']) - 1}"


@lru_cache(maxsize=4)
def _walk(folder: Path, number: int) -> dict[str, Any]:
    count = read_pulse(folder).jobs_asked
    if not 1 <= number <= count:
        there = f"has jobs 1 to {count}" if count > 1 else "has only job 1" if count else "has no jobs"
        raise RefusedError(404, f"job = {number}: the run {there}")
    job = read_job(folder, number)
    if job.kind != UpdateTraceRequest.kind:
        raise RefusedError(404, f"job = {number}: it is not an update")
    if job.result is None or "error" in job.result:
        raise RefusedError(404, f"job = {number}: it has no result")
    return job.result
