"""The notice: a run's state and what to do next, in a sentence."""

from __future__ import annotations

from pathlib import Path

from ppo_engine.charts.series import Frame, present
from ppo_engine.formatting import signed
from ppo_engine.rewards import reward_words
from ppo_engine.store import RunInfo

from ..folder import can_go_on, failed_early, from_where
from ..payloads.live import Notice


def notice(folder: Path, info: RunInfo, frame: Frame, example: bool) -> Notice:
    """A run's state and what to do next. Always there, so that nothing below it jumps."""
    reward = reward_words(info.config)
    if example:
        return _said(
            "This is a recorded example. Press Start, and watch a small language model learn within a minute "
            f"to {reward.aim}."
        )
    again = (
        f"Press Resume to continue it {from_where(folder)}, or Start for a new run."
        if can_go_on(info)
        else "Press Start for a new run."
    )
    if failed_early(info):
        return _warned(
            f"The run failed before its first step. {info.error}\nCorrect this, then press Start to try "
            "again.",
            info,
        )
    if info.state == "failed":
        return _warned(f"The run failed. {info.error}\nIts record is kept and shown below. {again}", info)
    if info.state == "interrupted":
        kept = (
            "Its record is kept and shown below. " if info.last_step >= 0 else "It had recorded nothing yet. "
        )
        return _warned(f"The process that trained this run ended unexpectedly. {kept}{again}", info)
    if info.state == "paused" and info.error:
        return _warned(
            f"{info.error}\nChange a setting and apply it, then press Resume; or branch from an earlier "
            "checkpoint.",
            info,
        )
    if info.state == "loading":
        soon = (
            "The run continues in a few seconds."
            if info.last_step >= 0
            else "The first scores appear in a few seconds."
        )
        return _said(f"Getting ready: {info.stage}. {soon}")
    if info.state == "paused":
        return _said(
            f"Paused after step {max(0, info.last_step)}. Press Resume to continue, or Step to take a single "
            "step."
        )
    if info.state == "running":
        return _said(
            f"In each step the policy continues {info.config.batch_size} openings, the {reward.judge} scores "
            "the texts, and PPO makes tokens that did better than expected more likely."
        )
    onward = "Press Resume to continue it. " if can_go_on(info) else ""
    return _said(
        f"The run has {info.state}. {_outcome(frame)}{onward}Change a setting and press Start to compare: "
        "this run's curves stay behind in grey."
    )


def _warned(text: str, info: RunInfo) -> Notice:
    return {"bad": True, "text": text, "detail": info.traceback}


def _said(text: str) -> Notice:
    return {"bad": False, "text": text, "detail": ""}


def _outcome(frame: Frame) -> str:
    steps, scores = present(frame, "eval/reward_mean")
    if len(scores) < 2:
        return ""
    return (
        f"The held-out score went from {signed(scores[0])} to {signed(scores[-1])} in {steps[-1] - steps[0]} "
        "steps. "
    )
