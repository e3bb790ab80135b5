"""The live board's payload: true to the store, small, JSON alone, and scaled so that no outlier flattens the
rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pages.ui import run_view
from pages.ui.live import board, held_out, run_line
from pages.ui.scales import scale_limit
from ppo_engine import Config, RunReader, StepRecord, session
from ppo_engine.records import Sample
from ppo_engine.store import submit


@pytest.fixture(scope="module")
def run(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, owner = session.create(
        tiny(steps=4, batch_size=12), "tiny-reviews", tmp_path_factory.mktemp("runs")
    )
    owner.run()
    return folder


def payload(run: Path, pinned: tuple[int, int] | None = None) -> dict[str, object]:
    return board.board_payload(run, RunReader(run).info(), None, pinned, example=False)


def test_the_payload_is_json_and_says_where_things_stand(run: Path) -> None:
    made = json.loads(json.dumps(payload(run), allow_nan=False))
    assert (
        made["run"]["state"] == "finished"
        and made["run"]["step"] == "step 4 of 4"
        and made["run"]["share"] == 1.0
    )
    assert "The run has finished. The held-out score went from" in made["notice"]["text"]
    newest = RunReader(run).steps()[-1].metrics
    assert float(made["headline"][0]["now"].replace("−", "-")) == pytest.approx(
        newest["env/reward_mean"], rel=6e-3
    )


def test_tokens_are_those_of_the_record(run: Path) -> None:
    batch = payload(run)["batch"]
    tokens = RunReader(run).tokens(4)
    assert tokens is not None and isinstance(batch, dict)
    for column in ("reward", "whitened", "kl", "return", "old_logprob"):
        np.testing.assert_allclose(
            np.array(batch["tokens"][column], float), tokens.column(column), rtol=6e-4, atol=1e-30
        )
    last = tokens.at_last_epoch("ratio", float("nan"))
    np.testing.assert_allclose(np.array(batch["tokens"]["ratio"], float), last, rtol=6e-4)
    assert batch["tokens"]["policy_clip"] == tokens.clip_epochs("policy_clip").tolist()


def test_a_pinned_step_is_shown_whatever_came_since(run: Path) -> None:
    batch = payload(run, pinned=(2, 5))["batch"]
    assert isinstance(batch, dict)
    assert batch["step"] == 2 and batch["pinned"] == {"step": 2, "sample": 5}
    assert [s["response"] for s in batch["samples"]] == [s.response for s in RunReader(run).samples(2)]


def test_one_outlier_does_not_flatten_the_scale() -> None:
    quiet = [0.1, -0.1] * 200
    assert scale_limit([*quiet, 1000.0], 0.0) == pytest.approx(0.1)
    assert scale_limit([1.1, 0.8, None], 1.0) == pytest.approx(0.198)
    assert scale_limit([], 0.0) == 0.0


def test_then_and_now_marks_the_words_that_are_new() -> None:
    def said(response: str) -> Sample:
        return Sample(0, "The film", response, 1.0, {}, 3, False, 0.0)

    side = held_out._side(said(" was dull and long."), said(" was bright and long."))
    assert side["pieces"] == [(" was", False), (" bright", True), (" and long.", False)]
    assert "".join(piece for piece, _ in side["pieces"]) == " was bright and long."
    assert not any(new for _, new in held_out._side(said(" same."), said(" same."))["pieces"])


def test_time_left_counts_the_pace_on_the_wall(run: Path) -> None:
    rows = RunReader(run).steps()
    gaps = sorted((later.wall_time - earlier.wall_time).total_seconds() for earlier, later in pairwise(rows))
    assert run_line._seconds_per_step(rows) == pytest.approx((gaps[1] + gaps[2]) / 2)
    assert np.isnan(run_line._seconds_per_step(rows[:1]))


def test_viewers_share_one_reading(run: Path) -> None:
    """A second viewer of the same step costs no second reading of its tokens."""
    payload(run)
    before = board._slow_parts.cache_info()
    payload(run)
    after = board._slow_parts.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)


def test_a_view_reads_only_what_is_new(run: Path) -> None:
    view = run_view.RunView(run)
    rows, frame = view.refresh()
    again, same = view.refresh()
    assert again is rows and same is frame and list(frame["step"]) == [0, 1, 2, 3, 4]


def test_the_evaluation_of_a_run_that_is_stopped_reaches_the_curves(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    """It comes after the step, whose row a page has read by then."""
    views: list[run_view.RunView] = []

    def stop_after_two(record: StepRecord) -> None:
        if record.step == 2:
            views.append(run_view.RunView(folder))
            assert views[0].refresh()[1]["eval/reward_mean"].notna().tolist() == [True, False, False]
            submit(folder, "stop", "test")

    folder, owner = session.create(tiny(steps=9, eval_every=9), "tiny-reviews", tmp_path, stop_after_two)
    owner.run()
    rows, frame = views[0].refresh()
    assert frame["eval/reward_mean"].notna().tolist() == [True, False, True] and len(rows) == 3
    assert views[0].refresh()[0] is rows, "and nothing is read as new that is not"


def test_each_views_scale_is_about_its_columns_centre(run: Path) -> None:
    """A ratio of 1 has moved nowhere; a reward, a value and an advantage of 0 are neither good nor bad."""
    batch = payload(run)["batch"]
    assert isinstance(batch, dict)
    for view, column, centre in (
        ("reward", "reward", 0.0),
        ("advantage", "whitened", 0.0),
        ("ratio", "ratio", 1.0),
        ("value", "new_value", 0.0),
    ):
        assert batch["limits"][view] == scale_limit(batch["tokens"][column], centre), view


def test_the_ghost_is_the_newest_earlier_run_of_the_same_reward(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPO_LIVE_RUNS", str(tmp_path))
    folders = []
    for reward in ("sentiment", "contains:the", "sentiment"):
        folder, owner = session.create(tiny(steps=1, reward=reward), "tiny-reviews", tmp_path)
        owner.run()
        folders.append(folder)
    first, other, last = folders
    assert run_view.earlier_run(last) == first
    assert run_view.earlier_run(other) is None and run_view.earlier_run(first) is None
