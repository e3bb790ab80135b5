"""The Tokens page alone: what it shows, what it says where there is nothing, and what an address reopens."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.tokens import microscope
from pages.ui.tokens.microscope import ViewState
from ppo_engine import Config, RunReader, ppo, session
from ppo_engine.store.schema import connect
from tests.pages.components import SHELL, never_updated, payloads

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture
def run(tiny: Callable[..., Config], runs: Path) -> Path:
    """A finished run of three steps whose clips bind."""
    folder, owner = session.create(
        tiny(steps=3, ppo_epochs=3, learning_rate=5e-3, target_kl=0.0), "tiny-reviews", runs
    )
    owner.run()
    return folder


def tokens_page(**query: str) -> AppTest:
    page = AppTest.from_file(SHELL, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run().switch_page("../tokens.py").run()


def shown(page: AppTest) -> dict[str, Any]:
    assert not page.exception
    boards = payloads(page)
    (found,) = [board["microscope"] for board in boards if board.get("only") == "microscope"]
    return dict(found)


def test_without_a_run_it_says_what_to_do() -> None:
    page = tokens_page()
    assert not page.exception and "Press Start" in page.info[0].value


def test_it_opens_on_the_newest_step_and_its_numbers_are_the_records(run: Path) -> None:
    data, tokens = shown(tokens_page()), RunReader(run).tokens(3)
    assert tokens is not None
    assert (data["following"], data["look"]["step"], data["look"]["sample"], data["look"]["epoch"]) == (
        True,
        3,
        0,
        2,
    )
    mine = tokens.sample == 0
    assert data["sample"]["text"] == [
        text for text, is_mine in zip(tokens.text, mine, strict=True) if is_mine
    ]
    assert data["sample"]["whitened"] == pytest.approx(tokens.whitened[mine].tolist(), rel=1e-4)
    assert data["sample"]["ratio"][2] == pytest.approx(tokens.ratio[mine, 2].tolist(), rel=1e-4)
    assert data["story"]["advantage"] == float(tokens.advantage[0]) and len(data["story"]["epochs"]) == 3


def test_an_address_reopens_the_view(run: Path) -> None:
    data = shown(tokens_page(step="2", sample="1", token="0", epoch="1", colour="ratio", run=run.name))
    assert (
        data["look"] == {"step": 2, "sample": 1, "token": 0, "epoch": 1, "colour": "ratio"}
        and not data["following"]
    )


def test_the_batch_is_left_out_where_the_browser_has_it(run: Path) -> None:
    whole = microscope.payload(run, ViewState(step=2))
    assert whole is not None and len(whole["batch"]["samples"]) == len(RunReader(run).samples(2))
    lean = microscope.payload(run, ViewState(step=2, token=1, has=whole["batch_key"]))
    assert lean is not None and lean["batch"] is None and lean["look"]["token"] == 1
    for other in (
        ViewState(step=3, has=whole["batch_key"]),
        ViewState(step=2, epoch=0, has=whole["batch_key"]),
    ):
        made = microscope.payload(run, other)
        assert made is not None and made["batch"] is not None


@pytest.mark.parametrize(
    "query",
    [
        {"step": "x"},
        {"sample": "999"},
        {"token": "999"},
        {"epoch": "77"},
        {"colour": "<b>"},
        {"step": "9" * 40},
    ],
)
def test_an_address_that_cannot_be_read_opens_the_page_all_the_same(query: dict[str, str], run: Path) -> None:
    data = shown(tokens_page(**query))
    assert data["story"] and data["look"]["colour"] == "whitened"


def test_every_token_is_in_one_case_and_those_in_two_are_cut(run: Path) -> None:
    data, tokens = shown(tokens_page(epoch="2")), RunReader(run).tokens(3)
    assert tokens is not None
    cases = data["batch"]["scatter"]["cases"]
    assert [one["name"] for one in cases] == list(ppo.CLIP_CASES)
    assert sum(one["count"] for one in cases) == len(tokens) == len(data["batch"]["scatter"]["ratio"])
    assert sum(one["count"] for one in cases if one["cut"]) == tokens.policy_clip[:, 2].sum() > 0


def test_a_step_whose_tokens_are_gone_offers_the_nearest_that_has_them(run: Path) -> None:
    with closing(connect(run, read_only=False)) as connection:
        connection.execute("delete from token_blocks where step < 3")
        connection.commit()
    made = microscope.payload(run, ViewState(step=1))
    assert made is not None
    assert (
        made["missing"] == "Step 1 has no stored tokens. The nearest step with stored tokens is 3."
        and made["look"]["step"] == 3
    )


def test_a_run_without_any_tokens_left_says_so(run: Path) -> None:
    with closing(connect(run, read_only=False)) as connection:
        connection.execute("delete from token_blocks")
        connection.commit()
    page = tokens_page()
    assert not page.exception and "no longer stored" in page.info[0].value


def test_an_update_that_never_began_still_makes_a_page_that_json_can_say(
    tiny: Callable[..., Config], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As runs of earlier versions have it, which did not record the minibatch that ended an update."""
    folder, owner = session.create(tiny(steps=2), "tiny-reviews", runs)
    owner.run()
    recorded = RunReader.tokens
    monkeypatch.setattr(RunReader, "tokens", lambda self, step: never_updated(recorded(self, step)))
    made = microscope.payload(folder, ViewState())
    assert made is not None and made["epochs"] == 0 and made["batch"]["scatter"]["ratio"] == []
    json.dumps(made, allow_nan=False)
    assert not tokens_page().exception


def test_damaged_tokens_are_said_not_raised(run: Path) -> None:
    with closing(connect(run, read_only=False)) as connection:
        connection.execute("update token_blocks set block = substr(block, 1, 100)")
        connection.commit()
    page = tokens_page()
    assert not page.exception and "damaged tokens" in page.error[0].value.replace("\\", "")


def test_an_update_that_ended_at_once_has_no_epochs_and_says_how_many_it_missed(
    tiny: Callable[..., Config], runs: Path
) -> None:
    """With a KL limit of almost nothing the second minibatch already stops the update: only a part of the
    first epoch is entered.
    """
    _, owner = session.create(tiny(steps=1, learning_rate=1e-2, target_kl=1e-9), "tiny-reviews", runs)
    owner.run()
    data = shown(tokens_page(epoch="1"))
    assert (data["epochs"], data["look"]["epoch"]) == (
        1,
        0,
    ), "the last epoch is the last that the update came to"
    assert data["batch"]["scatter"]["unreached"] > 0 and data["batch"]["scatter"]["ratio"]
    assert sum(one["count"] for one in data["batch"]["scatter"]["cases"]) == len(
        data["batch"]["scatter"]["ratio"]
    )
