"""Every metric has what a tooltip needs. That exactly these are emitted is tested with the trainer."""

from __future__ import annotations

import re

import pytest

from ppo_engine import METRICS, Metric

NOTEBOOK = """
objective/kl objective/kl_coef objective/entropy ppo/loss/policy ppo/loss/value ppo/loss/total
ppo/policy/entropy
ppo/policy/approxkl ppo/policy/policykl ppo/policy/clipfrac ppo/policy/advantages_mean ppo/returns/mean
ppo/returns/var
ppo/val/vpred ppo/val/error ppo/val/clipfrac ppo/val/mean ppo/val/var ppo/val/var_explained
ppo/mean_non_score_reward
env/reward_mean env/reward_std
""".strip().split()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_fully_described(metric: Metric) -> None:
    assert re.fullmatch(r"(objective|ppo|env|eval|time)(/[a-z0-9_]+)+", metric.name)
    assert metric.title and metric.formula and metric.source
    assert metric.meaning.endswith(".")
    assert metric.low is None or metric.high is None or metric.low < metric.high
    assert metric.healthy or metric.name.startswith("time/")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_tooltip_says_name_meaning_formula_and_healthy_range(metric: Metric) -> None:
    assert metric.tooltip.startswith(metric.name)
    assert all(
        part in metric.tooltip for part in (metric.unit, metric.meaning, metric.formula, metric.healthy)
    )


def test_a_bound_is_said_in_words_too() -> None:
    """A bound that the chart draws stands in the tooltip as a number."""
    for metric in METRICS.values():
        for bound in (metric.low, metric.high):
            if bound:
                shown = f"{bound * 100:g} %" if "%" in metric.healthy else f"{bound:g}"
                assert shown in metric.healthy + metric.meaning, metric.name


def test_the_notebooks_names_are_kept() -> None:
    assert set(NOTEBOOK) <= set(METRICS)


def test_titles_are_distinct_and_keys_are_names() -> None:
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    assert all(name == metric.name for name, metric in METRICS.items())
