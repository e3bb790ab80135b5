"""The headline: a run's newest figures and how they changed."""

from __future__ import annotations

from collections.abc import Callable

from ppo_engine.charts.series import Frame, present
from ppo_engine.formatting import percent, signed, three_digits
from ppo_engine.metrics import METRICS
from ppo_engine.rewards import reward_words
from ppo_engine.store import RunInfo

from ..payloads.live import Figure


def headline(frame: Frame, info: RunInfo) -> list[Figure]:
    kl, reward = METRICS["objective/kl"], reward_words(info.config)
    clip, value_clip = METRICS["ppo/policy/clipfrac"], METRICS["ppo/val/clipfrac"]
    return [
        _figure(reward.title, frame, "env/reward_mean", signed, reward.about),
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


def _figure(label: str, frame: Frame, metric: str, text: Callable[[float], str], more: str = "") -> Figure:
    """The metric's newest value and its change. more: the first line of its tooltip."""
    values = present(frame, metric)[1]
    now = text(float(values[-1])) if len(values) else "–"
    change = ""
    if len(values) > 1:
        by = float(values[-1] - values[-2])
        size = text(abs(by)).lstrip("+").replace("%", "points")
        change = f"{'up' if by > 0 else 'down'} {size} this step" if by else "no change this step"
    return {
        "label": label,
        "now": now,
        "change": change,
        "about": "\n".join(filter(None, (more, METRICS[metric].tooltip))),
    }


def _speed_figure(frame: Frame) -> Figure:
    steps, values = present(frame, "time/step")
    values = values[steps > 0]
    recent = values[-5:]
    now = three_digits(float(1 / recent.mean())) if len(recent) else "–"
    change = f"{three_digits(float(values[-1]))} s for this step" if len(values) else ""
    return {
        "label": "Steps per second",
        "now": now,
        "change": change,
        "about": "PPO steps per second over the last five steps, without waits between steps.",
    }
