"""A run is read once for all who look on, and no more of it than is new."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pages.data import view
from pages.data.view import RunView, ancestry, view_of
from ppo_engine import Config, RunReader, StepRecord, session
from ppo_engine.store import submit


def test_a_view_reads_only_what_is_new(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    columns = RunReader.columns

    def counted(reader: RunReader, names: list[str], after: int = -1) -> object:
        asked.append(after)
        return columns(reader, names, after)

    monkeypatch.setattr(RunReader, "columns", counted)
    one = RunView(recorded)
    assert list(one.refresh()["step"]) == list(one.refresh()["step"]) == [0, 1, 2, 3]
    assert asked == [-1, 2], "the last step again, since an evaluation may have been added to it"
    assert len(one.recent) == 4 and list(np.diff(one.recent) > 0) == [True] * 3


def test_a_view_is_the_records(recorded: Path) -> None:
    frame, rows = RunView(recorded).refresh(), RunReader(recorded).steps()
    for name in ("env/reward_mean", "objective/kl", "eval/reward_mean"):
        wanted = [row.metrics.get(name, np.nan) for row in rows]
        np.testing.assert_allclose(frame[name], wanted, rtol=1e-6)


def test_the_evaluation_of_a_run_that_is_stopped_reaches_the_curves(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    """It comes after the step, whose row a page has read by then."""
    views: list[RunView] = []

    def evaluated() -> list[bool]:
        return [bool(np.isfinite(x)) for x in views[0].refresh()["eval/reward_mean"]]

    def stop_after_two(record: StepRecord) -> None:
        if record.step == 2:
            views.append(RunView(folder))
            assert evaluated() == [True, False, False]
            submit(folder, "stop", "test")

    folder, owner = session.create(tiny(steps=9, eval_every=9), "tiny-reviews", tmp_path, stop_after_two)
    owner.run()
    assert evaluated() == [True, False, True]


def test_all_who_look_on_share_a_view_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_MOST_VIEWS", 2)
    monkeypatch.setattr(view, "_views", OrderedDict())
    first = view_of(Path("a"))
    assert view_of(Path("a")) is first
    view_of(Path("b")), view_of(Path("a")), view_of(Path("c"))
    assert view_of(Path("a")) is first, "the least recently used goes"
    assert set(view._views) == {Path("a"), Path("c")}


def test_a_branchs_ancestors_are_shown_up_to_where_it_left_them(
    tiny: Callable[..., Config], runs: Path
) -> None:
    parent, owner = session.create(tiny(steps=3, checkpoint_every=1), "tiny-reviews", runs)
    owner.run()
    branch, _ = session.fork(parent, 2, {"seed": 5}, runs)
    before = ancestry(RunReader(branch).info())
    assert before is not None and list(before["step"]) == [0, 1, 2]
    assert ancestry(RunReader(parent).info()) is None
