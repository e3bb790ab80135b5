"""The What-if page's answers, what they leave out of an address, and what goes from it into the sidebar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages.data.folder import EXAMPLE
from pages.data.whatif import answer as whatif
from pages.data.whatif import lessons as lessons
from pages.data.whatif.batch import WhatIfBatch, step_scene, tutorial_scene
from pages.data.whatif.view_state import ViewState, read, read_settings
from ppo_engine import Config, RunReader, session
from ppo_engine.formatting import three_digits
from tests.engine.runs import Run
from tests.pages.components import never_updated
from tests.pages.door import answer, ask


@pytest.fixture
def run(recorded: Path) -> Path:
    return recorded


@pytest.fixture
def scene(run: Path) -> WhatIfBatch:
    made = step_scene(run, 3)
    assert made is not None
    return made


def shown(run: Path, step: int = 3, sample: int = 0, token: int = 0, what: str = "") -> dict[str, Any]:
    made: dict[str, Any] = answer(
        f"runs/{run.name}/steps/{step}/what-if?sample={sample}&token={token}&what={what}"
    )
    return made


def figures(made: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {row["label"]: (row["was"], row["now"]) for row in made["figures"]}


def test_at_the_runs_own_settings_nothing_differs(run: Path) -> None:
    made = shown(run, sample=2, token=1)
    assert (made["turned"], made["problems"], made["count"]) == ({}, [], 24)
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


def test_of_a_batch_that_is_kept_in_part_the_part_is_compared_with_itself(runs: Path) -> None:
    """As of the recorded example, whose metrics are of four times as many samples."""
    for label, (was, now) in figures(shown(EXAMPLE, 40)).items():
        assert now == was, label


def test_a_turned_knob_moves_figures_and_tokens_and_leaves_what_the_run_had(run: Path) -> None:
    own, made = shown(run), shown(run, what="lam:0.1,cliprange:0.01")
    assert made["turned"] == {"lam": 0.1, "cliprange": 0.01}
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
    made = shown(run, 2, sample=7)["sample"]
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
    made = shown(run, 2, sample=10**6, token=10**6)["sample"]
    assert made["index"] == 23 and made["token"] == len(made["texts"]) - 1


def test_the_ladder_adds_up_to_the_tokens_advantage(run: Path) -> None:
    made = shown(run, sample=4, what="lam:0.3")
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
    longest = max(RunReader(run).samples(1), key=lambda sample: sample.response_length)
    count = longest.response_length
    assert count > 3
    whole, short = (
        shown(run, 1, sample=longest.index, token=token, what="lam:0.9")["ladder"] for token in (0, count - 2)
    )
    assert [rung["k"] for rung in whole["rungs"]] == [1, None, count]
    assert [rung["k"] for rung in short["rungs"]] == [1, 2]
    assert sum(rung["weight"] for rung in whole["rungs"]) == pytest.approx(1, abs=1e-9)


def test_clip_points_are_on_the_curve_and_few(run: Path) -> None:
    clip = shown(run)["clip"]
    assert any(any(side["binds"]) for side in clip["sides"])
    for side in clip["sides"]:
        assert 0 < len(side["x"]) <= 150
        np.testing.assert_allclose(np.interp(side["x"], clip["grid"], side["curve"]), side["y"], atol=2e-5)


def test_an_update_that_ended_before_it_began_has_no_clips_to_show(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = RunReader.tokens
    monkeypatch.setattr(RunReader, "tokens", lambda self, step: never_updated(recorded(self, step)))
    made = shown(finished, 1, what="lam:0.2")
    assert made["clip"] is None and made["sample"]["epochs"] == [0] * len(made["sample"]["texts"])
    assert figures(made)["Policy loss"][1] is None and figures(made)["Advantages, mean"][1] is not None


def test_the_notebooks_example_has_no_clips_and_locked_knobs() -> None:
    made = answer("notebook/what-if")
    assert made["clip"] is None and "ratios" not in made["sample"] and len(made["figures"]) == 4
    assert [knob["name"] for knob in made["knobs"] if not knob["locked"]] == ["gamma", "lam"]
    assert made["count"] == 4


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


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("lam:2", "lam = 2: must be a number from 0 to 1"),
        ("kl_coef:nan", "kl_coef = nan: must be a number from 0 to 100"),
        ("cliprange:0", "cliprange = 0: must be a number above 0 to 1"),
        ("whiten:maybe", "whiten = maybe: must be on or off"),
        ("seed:3", "seed: no such what-if setting; allowed: gamma"),
        ("lam", "lam = : must be"),
    ],
)
def test_what_settings_cannot_be_is_said_and_left_out(what: str, problem: str, run: Path) -> None:
    for made in (shown(run, what=f"{what},gamma:0.5"), answer(f"notebook/what-if?what={what},gamma:0.5")):
        assert len(made["problems"]) == 1 and made["problems"][0].startswith(problem)
        assert made["turned"] == {"gamma": 0.5}


def test_settings_are_read_as_they_are_written() -> None:
    turned = (("lam", 0.1 + 0.2), ("whiten", False), ("kl_coef", 1e-05))
    assert read_settings(f"lam:{0.1 + 0.2!r},whiten:off,kl_coef:1e-05") == (turned, [])
    assert read({"what": "lam:0.5", "step": "3"}) == ViewState(3, turned=(("lam", 0.5),))
    assert read({"step": "²", "example": "notebook"}) == ViewState(example=True)


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


def test_a_step_that_was_looked_for_too_early_is_there_once_it_is_taken(
    tiny: Callable[..., Config], runs: Path
) -> None:
    going = Run(lambda on_record: session.create(tiny(steps=2), "tiny-reviews", runs, on_record))
    going.hold_at(1)
    path = f"runs/{going.folder.name}/steps/2/what-if"
    assert ask(path).error == "step = 2: its tokens are not stored; choose one of those in `steps`"
    going.let_go()
    going.thread.join(60)
    assert answer(path)["count"] == 8


def test_the_view_of_a_page_without_a_step_is_the_newest(run: Path) -> None:
    newest = whatif.scene_of(run, ViewState())
    assert newest is step_scene(run, 3) and whatif.scene_of(run, ViewState(step=2)) is step_scene(run, 2)
    assert whatif.scene_of(run, ViewState(step=77)) is None
    assert whatif.scene_of(run, ViewState(example=True)) is tutorial_scene()


@pytest.mark.parametrize("lam", [0.97, 0.99])
def test_the_lessons_title_states_what_the_table_does(lam: float, runs: Path) -> None:
    made = shown(EXAMPLE, 40, what=f"lam:{lam}")
    deviation = figures(made)["Advantages, standard deviation"][1]
    assert f"the variance is {three_digits(deviation**2)} and" in made["sweep"]["title"]
