"""The Update page in a real browser: eleven stages by key and by button, tokens one by one, numbers as
stored, a link that reopens.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from ppo_engine.store import list_runs, newest_job, read_job
from tests.browser.conftest import Server

STAGES = [
    "Prompts", "Sampling", "Score", "Log-probabilities", "Token rewards", "Advantages", "Whitening",
    "Value clip", "Ratio and clip",
    "Loss and step", "The batch again",
]  # fmt: skip


@pytest.fixture
def walked(paused: Page, shared_server: Server) -> Page:
    """The Update page of a run whose first update was taken apart while it was paused. Later
    tests reopen it.
    """
    page, run = paused, list_runs(shared_server.runs)[0]
    if newest_job(run, "walk") is not None:
        page.goto(f"{shared_server.url}/update?run={run.name}&job=1&stage=1")
    else:
        page.get_by_role("link", name="Update").click()
        page.locator(".walk .stepper button").nth(5).click()
        page.get_by_role("button", name="Take an update apart").click()
        expect(page.locator(".walk .running li")).not_to_have_count(0)
        expect(page.locator(".walk .running li.unseen")).to_have_count(0)  # one by one, to the end
        page.locator(".walk .stepper button").first.click()
    page.locator(".walk .cell").first.wait_for()
    return page


def stage(page: Page) -> str:
    return page.locator(".walk .stepper [aria-current] span:not(.mark)").inner_text()


def stored(shared_server: Server, number: int) -> dict[str, Any]:
    result = read_job(list_runs(shared_server.runs)[0], number).result
    assert result is not None and "error" not in result, result
    return result


def heatmap(page: Page, label: str) -> Locator:
    return page.locator(".walk .tensor", has=page.locator("figcaption b", has_text=label))


def numbers(tensor: Locator) -> list[float]:
    return [float(text.replace("−", "-")) for text in tensor.locator(".cell:not(.blank) b").all_inner_texts()]


def flat(rows: list[list[float]]) -> list[float]:
    return [x for row in rows for x in row]


def test_the_link_reopens_the_stage_and_keys_rest_while_one_types(
    walked: Page, tabs: BrowserContext, shared_server: Server
) -> None:
    walked.get_by_role("link", name="Live").click()
    walked.locator(".ppo-board .headline .now").first.wait_for()
    walked.get_by_role("link", name="Update").click()  # which reopens what was on it
    walked.wait_for_url("**job=1**")
    walked.locator(".walk .stepper button").nth(8).click()
    walked.wait_for_url("**stage=9**")
    heatmap(walked, "Ratio").locator(".cell[data-row='1'][data-position='1']").click()
    walked.wait_for_url("**token=1.1**")
    expect(walked.locator(".walk .worked .of").first).to_contain_text("token 2 of sample 1")
    again = tabs.new_page()
    again.goto(walked.url)
    expect(again.locator(".walk .worked .of").first).to_contain_text("token 2 of sample 1")
    assert stage(again) == STAGES[8]
    assert again.locator(".walk .formulas").inner_text() == walked.locator(".walk .formulas").inner_text()
    again.close()

    field = walked.get_by_role("spinbutton", name="Samples in the batch")
    field.fill("2")
    field.press("ArrowRight")
    field.press("?")
    assert stage(walked) == STAGES[8] and walked.get_by_role("dialog", name="Keys on this page").is_hidden()
    walked.locator(".walk article h2").click()
    walked.keyboard.press("?")
    expect(walked.get_by_role("dialog", name="Keys on this page")).to_contain_text("Next stage")
    walked.keyboard.press("Escape")
    walked.keyboard.press(" ")
    expect(walked.get_by_role("button", name="Pause", exact=True).last).to_be_visible()
    expect(walked.locator(".walk .stepper [aria-current]")).to_contain_text(STAGES[9])  # played on by itself
    walked.keyboard.press(" ")
    walked.get_by_role("button", name="Another batch").click()
    walked.wait_for_url("**job=2**")
    expect(walked.locator(".walk .status.done")).to_contain_text("Batch 2.")
    told = stored(shared_server, 2)
    assert (told["batch"], told["seed"]) == (2, 1) and told["samples"][0] != stored(shared_server, 1)[
        "samples"
    ][0]
    field.fill("99")
    field.press("Enter")
    expect(walked.locator(".walk .status.error")).to_contain_text(
        "batch = 99: must be a whole number from 1 to 16"
    )


def test_eleven_stages_by_key_and_by_button_show_what_is_stored(walked: Page, shared_server: Server) -> None:
    told = stored(shared_server, 1)
    assert (told["batch"], told["seed"]) == (4, 0)
    for name in STAGES:  # by key, to the end
        assert stage(walked) == name
        expect(walked.locator(".walk article h2")).to_be_visible()
        assert (
            walked.locator(".walk .formulas .worked").count() >= 1
            and walked.locator(".walk .cell:not(.blank)").count() >= 1
        )
        walked.keyboard.press("ArrowRight")
    expect(walked.locator(".walk .stepper .done")).to_have_count(10)
    columns = {
        10: {"Ratio": told["again"]["ratio"]},
        7: {"Old value": told["tokens"]["value"]},
        6: {"After: mean 0": told["tokens"]["whitened"]},
    }
    columns |= {4: {"Reward": told["tokens"]["reward"]}, 3: {"their difference": told["tokens"]["kl"]}}
    for index in reversed(range(11)):  # by button, back again
        assert stage(walked) == STAGES[index]
        for label, rows in columns.get(index, {}).items():
            # three digits are shown
            assert numbers(heatmap(walked, label)) == pytest.approx(flat(rows), rel=6e-3, abs=1e-9), label
        walked.locator(".walk .bar").get_by_role("button", name="Back", exact=True).click(force=not index)
    expect(walked.locator(".walk .bar").get_by_role("button", name="Back", exact=True)).to_be_disabled()

    walked.locator(".walk .stepper button").nth(4).click()
    cell = heatmap(walked, "Reward").locator(".cell[data-row='2'][data-position='0']")
    cell.click()
    expect(walked.locator(".walk .worked .of").first).to_contain_text("token 1 of sample 2")
    result = walked.locator(".walk .worked .formula").first.inner_text().split(" = ")[-1]
    assert float(result.replace("−", "-")) == pytest.approx(told["tokens"]["reward"][2][0], abs=6e-5)
    cell.hover()
    expect(walked.locator(".ppo-board .tip:visible")).to_contain_text("token 1 of sample 2")


def test_tokens_appear_one_by_one_with_those_that_might_have_been(
    walked: Page, shared_server: Server
) -> None:
    told = stored(shared_server, 1)
    walked.evaluate("""() => {
        window.seen = [];
        const look = () => {
            const cards = [...document.querySelectorAll('.walk .card')];
            const drawn = cards.map(card => card.querySelectorAll('.drawn:not(.unseen)').length);
            if (cards.length) window.seen.push(drawn.join(" "));
            requestAnimationFrame(look);
        };
        look();
    }""")
    walked.keyboard.press("ArrowRight")
    lengths = [len(sample["tokens"]) for sample in told["samples"]]
    walked.wait_for_function("end => window.seen.at(-1) === end", arg=" ".join(map(str, lengths)))
    expected = [" ".join(str(min(count, length)) for length in lengths) for count in range(max(lengths) + 1)]
    assert list(dict.fromkeys(walked.evaluate("() => window.seen"))) == expected
    card = walked.locator(".walk .card").first
    candidates = card.locator(".candidate .word").all_inner_texts()
    assert [text.strip() for text in candidates[:5]] == [
        text.strip() for text, _, _ in told["runners_up"][0][lengths[0] - 1]
    ]
    expect(card.locator(".candidate.taken .word")).to_have_text(told["samples"][0]["tokens"][-1].strip())
    walked.get_by_role("slider", name="Tokens drawn").fill("2")
    expect(card.locator(".drawn:not(.unseen)")).to_have_count(2)
    assert card.locator(".text").inner_text().startswith(told["samples"][0]["query"])

    walked.emulate_media(reduced_motion="reduce")
    walked.locator(".walk .stepper button").nth(5).click()  # the running sum, all of it at once
    assert (
        walked.locator(".walk .running li.unseen").count() == 0
        and walked.locator(".walk .cell.unseen").count() == 0
    )
