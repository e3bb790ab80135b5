"""The sidebar commands the run that the page shows, and a tab's own draft survives whatever other tabs do."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from streamlit.testing.v1 import AppTest

from pages.ui.sidebar import settings
from ppo_engine import Config, RunReader, session
from ppo_engine.config import FIELDS
from ppo_engine.store import list_runs
from tests.pages.components import app, board, press, said, tell, wait_until
from tests.pages.door import answer

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture
def ended(tiny: Callable[..., Config], runs: Path) -> Path:
    """A run that has finished."""
    folder, owner = session.create(tiny(seed=5), "tiny-reviews", runs)
    owner.run()
    return folder


@pytest.fixture
def both(ended: Path, running: session.Session) -> Iterator[tuple[Path, session.Session]]:
    """A run that has finished, and a later one that is on."""
    yield ended, running


def buttons(page: AppTest) -> dict[str, bool]:
    """Every button's label, and whether it can be pressed."""
    return {button.label: not button.disabled for button in page.button}


def heading(page: AppTest) -> str:
    return next(one.value for one in page.sidebar.markdown if one.value.startswith("**")).replace("\\", "")


def test_an_ended_run_shown_while_another_trains_takes_no_edit_for_it(
    both: tuple[Path, session.Session],
) -> None:
    ended, on = both
    page = app(run=ended.name)
    assert heading(page) == f"**{RunReader(ended).info().name}**: finished"
    page.number_input(key="knob-lam").set_value(0.5).run()
    assert not any(one.value.startswith("Pending") for one in page.markdown) and "Apply" not in buttons(page)
    assert not page.number_input(key="knob-seed").disabled, "it is a draft for the next run"
    able = buttons(page)
    assert not any(able[name] for name in ("Stop", "Pause", "Resume", "Step", "Checkpoint")) and able["Start"]
    name = RunReader(on.folder).info().name
    page.button(key="go-to-other").click().run()
    assert heading(page).startswith(f"**{name}**: paused") and "run" not in page.query_params
    assert page.number_input(key="knob-lam").value == 0.95 and RunReader(on.folder).info().config_version == 0
    page.query_params["run"] = ended.name
    page.run()
    assert page.number_input(key="knob-lam").value == 0.5


def test_the_run_that_is_on_is_named_where_it_is_not_shown(both: tuple[Path, session.Session]) -> None:
    ended, on = both
    page = app(run=ended.name)
    assert (
        page.button(key="go-to-other").label.replace("\\", "")
        == f"Go to {RunReader(on.folder).info().name} (training)"
    )
    assert "go-to-other" not in [one.key for one in app().button]
    session.command(on.folder, "stop")
    on.thread.join(30)
    page.run()
    assert page.button(key="go-to-other").label.endswith("(newer)")


def test_another_page_shows_the_same_run(both: tuple[Path, session.Session]) -> None:
    ended, _ = both
    page = app(run=ended.name)
    del page.query_params["run"]  # as Streamlit's links to pages do
    page.switch_page("../metrics.py").run()
    assert heading(page).startswith(f"**{RunReader(ended).info().name}**")


def test_a_draft_is_kept_while_another_tab_trains(tiny: Callable[..., Config], runs: Path) -> None:
    page = app(**tiny().changes_from("tiny-reviews"))
    page.number_input(key="knob-seed").set_value(77).run()
    page.number_input(key="knob-mini_batch_size").set_value(9).run()  # not even allowed, and still a person's
    begun = session.start(tiny(steps=50), "tiny-reviews", runs)
    wait_until(lambda: RunReader(begun.folder).info().last_step >= 1)
    page.run()
    assert (
        page.number_input(key="knob-seed").value,
        page.number_input(key="knob-mini_batch_size").value,
    ) == (0, 3)
    assert any(
        "Your own settings for the next run, or this link's, are kept" in one.value for one in page.caption
    )
    page.number_input(key="knob-lam").set_value(0.5).run()
    session.shutdown()
    page.run()
    values = [page.number_input(key=f"knob-{name}").value for name in ("seed", "mini_batch_size", "lam")]
    assert values == [77, 9, 0.5], "what was staged and not applied is not lost either"


@pytest.mark.parametrize("opened", ["by its settings", "by nothing"])
def test_the_form_stays_as_it_is_when_its_run_ends(opened: str, running: session.Session) -> None:
    page = app(
        **(
            RunReader(running.folder).info().config.changes_from("tiny-reviews")
            if opened == "by its settings"
            else {}
        )
    )
    page.number_input(key="knob-lam").set_value(0.5).run()
    page.number_input(key="knob-gamma").set_value(0.9).run()
    session.command(running.folder, "edit", changes={"gamma": 0.9})
    wait_until(lambda: RunReader(running.folder).info().config_version == 1)
    page.run()
    press(page, "Stop")
    running.thread.join(30)
    page.run()
    assert (page.number_input(key="knob-lam").value, page.number_input(key="knob-gamma").value) == (0.5, 0.9)


def test_start_takes_the_settings_of_the_press(running: session.Session, runs: Path) -> None:
    """The other run has to end first, and by then the fields may show something else."""
    page = app()
    page.number_input(key="knob-lam").set_value(0.5).run()
    press(page, "Start")
    press(page, "Stop it and start")
    running.thread.join(30)
    page.run()
    begun = session.current()
    assert begun is not None and begun.folder == list_runs(runs)[0] != running.folder
    assert RunReader(begun.folder).info().config.lam == 0.5
    assert heading(page).startswith(f"**{RunReader(begun.folder).info().name}**")


def test_a_run_that_failed_before_its_first_step_offers_its_field_and_no_resume(
    tiny: Callable[..., Config], runs: Path
) -> None:
    page = app(**tiny(model_name="/no/such/model").changes_from("tiny-reviews"))
    press(page, "Start")
    failed = session.current()
    assert failed is not None
    failed.thread.join(60)
    page.run()
    assert not buttons(page)["Resume"] and not buttons(page)["Branch a new run"]
    notice = answer(f"runs/{failed.folder.name}/live")["notice"]["text"]
    assert "Resume" not in notice and "checkpoint" not in notice and "Start to try again" in notice
    assert "model_name = /no/such/model: no such folder" in page.sidebar.error[0].value
    assert "knob-model_name" not in [
        one.key for group in page.sidebar.expander for one in group.text_input
    ], "it is beside the message"
    page.text_input(key="knob-model_name").set_value(tiny().model_name).run()
    press(page, "Start")
    begun = session.current()
    assert begun is not None and begun is not failed
    begun.thread.join(60)
    page.run()
    assert RunReader(begun.folder).info().state == "finished" and not page.sidebar.error


def test_changed_files_are_named_and_gone_on_with_when_a_person_says_so(
    tiny: Callable[..., Config], world: Path, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(world / "classifier", tmp_path / "classifier")
    begun = session.start(tiny(steps=50, reward_model=str(tmp_path / "classifier")), "tiny-reviews", runs)
    wait_until(lambda: RunReader(begun.folder).info().last_step >= 1)
    session.shutdown()
    weights = tmp_path / "classifier" / "model.safetensors"
    save_file(
        {name: tensor * 1.001 for name, tensor in load_file(weights).items()}, weights, {"format": "pt"}
    )
    page = app()
    assert "accept-changed" not in [one.key for one in page.button]
    press(page, "Resume")
    current = session.current()
    assert current is not None
    current.thread.join(60)
    page.run()
    assert "classifier: its weights changed since the run began" in said(page)
    page.button(key="accept-changed").click().run()
    wait_until(lambda: RunReader(begun.folder).info().state == "running")
    page.run()
    assert "classifier" not in said(page)
    items = answer(f"runs/{begun.folder.name}/live")["parts"]["history"]["items"]
    assert any("Continued with changed sources: classifier" in item["text"] for item in items)


def test_a_stamp_that_was_on_its_way_takes_back_nothing() -> None:
    """The browser sends all fields' values along with a component's, the old one too of a field that was just
    set here.
    """
    page = app()
    page.number_input(key="knob-lam").set_value(0.5)
    tell(page, "board", stamp={"stamp": "another", "address": ""})
    assert page.number_input(key="knob-lam").value == 0.95
    page.number_input(key="knob-lam").set_value(0.5).run()
    assert page.number_input(key="knob-lam").value == 0.5


def test_a_person_is_heard_on_the_page_after_one_that_a_stamp_had_made_anew() -> None:
    page = app()
    stamp = {"stamp": "another", "address": ""}
    tell(page, "board", stamp=stamp)
    tell(page.switch_page("../metrics.py"), "board", stamp=stamp)  # as it was on the page that is left
    page.number_input(key="knob-lam").set_value(0.5).run()
    assert page.number_input(key="knob-lam").value == 0.5
    tell(page, "top", stamp=stamp)
    tell(page.switch_page("../live.py"), "top", stamp=stamp)
    page.number_input(key="knob-lam").set_value(0.7).run()
    assert page.number_input(key="knob-lam").value == 0.7


@pytest.mark.parametrize("ends", ["run", "field", "page"])
def test_a_message_goes_with_its_cause(ends: str, running: session.Session) -> None:
    page = app()
    page.button(key="press-Pause").proto.disabled = False
    press(page, "Pause")
    assert len(page.error) == 1 and "pressed too late" in board(page)["problem"]
    page.run()
    assert len(page.error) == 1
    if ends == "run":
        session.command(running.folder, "stop")
        running.thread.join(30)
    elif ends == "field":
        page.number_input(key="knob-lam").set_value(0.5)
    else:
        page.switch_page("../metrics.py")
    page.run()
    assert not page.error and board(page)["problem"] == "" if ends != "page" else not page.error


def test_what_a_link_could_not_bring_is_said_until_the_form_is_changed() -> None:
    page = app(lam="7")
    assert "lam = 7: must be a number from 0 to 1" in said(page)
    page.run()
    assert said(page)
    page.number_input(key="knob-seed").set_value(3).run()
    assert not said(page)


PAGES = [
    "../live.py",
    "../tokens.py",
    "../update.py",
    "../what_if.py",
    "../playground.py",
    "../runs.py",
    "../metrics.py",
]
ODD = [
    "self",
    "cls",
    "name",
    "values",
    "preset",
    "changes",
    "key",
    "run",
    "step",
    "sample",
    "token",
    "epoch",
    "colour",
    "job",
    "stage",
    "what",
]
VALUES = [
    "",
    "1",
    "-1",
    "1.5",
    "x",
    "self",
    "9" * 40,
    "1.2",
    "lam:7",
    "tiny-reviews",
    "\u202e<b>",
    "knob-steps",
    "None",
]


@pytest.mark.parametrize("seed", range(3))
def test_no_address_and_no_order_of_pages_raises(
    seed: int, ended: Path, tiny: Callable[..., Config], runs: Path
) -> None:
    draw = random.Random(seed)
    page = AppTest.from_file(str(Path(__file__).parents[2] / "pages" / "ui" / "shell.py"), default_timeout=60)
    for turn in range(14):
        for name in draw.sample([*ODD, *FIELDS], 4):
            page.query_params[name] = draw.choice([*VALUES, ended.name])
        if draw.random() < 0.4:
            page.query_params.clear()
        if turn:
            page.switch_page(draw.choice(PAGES))
        if turn == 5:
            session.start(tiny(steps=50), "tiny-reviews", runs)
        elif turn == 10:
            session.shutdown()
        page.run()
        assert not page.exception, (turn, page.query_params, page.exception)


def test_fields_that_streamlit_has_dropped_come_back_with_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run of the script that ends before a field is drawn loses its value, but not ours."""
    page = app()
    page.number_input(key="knob-lam").set_value(0.5).run()
    with monkeypatch.context() as broken:
        broken.setattr(settings, "_fields", lambda on, elsewhere: 1 / 0)
        assert page.run().exception
    page.run()
    assert not page.exception and page.number_input(key="knob-lam").value == 0.5


def test_a_bad_link_is_answered_while_another_run_is_on(tiny: Callable[..., Config], runs: Path) -> None:
    begun = session.start(tiny(steps=500), "tiny-reviews", runs)
    wait_until(lambda: RunReader(begun.folder).info().last_step >= 1)
    page = app(steps="-4", gamma="0.5")
    assert any("steps = -4: must be a whole number" in one.value for one in page.warning)
    assert any("or this link's, are kept" in one.value for one in page.caption)
    session.shutdown()
