"""The journal followed: what a replay compares, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ppo_engine import Config, StepRecord, Trainer, session
from ppo_engine.errors import ConfigError
from ppo_engine.session.replay import JournaledTrainer, replay
from tests.engine.runs import Run


def test_a_run_with_an_edit_replays_identically(begin: Callable[..., Run]) -> None:
    run = begin(steps=4)
    run.hold_at(2)
    run.tell("edit", changes={"kl_estimator": "k3", "lam": 0.5})
    run.let_go()
    assert run.join() == "finished"
    seen: list[int] = []
    assert replay(run.folder, on_record=lambda record: seen.append(record.step)) == ""
    assert seen == [0, 1, 2, 3, 4]


def test_a_metric_that_is_another_is_named_with_its_step(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, owner = session.create(tiny(steps=3), "tiny-reviews", tmp_path)
    owner.run()
    step = Trainer.step

    def other(trainer: Trainer) -> StepRecord:
        record = step(trainer)
        shift = 1.0 if record.step == 2 else 0.0
        return replace(
            record, metrics={**record.metrics, "objective/kl": record.metrics["objective/kl"] + shift}
        )

    monkeypatch.setattr(Trainer, "step", other)
    assert replay(folder).startswith("step 2: objective/kl was ")


def test_the_journal_has_the_configuration_of_each_step(begin: Callable[..., Run]) -> None:
    run = begin(steps=3)
    run.hold_at(1)
    run.tell("edit", changes={"lam": 0.25})
    run.let_go()
    assert run.join() == "finished"
    again = JournaledTrainer(run.folder, None)
    lams = []
    while not again.done:
        again.next()
        lams.append(again.trainer.config.lam)
    assert lams[0] == lams[1] != 0.25 and set(lams[2:]) == {0.25}


def test_a_run_without_a_step_has_nothing_to_replay(tiny: Callable[..., Config], tmp_path: Path) -> None:
    folder, owner = session.create(tiny(), "tiny-reviews", tmp_path)
    owner.store.close()
    with pytest.raises(ConfigError, match="RUN = "):
        replay(folder)
