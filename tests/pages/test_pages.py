"""Each page alone, as Streamlit's own test runner runs it, and the rules that no page may break."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit import config as streamlit_config
from streamlit.testing.v1 import AppTest

from pages.data.folder import EXAMPLE
from pages.ui import messages
from ppo_engine import METRICS, Config, RunReader, session
from ppo_engine.config import FIELDS
from ppo_engine.store import describe, list_runs
from tests.pages.components import ROOT, app, board, press, said, wait_until

pytestmark = pytest.mark.usefixtures("runs")


def test_the_live_page_opens_without_a_run() -> None:
    page = app()
    assert not page.exception
    assert board(page)["run"] == EXAMPLE.name


def test_the_metrics_page_defines_every_metric() -> None:
    page = app()
    page.switch_page("../metrics.py").run()
    assert not page.exception
    text = "\n".join(str(element.value) for element in page.markdown)
    assert all(f"`{name}`" in text for name in METRICS)


def test_a_search_among_the_metrics_is_kept_in_the_address() -> None:
    page = app().switch_page("../metrics.py").run()
    page.text_input(key="search").set_value("clip").run()
    assert not page.exception and page.query_params["search"] == "clip"
    cards = [one.value for one in page.main.markdown if one.value.startswith("`")]
    assert 0 < len(cards) < len(METRICS) and "`ppo/policy/clipfrac`" in cards
    linked = app().switch_page("../metrics.py")
    linked.query_params["search"] = "clip"
    linked.run()
    assert [one.value for one in linked.main.markdown if one.value.startswith("`")] == cards
    assert not linked.warning, "it is no setting"


@pytest.mark.parametrize(
    "page_file", ["live.py", "metrics.py", "playground.py", "runs.py", "tokens.py", "update.py", "what_if.py"]
)
def test_each_page_runs_alone(page_file: str) -> None:
    assert not AppTest.from_file(str(ROOT / "pages" / page_file), default_timeout=60).run().exception


def test_the_sidebar_has_every_setting_of_the_configuration_and_no_other() -> None:
    page = app()
    keys = {
        element.key
        for kind in (page.number_input, page.text_input, page.selectbox, page.toggle)
        for element in kind
        if element.key
    }
    assert {key.removeprefix("knob-") for key in keys if key.startswith("knob-")} == set(FIELDS)


def test_a_preset_fills_the_form() -> None:
    page = app()
    page.selectbox(key="preset").set_value("gpt2-imdb").run()
    assert page.number_input(key="knob-learning_rate").value == Config().learning_rate
    assert page.text_input(key="knob-model_name").value == "lvwerra/gpt2-imdb"


def test_start_trains_with_the_forms_settings_and_locks_them(tiny: Callable[..., Config], runs: Path) -> None:
    page = app(**tiny(steps=1_000_000, seed=11).changes_from("tiny-reviews"))
    assert not page.warning
    next(button for button in page.button if button.label == "Start").click().run()
    running = session.current()
    assert running is not None and running.alive
    assert RunReader(running.folder).info().config == tiny(steps=1_000_000, seed=11)
    page.run()
    assert page.number_input(key="knob-seed").disabled and not page.number_input(key="knob-lam").disabled
    next(button for button in page.button if button.label == "Start").click().run()
    assert any(
        RunReader(running.folder).info().name in warning.value.replace("\\", "") for warning in page.warning
    )
    next(button for button in page.button if button.label == "Stop").click().run()
    running.thread.join(30)
    assert RunReader(running.folder).info().state == "stopped"
    page.run()
    assert not page.number_input(key="knob-seed").disabled


def test_changes_are_staged_then_applied_together(running: session.Session) -> None:
    page = app()
    page.number_input(key="knob-lam").set_value(0.5).run()
    page.number_input(key="knob-cliprange").set_value(0.3).run()
    pending = next(element.value for element in page.markdown if element.value.startswith("Pending"))
    assert "Lambda (λ): 0.95 → **0.5**" in pending and "Policy clip range: 0.2 → **0.3**" in pending
    assert RunReader(running.folder).info().config.lam == 0.95
    press(page, "Apply")
    wait_until(lambda: RunReader(running.folder).info().config_version == 1)
    config = RunReader(running.folder).info().config
    assert (config.lam, config.cliprange) == (0.5, 0.3)
    page.run()
    assert not any(element.value.startswith("Pending") for element in page.markdown)
    assert page.number_input(key="knob-lam").value == 0.5


def test_staged_changes_that_cannot_be_say_so_and_can_be_discarded(running: session.Session) -> None:
    page = app()
    page.number_input(key="knob-mini_batch_size").set_value(9).run()
    assert any("mini_batch_size = 9: must be at most batch_size" in error.value for error in page.error)
    assert next(button for button in page.button if button.label == "Apply").disabled
    press(page, "Discard")
    assert page.number_input(key="knob-mini_batch_size").value == 3 and not page.error


def test_another_tabs_edit_reaches_this_form_but_not_what_is_staged_here(running: session.Session) -> None:
    page = app()
    page.number_input(key="knob-lam").set_value(0.5).run()
    session.command(running.folder, "edit", changes={"lam": 0.7, "gamma": 0.9})
    wait_until(lambda: RunReader(running.folder).info().config_version == 1)
    page.run()
    assert page.number_input(key="knob-gamma").value == 0.9 and page.number_input(key="knob-lam").value == 0.5


def test_a_stopped_run_resumes_with_one_press(running: session.Session) -> None:
    page = app()
    press(page, "Stop")
    running.thread.join(30)
    page.run()
    press(page, "Resume")
    resumed = session.current()
    assert (
        resumed is not None and resumed is not running and resumed.folder == running.folder and resumed.alive
    )
    wait_until(lambda: RunReader(running.folder).info().state == "running")


def test_a_resume_that_was_drawn_for_a_paused_run_takes_up_the_one_that_has_stopped(
    running: session.Session,
) -> None:
    page = app()
    session.command(running.folder, "stop")
    running.thread.join(30)
    press(page, "Resume")
    assert not page.error
    wait_until(lambda: RunReader(running.folder).info().state == "running")


def test_a_resume_that_another_tab_was_quicker_with_is_refused_in_words(running: session.Session) -> None:
    page = app()
    press(page, "Stop")
    running.thread.join(30)
    page.run()
    session.resume(running.folder)
    press(page, "Resume")
    assert not page.exception
    assert "another tab resumed it" in page.error[0].value.replace("\\", "")
    assert "another tab resumed it" in board(page)["problem"]


def test_a_branch_of_a_finished_run_is_offered_from_a_step_that_leaves_some(
    tiny: Callable[..., Config], runs: Path
) -> None:
    _, owner = session.create(tiny(steps=3, checkpoint_every=1), "tiny-reviews", runs)
    owner.run()
    page = press(app(), "Branch a new run")
    step = next(box for box in page.selectbox if box.label == "From the checkpoint after step")
    assert (step.value, step.options[0]) == (2, "3") and not page.error


def test_a_press_on_its_way_while_its_button_was_greyed_is_answered(running: session.Session) -> None:
    page = app()
    page.button(key="press-Pause").proto.disabled = False  # as in a browser that has not drawn it greyed yet
    press(page, "Pause")
    assert not page.exception
    assert "Pause was pressed too late: the run is now paused" in page.error[0].value.replace("\\", "")
    page.run()
    assert len(page.error) == 1


def test_the_runs_page_lists_runs_and_finds_them(tiny: Callable[..., Config], runs: Path) -> None:
    page = app()
    page.switch_page("../runs.py").run()
    assert not page.exception and "No runs yet" in page.info[0].value
    folders = []
    for seed in (1, 2):
        folder, owner = session.create(tiny(seed=seed), "tiny-reviews", runs)
        owner.run()
        folders.append(folder)
    describe(folders[0], name="<b>bold</b> $x$", tags=["first"])
    page.run()
    assert not page.exception and list(page.dataframe[0].value["name"])[1] == "<b>bold</b> $x$"
    page.text_input(key="runs_search").set_value("first").run()
    assert len(page.dataframe[0].value) == 1
    page.text_input(key="runs_search").set_value("no such").run()
    assert "Clear the search" in page.info[0].value


def test_a_deleted_run_warns_of_its_branches_and_can_be_taken_back(
    tiny: Callable[..., Config], runs: Path
) -> None:
    parent, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    branch, owner = session.fork(parent, 2, {"steps": 3}, runs)
    owner.run()
    page = app()
    page.session_state["chosen_runs"] = [parent.name]
    page.switch_page("../runs.py").run()
    assert RunReader(branch).info().name in page.warning[0].value.replace("\\", "")
    page.checkbox[0].check().run()
    press(page, "Delete the run")
    assert list_runs(runs) == [branch] and page.toast[0].value.endswith("moved to the trash\\.")
    press(page, "Restore")
    assert list_runs(runs) == [branch, parent] and not page.exception


def test_what_is_refused_on_the_runs_page_is_said_there(tiny: Callable[..., Config], runs: Path) -> None:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    page = app()
    page.session_state["chosen_runs"] = [folder.name]
    page.switch_page("../runs.py").run()
    next(field for field in page.text_input if field.label.startswith("Tags")).set_value("x" * 500)
    press(page, "Save")
    assert not page.exception
    assert [error.value.count("tag = ") for error in page.error] == [
        1,
        1,
    ], "in the sidebar and beside the run"


def test_an_ended_runs_settings_can_be_taken_over(tiny: Callable[..., Config], runs: Path) -> None:
    _, owner = session.create(tiny(lam=0.5), "tiny-reviews", runs)
    owner.run()
    page = app()
    assert page.number_input(key="knob-lam").value == 0.95
    page.button(key="take-over").click().run()
    assert page.number_input(key="knob-lam").value == 0.5
    assert page.query_params["lam"] == "0.5" and "take-over" not in [button.key for button in page.button]


@pytest.mark.parametrize("names", [("query", "setting"), ("same", "same"), ("alpha", "alpha: score")])
def test_runs_of_any_names_can_be_compared(
    names: tuple[str, str], tiny: Callable[..., Config], runs: Path
) -> None:
    for seed, name in enumerate(names):
        folder, owner = session.create(tiny(seed=seed), "tiny-reviews", runs)
        owner.run()
        describe(folder, name=name)
    page = app()
    page.session_state["chosen_runs"] = [folder.name for folder in list_runs(runs)]
    page.switch_page("../runs.py").run()
    assert not page.exception
    assert "2 runs compared" in [one.value for one in page.subheader]
    assert len(page.dataframe) == 3


@pytest.mark.parametrize("text", ["__x__", "_hidden_", "**b** $x$ :red[c]", "# a\n\n    b", "<i>"])
def test_inert_text_escapes_all_that_markdown_reads(text: str) -> None:
    assert not re.search(r"(?<!\\)[^\w\s\\]|(?<!\\)_|\n|  ", messages.inert(text))


def test_a_run_of_another_process_is_shown_read_only(
    running: session.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the second of two servers on one folder sees it."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    page = app()
    assert all(
        button.disabled
        for button in page.button
        if button.label in ("Pause", "Resume", "Step", "Stop", "Checkpoint")
    )
    assert any("read-only here" in caption.value for caption in page.caption)


def test_a_link_opens_the_run_that_it_names_and_leaves_the_rest_to_the_browser(
    tiny: Callable[..., Config], runs: Path
) -> None:
    folders = []
    for seed in (1, 2):
        folder, owner = session.create(tiny(seed=seed), "tiny-reviews", runs)
        owner.run()
        folders.append(folder)
    newest, page = board(app()), app(run=folders[0].name, step="1", sample="3")
    assert newest["run"] == folders[1].name and board(page)["run"] == folders[0].name
    kept = page.query_params
    assert (kept["run"], kept["step"], kept["sample"]) == (folders[0].name, "1", "3"), (
        "for the browser to read"
    )


@pytest.mark.parametrize(
    "query",
    [
        {"step": "x", "sample": "1"},
        {"step": "9" * 30, "sample": "0"},
        {"step": "77", "sample": "2"},
        {"run": "../../etc"},
    ],
)
def test_a_broken_link_still_opens_the_page(
    query: dict[str, str], tiny: Callable[..., Config], runs: Path
) -> None:
    folder, owner = session.create(tiny(), "tiny-reviews", runs)
    owner.run()
    page = app(**query)
    assert not page.exception and board(page)["run"] == folder.name


def test_a_run_that_cannot_be_read_is_said_not_raised(runs: Path) -> None:
    (runs / "20260101-broken").mkdir(parents=True)
    (runs / "20260101-broken" / "run.sqlite").write_bytes(b"no database" * 500)
    page = app()
    assert not page.exception
    assert "The newest run, 20260101-broken, cannot be shown" in said(
        page
    ) and "Showing a recorded example" in said(page)


DANGEROUS = re.compile(
    r"unsafe_allow_html|st\.html|components\.v1|\.innerHTML|insertAdjacentHTML|document\.write|\beval\("
)


OWN_FILES = sorted(path for path in (ROOT / "pages").rglob("*.*") if path.parent.name != "vendor")


@pytest.mark.parametrize("path", OWN_FILES, ids=lambda path: path.name)
def test_no_page_can_turn_text_into_markup(path: Path) -> None:
    """Model text reaches the page through textContent alone; what could render it otherwise is not used at
    all.
    """
    if path.suffix in (".py", ".js"):
        assert not DANGEROUS.search(path.read_text())


def test_streamlits_options_still_exist() -> None:
    """`postScriptGC` is a hidden option; a renamed option would be ignored without a word."""
    for section, options in tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text()).items():
        for name, value in options.items():
            if not isinstance(value, dict):
                assert f"{section}.{name}" in streamlit_config.get_config_options(), f"{section}.{name}"
    assert streamlit_config.get_option("runner.postScriptGC") is False
