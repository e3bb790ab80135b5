"""One update taken apart: it is the step that the trainer would take, and the run never knows that it was
asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ppo_engine import Config, ConfigError, StepRecord, Trainer, ppo, session
from ppo_engine.records import first_difference
from ppo_engine.session.jobs.requests import LARGEST_SEED, UpdateTraceRequest
from ppo_engine.session.jobs.update_trace import EPOCHS_KEPT, update_trace
from ppo_engine.session.jobs.work import work
from ppo_engine.store import ask_job, newest_job
from tests.engine.runs import Run, trained
from tests.engine.session.jobs.test_playground import answer

Tiny = Callable[..., Config]
SETTINGS = {
    "temperature": 0.9,
    "gamma": 0.97,
    "ent_coef": 0.01,
    "cliprange": 0.1,
    "cliprange_value": 0.03,
    "learning_rate": 3e-3,
}
NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def trainer(tiny: Tiny) -> Trainer:
    return trained(tiny(steps=9, **SETTINGS))


@pytest.fixture(scope="module")
def told(trainer: Trainer) -> dict[str, Any]:
    return update_trace(trainer, 2, UpdateTraceRequest(4, 5))


def flat(rows: list[list[Any]]) -> np.ndarray[Any, Any]:
    return np.array([x for row in rows for x in row])


def test_it_is_the_step_that_the_trainer_would_take(tiny: Tiny, told: dict[str, Any]) -> None:
    """The same trainer, its generators set to the walk's random numbers, takes a real step: every token has
    the same numbers.
    """
    trainer = trained(tiny(steps=9, **SETTINGS))
    trainer.config = trainer.config.changed(batch_size=4)
    trainer._openings.order = []
    for i, name in enumerate(("openings", "lengths", "sampling")):
        trainer._generators[name].manual_seed(5 * 1009 + i)
    trainer._generators["minibatches"].manual_seed(5)
    kl_coef = trainer.kl_control.controller.value
    record = trainer.step()
    tokens = record.tokens
    assert tokens is not None
    assert [(s.query, s.response) for s in record.samples] == [
        (s["query"], s["response"]) for s in told["samples"]
    ]
    assert [s.score for s in record.samples] == pytest.approx([s["score"] for s in told["samples"]], rel=1e-6)
    assert tokens.text == [text for sample in told["samples"] for text in sample["tokens"]]
    assert kl_coef == pytest.approx(told["kl_coef"], rel=1e-6)
    names = {
        "logprob": "old_logprob",
        **{name: name for name in ("ref_logprob", "kl", "kl_penalty", "reward", "value", "delta")},
    }
    names |= {name: name for name in ("advantage", "whitened", "return")}
    for name, column in names.items():
        # The reference is asked in other company here: its log-probabilities, and all that follows, may
        # differ in the last digits.
        np.testing.assert_allclose(
            flat(told["tokens"][name]), tokens.column(column), rtol=1e-5, atol=1e-5, err_msg=name
        )
    for epoch in range(2):
        for name, column in {
            "new_logprob": tokens.new_logprob,
            "ratio": tokens.ratio,
            "new_value": tokens.new_value,
        }.items():
            np.testing.assert_allclose(
                flat(told["update"][name][epoch]), column[:, epoch], rtol=1e-4, atol=1e-5, err_msg=name
            )
        assert flat(told["update"]["policy_clip"][epoch]).tolist() == tokens.policy_clip[:, epoch].tolist()
        assert flat(told["update"]["value_clip"][epoch]).tolist() == tokens.value_clip[:, epoch].tolist()
    assert told["update"]["means"]["ppo/loss/total"] == pytest.approx(
        record.metrics["ppo/loss/total"], rel=1e-4, abs=1e-6
    )
    assert np.mean(told["update"]["grad_norms"]) == pytest.approx(
        record.metrics["ppo/policy/grad_norm"], rel=1e-4
    )
    after = {"logprob": told["again"]["logprob"], "value": told["again"]["value"]}
    ids = [
        trainer.tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in [s["query"] for s in told["samples"]][:1]
    ]
    response = tokens.token_id[tokens.sample == 0].tolist()
    whole = torch.tensor([ids[0] + response])
    with torch.no_grad():
        logits, values = trainer.policy(
            whole, torch.ones_like(whole), len(response), trainer.config.temperature
        )
    expected = ppo.logprobs_from_logits(logits, torch.tensor([response]))[0]
    np.testing.assert_allclose(after["logprob"][0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after["value"][0], values[0], rtol=1e-4, atol=1e-4)


def test_its_numbers_follow_from_each_other(told: dict[str, Any]) -> None:
    """Worked again in float64, row by row, from the formulas."""
    tokens, settings = told["tokens"], told["settings"]
    gamma, lam = settings["gamma"], settings["lam"]
    for i, sample in enumerate(told["samples"]):
        length = len(sample["tokens"])
        row = {name: np.array(rows[i]) for name, rows in tokens.items()}
        assert {len(column) for column in row.values()} == {length}
        np.testing.assert_allclose(row["kl"], row["logprob"] - row["ref_logprob"], atol=1e-6)
        end = np.eye(length)[-1] * sample["score"]
        np.testing.assert_allclose(row["reward"], -told["kl_coef"] * row["kl"] + end, rtol=1e-5, atol=1e-6)
        later = np.append(row["value"][1:], 0)
        np.testing.assert_allclose(
            row["delta"], row["reward"] + gamma * later - row["value"], rtol=1e-5, atol=1e-5
        )
        running = 0.0
        for t in reversed(range(length)):
            running = row["delta"][t] + gamma * lam * running
            assert row["advantage"][t] == pytest.approx(running, rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(row["return"], row["advantage"] + row["value"], rtol=1e-5, atol=1e-6)
    advantages, whitened = flat(tokens["advantage"]), flat(tokens["whitened"])
    assert told["whitening"] == pytest.approx(
        {"mean": advantages.mean(), "var": advantages.var(ddof=1), "count": len(advantages)},
        rel=1e-5,
        abs=1e-6,
    )
    np.testing.assert_allclose(
        whitened, (advantages - advantages.mean()) / advantages.std(ddof=1), rtol=1e-4, atol=1e-5
    )


def test_the_runners_up_are_the_likeliest_tokens_with_their_probabilities(told: dict[str, Any]) -> None:
    for sample, rows, logprobs in zip(
        told["samples"], told["runners_up"], told["tokens"]["logprob"], strict=True
    ):
        assert len(rows) == len(sample["tokens"])
        for token, likeliest, logprob in zip(sample["tokens"], rows, logprobs, strict=True):
            chances = [chance for _, chance, _ in likeliest]
            assert (
                len(likeliest) == 5
                and chances == sorted(chances, reverse=True)
                and 0 < sum(chances) <= 1 + 1e-6
            )
            drawn = [(text, chance) for text, chance, taken in likeliest if taken]
            if drawn:
                assert drawn == [(token, pytest.approx(math.exp(logprob), rel=1e-4))]
            else:
                assert math.exp(logprob) <= min(chances) + 1e-6


def test_the_first_loss_is_made_of_its_tokens_terms(trainer: Trainer) -> None:
    """With one minibatch an epoch: the mean surrogate, half the mean squared error, and the entropy,
    weighted.
    """
    told = update_trace(trainer, 2, UpdateTraceRequest(3, 1))
    assert (
        told["update"]["minibatches"] == 1 and len(told["update"]["losses"]) == told["update"]["planned"] == 2
    )
    for epoch in range(2):
        policy, value = (flat(told["update"][name][epoch]).mean() for name in ("policy_term", "value_term"))
        without_entropy = policy + 0.1 * 0.5 * value
        entropy = (without_entropy - told["update"]["losses"][epoch]) / 0.01
        expected = flat(told["tokens"]["entropy"]).mean()
        assert entropy == pytest.approx(expected, rel=1e-3 if epoch == 0 else 0.2)


def everything(trainer: Trainer) -> dict[str, Any]:
    """All that goes from step to step, as bytes."""
    numbers, tensors = trainer.state()
    adam = trainer.optimizer.state_dict()["state"]
    weights = {name: weight.numpy().tobytes() for name, weight in trainer.policy.state_dict().items()}
    moments = {
        f"{i} {name}": value.numpy().tobytes() for i, state in adam.items() for name, value in state.items()
    }
    grads = [
        None if parameter.grad is None else parameter.grad.numpy().tobytes()
        for parameter in trainer.policy.parameters()
    ]
    groups = [
        {name: value for name, value in group.items() if name != "params"}
        for group in trainer.optimizer.param_groups
    ]
    bookkeeping = (
        len(trainer.accelerator._models),
        len(trainer.accelerator._optimizers),
        torch.is_grad_enabled(),
    )
    frozen = {name: weight.numpy().tobytes() for name, weight in trainer.reference.state_dict().items()}
    states = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    asks_for_gradients = [parameter.requires_grad for parameter in trainer.reference.parameters()]
    return {
        "numbers": numbers, "states": states, "weights": weights, "moments": moments, "grads": grads,
        "groups": groups,
        "bookkeeping": bookkeeping, "frozen": frozen, "asks": asks_for_gradients,
        "torch": torch.get_rng_state().numpy().tobytes(),
    }  # fmt: skip


def test_it_leaves_the_trainer_exactly_as_it_was(trainer: Trainer) -> None:
    before = everything(trainer)
    assert before["moments"] and any(before["grads"])
    told = update_trace(trainer, 2, UpdateTraceRequest(6, 3))
    assert told["update"]["moved"]["largest"] > 0, "the copy did move"
    after = everything(trainer)
    for name, value in before.items():
        assert after[name] == value, name


def test_a_run_with_a_walk_in_the_middle_is_the_run_without(begin: Callable[..., Run]) -> None:
    quiet, asked = begin(steps=4), begin(steps=4)
    quiet.thread.start()
    quiet.join()
    asked.hold_at(2)
    number = session.ask(asked.folder, UpdateTraceRequest(5, 9))
    asked.let_go()
    asked.join()
    job = answer(asked.folder, number)
    assert job.state == "done" and job.result is not None and job.result["step"] == 2
    assert newest_job(asked.folder, "walk") == number and newest_job(quiet.folder, "walk") is None
    for one, other in zip(quiet.reader.steps(), asked.reader.steps(), strict=True):
        assert first_difference(one.metrics, other.metrics) == ""


def test_a_finished_run_is_walked_by_a_worker_and_comes_out_the_same(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.hold_at(2)
    live = session.ask(run.folder, UpdateTraceRequest(2, 0))
    run.let_go()
    run.join()
    later = ask_job(run.folder, "walk", {"batch": 2, "seed": 0})
    work(run.folder, patience_s=0.1)
    jobs = [answer(run.folder, number) for number in (live, later)]
    assert jobs[0].state == jobs[1].state == "done"
    assert jobs[0].result == jobs[1].result


def test_an_edit_that_came_first_counts(begin: Callable[..., Run]) -> None:
    """Both wait for the same step boundary: the walk is one of the step that the edit leads to."""
    run = begin(steps=3)
    run.hold_at(1)
    edit = run.tell("edit", changes={"lam": 0.5, "init_kl_coef": 0.7})
    number = session.ask(run.folder, UpdateTraceRequest(2, 0))
    run.let_go()
    assert run.wait_for_answer(edit)[0] == "applied"
    job = answer(run.folder, number)
    assert job.result is not None and (
        job.result["step"],
        job.result["settings"]["lam"],
        job.result["kl_coef"],
    ) == (1, 0.5, 0.7)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"batch": 0}, "batch = 0: must be a whole number from 1 to 16"),
        ({"batch": 17}, "batch = 17: must be a whole number from 1 to 16"),
        ({"batch": True}, "batch = True: must be a whole number"),
        ({"batch": "4"}, "batch = 4: must be a whole number"),
        ({"seed": -1}, f"seed = -1: must be a whole number from 0 to {LARGEST_SEED}"),
        ({"seed": LARGEST_SEED + 1}, f"seed = {LARGEST_SEED + 1}: must be"),
        ({"seed": None}, "seed = None: must be"),
    ],
)
def test_what_cannot_be_walked_is_refused(trainer: Trainer, asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match="must be a whole number") as refused:
        UpdateTraceRequest.read({"batch": 4, "seed": 0, **asked})
    assert problem in str(refused.value)


def test_an_update_that_target_kl_ends_says_so(tiny: Tiny) -> None:
    late = update_trace(
        trained(tiny(steps=9, target_kl=1e-4, learning_rate=0.01)), 2, UpdateTraceRequest(4, 0)
    )
    assert "after 1 of 4 gradient steps" in late["trouble"] and "target_kl = 0.0001" in late["trouble"]
    seen = [row is not None for row in late["update"]["ratio"][0]]
    assert late["update"]["epochs"] == [1] and sum(seen) == 4, (
        "the minibatch that passed the limit, the fourth alone, is shown too"
    )
    at_once = update_trace(
        trained(tiny(steps=9, target_kl=1e-20, temperature=0.9)), 2, UpdateTraceRequest(4, 0)
    )
    assert "before the first gradient step" in at_once["trouble"]
    assert (
        at_once["update"]["epochs"] == [1]
        and at_once["update"]["losses"] == []
        and at_once["update"]["gradient_steps"] == 0
    )
    np.testing.assert_allclose(flat(at_once["again"]["ratio"]), 1, atol=1e-4)


def test_numbers_that_are_not_finite_make_a_walk_that_says_so(tiny: Tiny) -> None:
    trainer = trained(tiny(steps=9))
    with torch.no_grad():
        trainer.policy.value_head.weight.fill_(math.nan)
    told = update_trace(trainer, 2, UpdateTraceRequest(4, 0))
    assert told["trouble"].startswith("The update failed: the loss is nan") and told["again"] is None
    assert set(flat(told["tokens"]["value"])) == {None}
    json.dumps(told, allow_nan=False)


def test_one_sample_of_one_token_is_an_update_too(tiny: Tiny) -> None:
    told = update_trace(trained(tiny(steps=9, output_max_length=1)), 2, UpdateTraceRequest(1, 0))
    assert (
        told["shape"] == [1, 1] and told["whitening"]["count"] == 1 and told["tokens"]["whitened"] == [[0.0]]
    )
    assert told["trouble"] == "" and told["update"]["gradient_steps"] == 2


def test_an_untrained_run_and_one_of_many_epochs_can_be_walked(tiny: Tiny) -> None:
    trainer = Trainer(tiny(ppo_epochs=11, batch_size=8, mini_batch_size=8))
    records: Iterator[StepRecord] = iter(trainer)
    assert next(records).step == 0
    told = update_trace(trainer, 0, UpdateTraceRequest(16, 0))
    assert len(told["samples"]) == 16 and told["settings"]["mini_batch_size"] == 8
    assert (
        told["update"]["epochs"] == [1, 2, 3, 4, 8, 9, 10, 11] and len(told["update"]["ratio"]) == EPOCHS_KEPT
    )
    np.testing.assert_allclose(flat(told["tokens"]["kl"]), 0, atol=1e-4)
    assert all(float(f"{x:.7g}") == x for x in flat(told["tokens"]["advantage"]))
