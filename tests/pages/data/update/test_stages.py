"""The Update page's stages: every formula with numbers in it is worked again, for every token, and is what
the batch says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from pages.data.update.batch import AFTER, Batch, number
from pages.data.update.stages import STAGES, stages
from ppo_engine import Config
from ppo_engine.session.jobs.requests import UpdateTraceRequest
from ppo_engine.session.jobs.update_trace import update_trace
from tests.engine.runs import trained

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.(\d+))?(?:e(-?\d+))?")
FUNCTIONS = {
    "exp": math.exp,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
    "clip": lambda x, low, high: min(max(x, low), high),
}

KINDS: dict[str, dict[str, Any]] = {
    "ordinary": {
        "temperature": 0.9,
        "gamma": 0.97,
        "ent_coef": 0.01,
        "cliprange": 0.1,
        "cliprange_value": 0.03,
        "learning_rate": 3e-3,
    },
    "ended early": {"target_kl": 1e-4, "learning_rate": 0.01, "max_grad_norm": 0},
    "never begun": {"target_kl": 1e-20, "temperature": 0.9},
    "one token": {"output_max_length": 1, "top_k": 20},
    "many epochs": {"ppo_epochs": 9},
    "another estimator": {"kl_estimator": "k3", "init_kl_coef": 0.5},
}


@pytest.fixture(scope="module")
def walks(tiny: Callable[..., Config]) -> dict[str, dict[str, Any]]:
    return {
        kind: update_trace(
            trained(tiny(steps=9, **changes)), 2, UpdateTraceRequest(1 if kind == "one token" else 4, seed=1)
        )
        for kind, changes in KINDS.items()
    }


def every_look(told: dict[str, Any]) -> list[tuple[tuple[int, int], int]]:
    """Every token in every epoch."""
    places = [(row, t) for row, sample in enumerate(told["samples"]) for t in range(len(sample["tokens"]))]
    return [(place, epoch) for place in places for epoch in [*told["update"]["epochs"], AFTER]]


def read(text: str) -> float:
    return float(text.replace("−", "-"))


def half_unit(match: re.Match[str]) -> float:
    """Half of the last digit shown; 0 for settings and counts, which are shown whole."""
    decimals, power = match[1], match[2]
    return (
        0.0
        if decimals is None or (len(decimals) < 4 and power is None)
        else 0.5 * 10 ** (int(power or 0) - len(decimals))
    )


def check(text: str) -> float:
    """The numbers of "name = expression = result" agree as closely as the digits shown allow. Returns the
    result.
    """
    _, expression, result = text.split(" = ")
    code = expression.replace("−", "-").replace("×", "*").replace("√", "sqrt").replace("²", "**2")
    exact = evaluate(code)
    slack = 0.0
    for match in NUMBER.finditer(code):
        moved = [
            f"{code[: match.start()]}({float(match[0]) + sign * half_unit(match)!r}){code[match.end() :]}"
            for sign in (1, -1)
        ]
        slack += max(abs(evaluate(one) - exact) for one in moved)
    found = NUMBER.search(result.replace("−", "-"))
    assert found is not None, text
    assert abs(read(result) - exact) <= slack + half_unit(found) + 1e-6 * (1 + abs(exact)), text
    return read(result)


def evaluate(code: str) -> float:
    assert re.fullmatch(r"(?:\d+(?:\.\d+)?(?:e-?\d+)?|exp|sqrt|min|max|clip|[-+*/(), ])+", code), code
    return float(eval(code, {"__builtins__": {}}, FUNCTIONS))


@pytest.mark.parametrize("kind", KINDS)
def test_every_formula_with_numbers_is_right(walks: dict[str, dict[str, Any]], kind: str) -> None:
    told = walks[kind]
    columns = {"KL": "kl", "r": "reward", "δ": "delta", "A": "advantage", "R": "return", "Â": "whitened"}
    checked = 0
    for place, epoch in every_look(told):
        row, position = place
        found = stages(told, place, epoch)
        assert found["token"] == [row, position]
        for stage in found["stages"]:
            for line in [*stage["worked"], *stage.get("running", {"lines": []})["lines"]]:
                result = check(line["text"])
                checked += 1
                name = re.match(r"(\D+?)[₀-₉]", line["text"])
                if name and name[1] in columns and line.get("of", "").startswith(f"token {position + 1} of"):
                    stored = told["tokens"][columns[name[1]]][row][position]
                    assert result == pytest.approx(stored, abs=6e-5, rel=6e-4), line
    assert checked >= 9 * len(every_look(told))


def test_what_is_shown_of_an_epoch_is_of_that_epoch(walks: dict[str, dict[str, Any]]) -> None:
    told = walks["ordinary"]
    for epoch, ratio in [
        *zip(told["update"]["epochs"], told["update"]["ratio"], strict=True),
        (AFTER, told["again"]["ratio"]),
    ]:
        stage = stages(told, (1, 0), epoch)["stages"][8]
        (shown,) = [tensor for tensor in stage["tensors"] if tensor["label"].startswith("Ratio")]
        assert shown["values"] == ratio and stage["epochs"]["chosen"] == epoch
        rho, loss = (check(line["text"]) for line in stage["worked"])
        assert rho == pytest.approx(ratio[1][0], abs=6e-5)
        advantage = told["tokens"]["whitened"][1][0]
        assert loss == pytest.approx(max(-advantage * rho, -advantage * min(max(rho, 0.9), 1.1)), abs=2e-4)


@pytest.mark.parametrize("move", [-1.0, -0.01, 0.01, 1.0])
def test_the_value_clip_holds_a_value_on_either_side(walks: dict[str, dict[str, Any]], move: float) -> None:
    told = json.loads(json.dumps(walks["ordinary"]))
    old = told["tokens"]["value"][0][0]
    told["again"]["value"][0][0] = old + move
    held = stages(told, (0, 0), AFTER)["stages"][7]["worked"][0]["text"]
    assert check(held) == pytest.approx(old + min(max(move, -0.03), 0.03), abs=6e-5)


def test_the_running_sum_goes_back_from_the_last_token(walks: dict[str, dict[str, Any]]) -> None:
    told = walks["ordinary"]
    lines = stages(told, (2, 0))["stages"][5]["running"]["lines"]
    length = len(told["samples"][2]["tokens"])
    assert [line["position"] for line in lines] == list(reversed(range(length)))
    assert [line["sum"] for line in lines] == told["tokens"]["advantage"][2][::-1]
    assert lines[0]["text"].split(" = ")[1].endswith("× 0")


def test_eleven_stages_have_words_a_formula_and_tensors_whose_shapes_are_said(
    walks: dict[str, dict[str, Any]],
) -> None:
    words, told = stages(None)["stages"], stages(walks["ordinary"])["stages"]
    assert len(words) == len(told) == len(STAGES) == 11
    for bare, stage in zip(words, told, strict=True):
        assert (
            bare["formulas"] == stage["formulas"]
            and stage["formulas"]
            and bare["tensors"] == bare["worked"] == []
        )
        assert 2 <= len(re.findall(r"[.:](?: |$)", stage["explanation"])) <= 5
        assert stage["worked"] and stage["tensors"]
        for tensor in stage["tensors"]:
            rows, columns = map(int, re.match(r"\((\d+), (\d+)\): ", tensor["shape"]).groups())  # type: ignore[union-attr]
            assert len(tensor["values"]) == rows
            assert max(len(row or ()) for row in tensor["values"]) == columns
            assert tensor["scale"]["kind"] == "none" or tensor["scale"]["limit"] > 0
    count = sum(len(sample["tokens"]) for sample in walks["ordinary"]["samples"])
    assert f"{count} counted" in told[3]["tensors"][0]["shape"]
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("kind", ["never begun", "failed"])
def test_an_update_that_did_not_happen_says_why_at_every_stage_that_needs_it(
    walks: dict[str, dict[str, Any]], kind: str
) -> None:
    told = walks.get(kind) or {
        **walks["ordinary"],
        "again": None,
        "trouble": "The update failed: the loss is nan.",
    }
    if kind == "failed":
        told["update"] = {**told["update"], "epochs": [], "gradient_steps": 0, "means": {}}
    found = stages(told)["stages"]
    for stage in found[7:]:
        assert told["trouble"] in stage["note"]
    assert all(stage["tensors"] for stage in found[:9])


def test_a_batch_without_finite_numbers_still_has_stages(walks: dict[str, dict[str, Any]]) -> None:
    told = json.loads(json.dumps(walks["ordinary"]))
    for rows in told["tokens"].values():
        for row in rows:
            row[:] = [None] * len(row)
    told |= {
        "again": None,
        "trouble": "The update failed.",
        "whitening": {"mean": None, "var": None, "count": 9.0},
    }
    told["update"] |= {"epochs": [], "means": {}, "losses": [None], "grad_norms": [None], "gradient_steps": 0}
    found = stages(told)["stages"]
    assert "–" in found[4]["worked"][0]["text"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("token", [(99, 0), (0, 99), (-1, 0), None])
def test_a_token_that_is_not_there_gives_way_to_the_one_that_moved_most(
    walks: dict[str, dict[str, Any]], token: Any
) -> None:
    told = walks["ordinary"]
    row, position = stages(told, token)["token"]
    ratio = told["again"]["ratio"]
    inside = [abs(x - 1) for one in ratio for x in one[:-1]]
    assert abs(ratio[row][position] - 1) == max(inside)
    assert Batch(told, None, 77).epoch in told["update"]["epochs"]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.3, "0.3000"),
        (-2.81234, "−2.8123"),
        (0.012348, "0.01235"),
        (3.1e-5, "3.100e−5"),
        (0, "0"),
        (None, "–"),
        (1234567.0, "1234567.0000"),
    ],
)
def test_numbers_in_formulas_can_be_read_back(x: float | None, text: str) -> None:
    assert number(x) == text
