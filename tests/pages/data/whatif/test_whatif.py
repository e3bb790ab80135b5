"""The What-if page's payload and its address, and what goes from it into the sidebar."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import run_view
from pages.ui.whatif import lessons as lessons
from pages.ui.whatif import payload as whatif
from pages.ui.whatif.batch import WhatIfBatch, step_scene, tutorial_scene
from pages.ui.whatif.view_state import ViewState, read
from ppo_engine import Config, RunReader, session
from ppo_engine.formatting import three_digits
from tests.engine.runs import Run
from tests.pages.components import ROOT, never_updated, payloads


@pytest.fixture(scope="module")
def run(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tiny(steps=3, batch_size=24, mini_batch_size=8, learning_rate=3e-3, target_kl=0.0)
    folder, owner = session.create(config, "tiny-reviews", tmp_path_factory.mktemp("runs"))
    owner.run()
    return folder


@pytest.fixture
def scene(run: Path) -> WhatIfBatch:
    made = step_scene(run, 3)
    assert made is not None
    return made


def payload(run: Path, look: ViewState) -> dict[str, Any]:
    made = whatif.payload(run, RunReader(run).info(), look, [], "", 0)
    loaded: dict[str, Any] = json.loads(json.dumps(made, allow_nan=False))
    return loaded


def figures(made: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {row["label"]: (row["was"], row["now"]) for row in made["figures"]}


def test_at_the_runs_own_settings_nothing_differs(run: Path) -> None:
    made = payload(run, ViewState(sample=2, token=1))
    assert (made["step"], made["newest"], made["before"], made["after"], made["following"]) == (
        3,
        3,
        2,
        None,
        True,
    )
    for label, (was, now) in figures(made).items():
        # losses are sums of float32 that nearly cancel out
        assert now == pytest.approx(was, rel=1e-6, abs=1e-7), label
    for histogram in made["histograms"]:
        assert histogram["was"] == histogram["now"]
    sample = made["sample"]
    assert all(
        sample[name][0] == sample[name][1]
        for name in ("rewards", "advantages", "used", "returns", "policy_clips", "value_clips")
    )
    assert sample["moved"] is None


def test_of_a_batch_that_is_kept_in_part_the_part_is_compared_with_itself() -> None:
    """As of the recorded example, whose metrics are of four times as many samples."""
    for label, (was, now) in figures(payload(run_view.EXAMPLE, ViewState())).items():
        assert now == was, label


def test_a_turned_knob_moves_figures_and_tokens_and_leaves_what_the_run_had(run: Path) -> None:
    own, made = payload(run, ViewState()), payload(run, ViewState(turned=(("lam", 0.1), ("cliprange", 0.01))))
    assert all(figures(made)[label][0] == figures(own)[label][0] for label in figures(own))
    assert figures(made)["Policy clip binds"][1] > figures(own)["Policy clip binds"][1]
    assert (
        figures(made)["Advantages, standard deviation"][1]
        != figures(own)["Advantages, standard deviation"][1]
    )
    assert sum(made["histograms"][0]["now"]) == sum(made["histograms"][0]["was"]) == int(step_tokens(run))
    assert made["sample"]["used"][0] == own["sample"]["used"][0] != made["sample"]["used"][1]
    assert isinstance(made["sample"]["moved"], int)


def step_tokens(run: Path) -> int:
    tokens = RunReader(run).tokens(3)
    assert tokens is not None
    return len(tokens)


def test_tokens_are_those_of_the_chosen_sample(run: Path) -> None:
    tokens, sample = RunReader(run).tokens(2), RunReader(run).samples(2)[7]
    assert tokens is not None
    made = payload(run, ViewState(step=2, sample=7))["sample"]
    own = tokens.sample == 7
    assert (made["query"], made["score"], made["texts"]) == (
        sample.query,
        sample.score,
        [tokens.text[i] for i in np.flatnonzero(own)],
    )
    np.testing.assert_allclose(made["rewards"][0], tokens.column("reward")[own], rtol=1e-6)
    np.testing.assert_allclose(made["used"][0], tokens.whitened[own], rtol=1e-6)
    assert made["policy_clips"][0] == tokens.clip_epochs("policy_clip")[own].tolist()


def test_a_look_beyond_the_batch_is_at_its_last(run: Path) -> None:
    made = payload(run, ViewState(step=2, sample=10**6, token=10**6))["sample"]
    assert made["index"] == 23 and made["token"] == len(made["texts"]) - 1


def test_the_ladder_adds_up_to_the_tokens_advantage(run: Path) -> None:
    made = payload(run, ViewState(sample=4, turned=(("lam", 0.3),)))
    ladder = made["ladder"]
    assert ladder["sum"] == pytest.approx(made["sample"]["advantages"][1][0], rel=1e-6)
    assert ladder["count"] == len(ladder["rungs"]) == len(made["sample"]["texts"])
    assert sum(rung["value"] * rung["weight"] for rung in ladder["rungs"]) == pytest.approx(
        ladder["sum"], rel=1e-4
    )


def test_of_a_long_response_only_the_first_estimators_and_the_last_are_shown(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "_MOST_RUNGS", 2)
    longest = max(RunReader(run).samples(3), key=lambda sample: sample.response_length)
    count = longest.response_length
    assert count > 3
    whole, short = (
        payload(run, ViewState(sample=longest.index, token=token))["ladder"] for token in (0, count - 2)
    )
    assert [rung["k"] for rung in whole["rungs"]] == [1, None, count]
    assert [rung["k"] for rung in short["rungs"]] == [1, 2]
    assert sum(rung["weight"] for rung in whole["rungs"]) == pytest.approx(1, abs=1e-9)


def test_clip_points_are_on_the_curve_and_few(run: Path) -> None:
    clip = payload(run, ViewState())["clip"]
    assert any(any(side["binds"]) for side in clip["sides"])
    for side in clip["sides"]:
        assert 0 < len(side["x"]) <= 150
        np.testing.assert_allclose(np.interp(side["x"], clip["grid"], side["curve"]), side["y"], atol=2e-5)


def test_a_step_without_tokens_offers_the_nearest(run: Path) -> None:
    made = payload(run, ViewState(step=77))
    assert (
        made["missing"]
        == "Step 77 of this run has not been computed yet. The nearest step with stored tokens is 3."
        and made["nearest"] == 3
    )
    assert "figures" not in made
    assert (
        "There" not in payload(run, ViewState(step=0))["missing"]
        and payload(run, ViewState(step=0))["nearest"] == 1
    )


def test_a_run_without_a_step_says_what_to_do(tiny: Callable[..., Config], tmp_path: Path) -> None:
    folder, _ = session.create(tiny(), "tiny-reviews", tmp_path)
    assert "This run has no steps yet" in payload(folder, ViewState())["missing"]
    assert payload(folder, ViewState(example=True))["sample"]["count"] == 4


def test_an_update_that_ended_before_it_began_has_no_clips_to_show(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, owner = session.create(tiny(steps=1), "tiny-reviews", tmp_path)
    owner.run()
    recorded = RunReader.tokens
    monkeypatch.setattr(RunReader, "tokens", lambda self, step: never_updated(recorded(self, step)))
    made = payload(folder, ViewState(turned=(("lam", 0.2),)))
    assert made["clip"] is None and made["sample"]["epochs"] == [0] * len(made["sample"]["texts"])
    assert figures(made)["Policy loss"][1] is None and figures(made)["Advantages, mean"][1] is not None


def test_the_notebooks_example_has_no_clips_and_locked_knobs(run: Path) -> None:
    made = payload(run, ViewState(example=True))
    assert made["clip"] is None and "ratios" not in made["sample"] and len(made["figures"]) == 4
    assert [knob["name"] for knob in made["knobs"] if not knob["locked"]] == ["gamma", "lam"]


def test_each_step_is_asked_with_the_settings_that_were_in_force(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    made = Run(lambda seen: session.create(tiny(steps=3), "tiny-reviews", tmp_path, seen))
    made.hold_at(1)
    made.tell("edit", changes={"lam": 0.5, "cliprange": 0.05})
    made.let_go()
    assert made.join() == "finished"
    for step, own in ((1, (0.95, 0.2)), (3, (0.5, 0.05))):
        scene = step_scene(made.folder, step)
        assert scene is not None and (scene.own.lam, scene.own.cliprange) == own
        tokens = RunReader(made.folder).tokens(step)
        assert tokens is not None and scene.recorded is not None
        np.testing.assert_array_equal(scene.recorded.flat(scene.was.advantages), tokens.advantage)


def test_a_look_survives_the_address() -> None:
    look = ViewState(3, 5, 2, False, (("lam", 0.1 + 0.2), ("whiten", False), ("kl_coef", 1e-05)))
    assert read(look.query()) == (look, [])
    assert read(ViewState(example=True).query()) == (ViewState(example=True), [])


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"step": "x"}, "step = x: must be a whole number, 0 or more"),
        ({"sample": "-1"}, "sample = -1: must be a whole number, 0 or more"),
        ({"token": "9" * 30}, "token = 999"),
        ({"step": "²"}, "step = ²: must be"),
        ({"example": "other"}, "example = other: must be notebook"),
        ({"what": "lam:2"}, "lam = 2: must be a number from 0 to 1"),
        ({"what": "kl_coef:nan"}, "kl_coef = nan: must be a number from 0 to 100"),
        ({"what": "cliprange:0"}, "cliprange = 0: must be a number above 0 to 1"),
        ({"what": "whiten:maybe"}, "whiten = maybe: must be on or off"),
        ({"what": "seed:3"}, "seed: no such what-if setting; allowed: gamma"),
        ({"what": "lam"}, "lam = : must be"),
    ],
)
def test_what_an_address_cannot_ask_for_is_said_and_left_out(query: dict[str, str], problem: str) -> None:
    look, problems = read({**query, "what": query.get("what", "") + ",gamma:0.5"})
    assert len(problems) == 1 and problems[0].startswith(problem)
    assert look == ViewState(turned=(("gamma", 0.5),))


FORM = {
    "gamma": 1.0,
    "lam": 0.95,
    "cliprange": 0.2,
    "cliprange_value": 0.2,
    "init_kl_coef": 0.2,
    "adap_kl_ctrl": True,
}


def test_what_differs_from_the_sidebar_is_staged(scene: WhatIfBatch) -> None:
    look = ViewState(turned=(("lam", 0.5), ("kl_coef", 0.7), ("whiten", False)))
    changes, said = whatif.use_in_run(FORM, look, scene)
    assert changes == {"lam": 0.5}
    assert (
        "for the next run: Lambda (λ) 0.5" in said
        and "the adaptive controller sets it" in said
        and "training always whitens" in said
    )
    changes, said = whatif.use_in_run({**FORM, "adap_kl_ctrl": False}, look, scene)
    assert changes == {"lam": 0.5, "init_kl_coef": 0.7} and "controller" not in said
    same = replace(look, turned=())
    assert whatif.use_in_run(FORM, same, scene) == ({}, "The sidebar already has these values.")
    assert whatif.use_in_run(FORM, ViewState(turned=(("gamma", 0.9),)), tutorial_scene())[0] == {"gamma": 0.9}


def opened(**query: str) -> dict[str, Any]:
    page = AppTest.from_file(str(ROOT / "pages" / "what_if.py"), default_timeout=60)
    page.query_params.update(query)
    page.run()
    assert not page.exception
    drawn = payloads(page)
    return next(made["whatif"] for made in drawn if made["only"] == "whatif")  # type: ignore[no-any-return]


def test_before_the_first_run_the_page_has_the_recorded_example(runs: Path) -> None:
    made = opened(what="lam:0.5,gamma:7")
    assert made["run"] == "a recorded example" and made["figures"]
    assert (
        made["problems"] == ["gamma = 7: must be a number from 0 to 1"] and made["query"]["what"] == "lam:0.5"
    )
    assert run_view.EXAMPLE.is_dir()


def test_a_step_that_was_looked_for_too_early_is_there_once_it_is_taken(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    going = Run(lambda on_record: session.create(tiny(steps=2), "tiny-reviews", tmp_path, on_record))
    going.hold_at(1)
    assert "has not been computed" in payload(going.folder, ViewState(step=2))["missing"]
    going.let_go()
    going.thread.join(60)
    assert payload(going.folder, ViewState(step=2))["step"] == 2 and "missing" not in payload(
        going.folder, ViewState(step=2)
    )


@pytest.mark.parametrize("lam", [0.97, 0.99])
def test_the_lessons_title_states_what_the_table_does(lam: float) -> None:
    made = whatif.payload(
        run_view.EXAMPLE, RunReader(run_view.EXAMPLE).info(), ViewState(turned=(("lam", lam),)), [], "", 0
    )
    deviation = next(
        row["now"] for row in made["figures"] if row["label"] == "Advantages, standard deviation"
    )
    assert f"the variance is {three_digits(deviation**2)} and" in made["sweep"]["title"]
