"""Charts: valid figures from any run, statements that are true, and thinning that loses no peak."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppo_engine import METRICS, Config
from ppo_engine.charts.drawing import REFERENCE
from ppo_engine.charts.live import live_charts
from ppo_engine.charts.series import Source, metrics_frame, shortened, thinning
from ppo_engine.charts.timeline import timeline_entries
from ppo_engine.store import Event, StepRow

FAR = 10**9
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int, **fixed: float) -> list[StepRow]:
    """Step 0, then steps whose metrics grow with the step."""
    first = StepRow(0, BEGUN, 0, {"eval/reward_mean": -0.1, "eval/reward_se": 0.05})
    names = {name.replace("/", "__"): name for name in METRICS}
    return [first] + [
        StepRow(
            step,
            BEGUN + timedelta(seconds=step),
            0,
            {name: fixed.get(key, 0.01 * step) for key, name in names.items()},
        )
        for step in range(1, count)
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 30])
@pytest.mark.parametrize("with_earlier", [False, True])
def test_every_chart_is_a_figure_that_plotly_accepts_and_json(count: int, with_earlier: bool) -> None:
    earlier = metrics_frame(rows(12)) if with_earlier else None
    for chart in live_charts(metrics_frame(rows(count)[:count]), Config(), earlier):
        assert chart.title and set(chart.metrics) <= set(METRICS)
        json.dumps(chart.spec, allow_nan=False)
        assert len(chart.figure.data) == len(chart.spec["data"])


def test_titles_state_the_newest_numbers() -> None:
    titles = {
        c.key: c.title
        for c in live_charts(
            metrics_frame(rows(11, objective__kl=7.5, ppo__policy__clipfrac=0.11)), Config(target=6.0)
        )
    }
    assert titles["score"] == "The mean score is +0.100, from +0.0100 at step 1"
    assert titles["kl"] == "KL is 7.50 nats, above its target of 6"
    assert titles["clips"].startswith("Clipped: 11\u202f% of ratios")


def test_the_earlier_run_is_grey_and_behind() -> None:
    for chart in live_charts(metrics_frame(rows(5)), Config(), metrics_frame(rows(9))):
        ghosts = [i for i, trace in enumerate(chart.spec["data"]) if "previous run" in trace.get("name", "")]
        if chart.key != "times":
            assert ghosts and all(chart.spec["data"][i]["line"]["color"] == REFERENCE for i in ghosts)


def test_the_axes_are_the_runs_own_whatever_the_earlier_run_did() -> None:
    far = rows(5000, env__reward_mean=1e6, objective__kl=1e6, ppo__loss__total=-1e6)
    alone, before = (
        live_charts(metrics_frame(rows(5)), Config(), earlier) for earlier in (None, metrics_frame(far))
    )
    for own, chart in zip(alone, before, strict=True):
        assert chart.spec["layout"]["xaxis"]["range"] == own.spec["layout"]["xaxis"]["range"]
    clipped = {chart.key: chart.spec["layout"]["yaxis"].get("autorangeoptions") for chart in before}
    assert clipped["kl"]["clipmax"] < 0.1 and clipped["losses"]["clipmin"] > -0.1
    assert -1.2 < clipped["score"]["clipmin"] < clipped["score"]["clipmax"] < 0.2, (
        "the band of a standard deviation is the run's own"
    )


def test_before_the_first_step_the_earlier_run_has_the_axes() -> None:
    for chart in live_charts(metrics_frame([]), Config(), metrics_frame(rows(30))):
        assert (
            chart.spec["layout"]["xaxis"]["range"][1] > 28
            and "autorangeoptions" not in chart.spec["layout"]["yaxis"]
        )


def test_a_step_without_a_metric_leaves_a_gap_in_what_is_drawn_from_it() -> None:
    taken = rows(6)
    del taken[3].metrics["env/reward_std"]
    charts = {chart.key: chart.spec["data"] for chart in live_charts(metrics_frame(taken))}
    band = next(trace for trace in charts["score"] if trace["name"] == "± 1 SD")
    assert band["x"] == [1, 2, 4, 5] and len(band["y"]) == 4


def test_the_target_band_follows_the_edits_of_the_target() -> None:
    events = [
        Event(number, "", step, "edit", {"changes": changes})
        for number, (step, changes) in enumerate(
            [(2, {"target": (6.0, 4.0)}), (3, {"lam": (0.9, 0.8)}), (5, {"target": (4.0, 5.0)})]
        )
    ]
    charts = live_charts(metrics_frame(rows(9)), Config(target=5.0), history=timeline_entries(events))
    shapes = next(c for c in charts if c.key == "kl").spec["layout"]["shapes"]
    bands = [
        (band["x0"], band["x1"], round(band["y0"] / 0.8, 9)) for band in shapes if band["type"] == "rect"
    ]
    assert bands == [(-FAR, 2, 6.0), (2, 5, 4.0), (5, FAR, 5.0)]


def test_values_that_are_not_finite_leave_a_gap_not_an_error() -> None:
    charts = live_charts(metrics_frame(rows(4, objective__kl=math.nan, ppo__loss__policy=math.inf)))
    assert next(c for c in charts if c.key == "kl").spec["data"][0]["y"] == []


def test_the_kl_target_is_a_band_only_when_there_is_one() -> None:
    def band(config: Config) -> list[object]:
        shapes: list[object] = next(
            c for c in live_charts(metrics_frame(rows(3)), config) if c.key == "kl"
        ).spec["layout"]["shapes"]
        return shapes

    assert band(Config(target=5.0))[0]["y0"] == 4.0  # type: ignore[index]
    assert band(Config(adap_kl_ctrl=False)) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000), st.sampled_from([10, 100, 1000]))
def test_thinning_keeps_the_extremes_the_ends_and_the_order(values: list[float], limit: int) -> None:
    y = np.array(values)
    steps = thinning(y, limit)
    kept = y[steps]
    assert len(kept) <= max(limit + 2, len(y) if len(y) <= limit else 0)
    assert (kept.min(), kept.max(), kept[0], kept[-1]) == (y.min(), y.max(), y[0], y[-1])
    assert (np.diff(steps) > 0).all()
    np.testing.assert_array_equal(y[steps], kept)


@given(
    st.lists(
        st.floats(
            allow_nan=False, allow_infinity=False, allow_subnormal=False, min_value=-1e30, max_value=1e30
        ),
        max_size=50,
    )
)
def test_shortened_numbers_are_within_their_digits(values: list[float]) -> None:
    values = [x for x in values if x == 0 or abs(x) > 1e-30]
    np.testing.assert_allclose(shortened(np.array(values, dtype=float)), values, rtol=5.1e-5)


@pytest.mark.parametrize(
    ("reward", "hover", "ends"),
    [("sentiment", "%{y:.3~g} logit", None), ("contains:film", "%{y:.3~g}", [-0.02, 1.02])],
)
def test_the_score_has_the_unit_and_the_bounds_of_its_reward(
    reward: str, hover: str, ends: list[float] | None
) -> None:
    rows = pd.DataFrame(
        {"step": [1, 2], **{name: [0.25, 0.5] for name in METRICS}}, columns=["step", "wall_time", *METRICS]
    )
    chart = live_charts(rows, Config(reward=reward))[0]
    (curve,) = [trace for trace in chart.spec["data"] if trace["name"] == "mean score"]
    (held_out,) = [trace for trace in chart.spec["data"] if trace["name"] == "held-out score"]
    assert curve["hovertemplate"] == held_out["hovertemplate"] == hover
    assert chart.spec["layout"]["yaxis"].get("range") == (ends and pytest.approx(ends))


def test_a_curves_points_are_those_that_the_browser_adds() -> None:
    """The browser lengthens curves by itself: the same table is read by its test."""
    for case in json.loads((Path(__file__).parents[2] / "static" / "points.json").read_text()):
        step, *row = case["row"]
        frame = {"step": np.array([step]), "unknown": np.array([np.nan])}
        frame |= {name: np.array([np.nan if x is None else x]) for name, x in zip("abc", row, strict=True)}
        source = Source(**case["source"])
        assert {key: value for key, value in source.as_data().items()} == case["source"]
        steps, y, error = source.points(frame)
        found = [y[0], None if error is None else error[0]] if len(steps) else None
        assert found == case["point"], case
