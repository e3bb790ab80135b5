"""The live page's answers: true to the store, JSON alone, and no more of it than the browser lacks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pages.data.folder import EXAMPLE, earlier_run
from pages.data.live import answer as live_answer
from pages.data.live import held_out
from ppo_engine import Config, RunReader, session
from ppo_engine.errors import StoreError
from ppo_engine.records import Sample
from ppo_engine.store import add_note, checkpoint_files
from tests.pages.components import wait_until
from tests.pages.door import answer, ask


def test_it_says_where_the_run_stands(recorded: Path) -> None:
    told = answer(f"runs/{recorded.name}/live")
    assert (told["run"]["state"], told["run"]["step"], told["run"]["share"]) == ("finished", "step 3 of 3", 1)
    assert "The run has finished. The held-out score went from" in told["notice"]["text"]
    newest = RunReader(recorded).steps()[-1].metrics
    shown = float(told["headline"][0]["now"].replace("−", "-"))
    assert shown == pytest.approx(newest["env/reward_mean"], rel=6e-3)
    assert (told["step"], told["evaluated"], told["kept"]) == (3, 3, 3)


def test_before_the_first_run_it_is_the_recorded_example(runs: Path) -> None:
    told = answer(f"runs/{EXAMPLE.name}/live")
    assert told["run"]["state"] == "example" and len(told["parts"]["charts"]["charts"]) == 10
    assert not told["parts"]["history"]["writable"] and "Press Start" in told["notice"]["text"]


def test_rows_are_the_metrics_of_the_record(recorded: Path) -> None:
    told = answer(f"runs/{recorded.name}/live?after=1")
    names = told["parts"]["charts"]["names"]
    rows = RunReader(recorded).steps()
    assert [row[0] for row in told["rows"]] == [2, 3]
    for row in told["rows"]:
        recorded_metrics = rows[row[0]].metrics
        for name, value in zip(names, row[1:], strict=True):
            if value is None:
                assert not np.isfinite(recorded_metrics.get(name, np.nan)), name
            else:
                assert value == pytest.approx(recorded_metrics[name], rel=1e-4), name


def test_what_the_browser_has_is_left_out(recorded: Path) -> None:
    whole = answer(f"runs/{recorded.name}/live")
    assert set(whole["parts"]) == set(whole["keys"]) == {"charts", "history", "pairs"}
    have = ".".join(whole["keys"].values())
    lean = answer(f"runs/{recorded.name}/live?after=3&have={have}")
    assert lean["parts"] == {} and lean["rows"] == [] and lean["keys"] == whole["keys"]
    some = answer(f"runs/{recorded.name}/live?after=3&have={whole['keys']['pairs']}.old")
    assert set(some["parts"]) == {"charts", "history"}


def test_too_many_steps_are_asked_for_as_curves(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_answer, "_MOST_ROWS", 2)
    assert answer(f"runs/{recorded.name}/live?after=0")["rows"] is None
    assert len(answer(f"runs/{recorded.name}/live?after=1&have=x")["rows"]) == 2


def test_curves_are_the_charts_points_between_two_steps(recorded: Path) -> None:
    whole, part = answer(f"runs/{recorded.name}/curves"), answer(f"runs/{recorded.name}/curves?from=2&to=2")
    charts = answer(f"runs/{recorded.name}/live")["parts"]["charts"]["charts"]
    assert whole["upto"] == part["upto"] == 3
    assert [len(curves) for curves in whole["charts"]] == [len(chart["traces"]) for chart in charts]
    reward = {row.step: row.metrics["env/reward_mean"] for row in RunReader(recorded).steps() if row.step}
    (curve,) = [
        curve
        for chart, curves in zip(charts, whole["charts"], strict=True)
        for source, curve in zip(chart["sources"], curves, strict=True)
        if source and source["y"] == "env/reward_mean" and "plus" not in source
    ][:1]
    assert dict(zip(curve["x"], curve["y"], strict=True)) == pytest.approx(reward, rel=1e-4)
    assert {x for curves in part["charts"] for curve in curves for x in curve["x"]} == {2}


def test_a_curve_is_thinned_to_what_is_asked_for(runs: Path) -> None:
    longest = max(
        len(curve["x"]) for curves in answer("runs/example/curves?points=5")["charts"] for curve in curves
    )
    assert (
        longest
        < 20
        < max(len(curve["x"]) for curves in answer("runs/example/curves")["charts"] for curve in curves)
    )


def test_then_and_now_marks_the_words_that_are_new() -> None:
    def said(response: str) -> Sample:
        return Sample(0, "The film", response, 1.0, {}, 3, False, 0.0)

    side = held_out._side(said(" was dull and long."), said(" was bright and long."))
    assert side["pieces"] == [(" was", False), (" bright", True), (" and long.", False)]
    assert "".join(piece for piece, _ in side["pieces"]) == " was bright and long."
    assert not any(new for _, new in held_out._side(said(" same."), said(" same."))["pieces"])


def test_held_out_texts_are_those_of_the_record(recorded: Path) -> None:
    reader = RunReader(recorded)
    assert answer(f"runs/{recorded.name}/evaluations")["steps"] == [0, 1, 2, 3]
    assert answer(f"runs/{recorded.name}/evaluations?after=1")["steps"] == [2, 3]
    texts = [(one.query, one.response) for one in reader.samples(2, "eval")]
    shown = answer(f"runs/{recorded.name}/evaluations/2")["samples"]
    assert [(one["query"], one["response"]) for one in shown] == texts
    pinned = answer(f"runs/{recorded.name}/prompts/1?at=2")
    assert (pinned["chosen"], pinned["queries"]) == (1, [query for query, _ in texts])
    assert [row["step"] for row in pinned["rows"]] == [2, 1, 0]
    said = ["".join(piece for piece, _ in row["side"]["pieces"]) for row in pinned["rows"]]
    assert said == [reader.samples(step, "eval")[1].response for step in (2, 1, 0)]
    pairs = answer(f"runs/{recorded.name}/live")["parts"]["pairs"]
    assert pairs["title"].endswith("before training and after step 3") and len(pairs["items"]) == 3


def test_the_history_offers_to_undo_an_edit(running: session.Session) -> None:
    session.command(running.folder, "edit", changes={"lam": 0.5})
    wait_until(lambda: RunReader(running.folder).info().config_version == 1)
    items = answer(f"runs/{running.folder.name}/live")["parts"]["history"]["items"]
    assert items[0]["text"] == "Lambda (λ): 0.95 → 0.5" and items[0]["undo"]


def test_what_was_thinned_away_is_said_in_the_history(running: session.Session) -> None:
    def kept() -> list[str]:
        items = answer(f"runs/{running.folder.name}/live")["parts"]["history"]["items"]
        return [item["text"] for item in items if item["kind"] == "checkpoint"]

    before = kept()
    assert all(text.endswith("MB.") for text in before)
    shutil.rmtree(checkpoint_files.list_checkpoints(running.folder)[-1].folder)
    add_note(running.folder, 1, "a note")
    assert kept() == [before[0] + " Deleted since, to save disk space.", *before[1:]]


def test_what_was_remarked_while_loading_is_in_the_history(tiny: Callable[..., Config], runs: Path) -> None:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.store.event(-1, "remark", {"message": "3 rows of the reviews were left out: no text"})
    owner.run()
    items = answer(f"runs/{folder.name}/live")["parts"]["history"]["items"]
    assert "3 rows of the reviews were left out: no text" in [item["text"] for item in items]


def test_a_run_that_could_not_write_that_it_failed_is_shown_as_failed(
    running: session.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    for written in ("enter_state", "event"):
        monkeypatch.setattr(running.owner.store, written, full)
    session.command(running.folder, "stop")
    running.thread.join(30)
    assert RunReader(running.folder).info().alive, "as far as its folder can tell"
    told = answer(f"runs/{running.folder.name}/live")
    assert told["run"]["state"] == "failed" and "the disk is full" in told["notice"]["text"]
    assert answer(f"runs/{running.folder.name}/head")["state"] == "failed"


def test_the_ghost_is_the_newest_earlier_run_of_the_same_reward(
    tiny: Callable[..., Config], runs: Path
) -> None:
    folders = []
    for reward in ("sentiment", "contains:the", "sentiment"):
        folder, owner = session.create(tiny(steps=1, reward=reward), "tiny-reviews", runs)
        owner.run()
        folders.append(folder)
    first, other, last = folders
    assert earlier_run(last) == first
    assert earlier_run(other) is None and earlier_run(first) is None

    def ghosts(run: Path) -> int:
        charts = answer(f"runs/{run.name}/live")["parts"]["charts"]["charts"]
        return sum(source is None for chart in charts for source in chart["sources"])

    assert ghosts(last) > 0 == ghosts(first) == ghosts(other)


def test_a_run_without_a_step_has_answers_too(tiny: Callable[..., Config], runs: Path) -> None:
    folder, _ = session.create(tiny(), "tiny-reviews", runs)
    told = answer(f"runs/{folder.name}/live")
    assert (told["step"], told["rows"], told["evaluated"], told["kept"]) == (-1, [], None, None)
    assert answer(f"runs/{folder.name}/curves")["upto"] == -1
    assert answer(f"runs/{folder.name}/steps") == {"steps": []}
    assert answer(f"runs/{folder.name}/head")["step"] == -1
    assert answer(f"runs/{folder.name}/line")["step"] == -1
    assert ask(f"runs/{folder.name}/steps/1").status == 404
