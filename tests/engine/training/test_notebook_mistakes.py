"""What the notebook's trainer, or its successors, get wrong: one test for each item of the list, on whole
training steps.

The parts in detail are tested with the modules they live in.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from ppo_engine import Config, StepRecord, Trainer, ppo
from ppo_engine.training.prompts import Openings
from tests.engine.checkpoints import make_classifier, make_policy, make_tokenizer, reviews, write_model
from tests.engine.fingerprints import fingerprint

Tiny = Callable[..., Config]


def loaded(config: Config) -> Trainer:
    trainer = Trainer(config)
    trainer.load()
    return trainer


def first_step(config: Config) -> StepRecord:
    return loaded(config).step()


def test_advantages_are_whitened_once_over_the_whole_batch(tiny: Tiny) -> None:
    """Not within each minibatch, where a good and a bad response look alike: the size of minibatches changes
    none of them.
    """
    one, all_at_once = (first_step(tiny(mini_batch_size=size)).tokens for size in (1, 8))
    assert one is not None and all_at_once is not None
    assert np.array_equal(one.whitened, all_at_once.whitened)
    assert one.whitened.mean() == pytest.approx(0, abs=1e-6) and one.whitened.var(ddof=1) == pytest.approx(
        1, abs=1e-5
    )
    means = [one.whitened[one.sample == row].mean() for row in range(8)]
    # responses keep their rank: each for itself would have mean 0
    assert max(means) > 0.5 and min(means) < -0.5


def test_the_update_learns_from_those_whitened_advantages(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each minibatch is given its rows of the batch's advantages, as they stand in the record."""
    given: list[torch.Tensor] = []
    policy_loss = ppo.policy_loss

    def noting(logprobs: Any, old: Any, advantages: Any, mask: Any, cliprange: float) -> Any:
        given.append(advantages[mask])
        return policy_loss(logprobs, old, advantages, mask, cliprange)

    monkeypatch.setattr(ppo, "policy_loss", noting)
    tokens = first_step(tiny(ppo_epochs=1)).tokens
    assert tokens is not None
    assert sorted(torch.cat(given[:3]).tolist()) == sorted(tokens.whitened.tolist())


def test_train_mode_has_no_dropout(tiny: Tiny) -> None:
    """A model left in train mode, with GPT-2's dropout of 0.1 in its configuration, samples and learns the
    same.
    """
    trainer = loaded(tiny())
    trainer.policy.train()
    trainer.reference.train()
    trainer.policy.language_model.train()
    assert trainer.policy.language_model.config.resid_pdrop == 0.1
    assert fingerprint(trainer.step()) == fingerprint(first_step(tiny()))


@torch.no_grad()
def test_left_padding_never_moves_a_logprob(tiny: Tiny) -> None:
    """Each row of a padded batch, again alone, unpadded, through the bare model: within float32's rounding,
    not 0.35 nats.
    """
    config = tiny(input_min_text_length=1, input_max_text_length=8)
    trainer = loaded(config)
    _, rollout = trainer.continue_held_out(12)
    reference = trainer._reference_logprobs(rollout)
    model = AutoModelForCausalLM.from_pretrained(config.model_name)
    assert not rollout.query_mask.all()
    for row in range(12):
        query, response = (
            rollout.query_ids[row][rollout.query_mask[row]],
            rollout.response_ids[row][rollout.mask[row]],
        )
        logits = model(torch.cat([query, response])[None]).logits[0, len(query) - 1 : -1]
        alone = torch.log_softmax(logits, dim=-1).gather(-1, response[:, None]).squeeze(-1)
        torch.testing.assert_close(rollout.logprobs[row][rollout.mask[row]], alone, rtol=0, atol=2e-5)
        torch.testing.assert_close(reference[row][rollout.mask[row]], alone, rtol=0, atol=2e-5)


@pytest.mark.parametrize("pad", ["[PAD]", None], ids=["own pad token", "pad is end-of-text"])
def test_end_of_text_ends_a_response_and_is_its_last_token(
    tiny: Tiny, tmp_path: Path, pad: str | None
) -> None:
    """Prompt tokens never slip in, padding never counts, and an early end is seen also where padding looks
    the same.
    """
    tokenizer = make_tokenizer(pad)
    write_model(tmp_path, make_policy(tokenizer), tokenizer)
    record = first_step(
        tiny(model_name=str(tmp_path), batch_size=64, output_min_length=6, output_max_length=8)
    )
    tokens = record.tokens
    assert tokens is not None
    eos = tokenizer.eos_token_id
    early = [sample for sample in record.samples if sample.response_length < 6]
    assert early and all(sample.ended_by_eos for sample in early)
    for sample in record.samples:
        ids = tokens.token_id[tokens.sample == sample.index]
        assert len(ids) == sample.response_length <= 8
        assert eos not in ids[:-1] and (ids[-1] == eos) == sample.ended_by_eos
        assert sample.response == tokenizer.decode(
            ids[ids != eos], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        score_share = tokens.column("score_share")[tokens.sample == sample.index]
        assert score_share[-1] == np.float32(sample.score) and not score_share[:-1].any()
    assert record.metrics["env/eos_fraction"] == np.mean([sample.ended_by_eos for sample in record.samples])


def test_the_score_is_found_by_its_labels_name(tiny: Tiny, tmp_path: Path) -> None:
    """A classifier whose outputs stand the other way round, and say so, teaches the same."""
    tokenizer = make_tokenizer()
    model = make_classifier(tokenizer)
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight.flip(0))
        model.classifier.bias.copy_(model.classifier.bias.flip(0))
    model.config.id2label, model.config.label2id = (
        {0: "POSITIVE", 1: "NEGATIVE"},
        {"POSITIVE": 0, "NEGATIVE": 1},
    )
    write_model(tmp_path, model, tokenizer)
    swapped, plain = first_step(tiny(reward_model=str(tmp_path))), first_step(tiny())
    assert [sample.score for sample in swapped.samples] == pytest.approx(
        [sample.score for sample in plain.samples], abs=1e-5
    )
    assert plain.metrics["env/reward_std"] > 0.1


@pytest.mark.parametrize("batch_size", [8, 1])
def test_a_response_of_one_token_is_a_response(tiny: Tiny, batch_size: int) -> None:
    """Also when it is the only token of the batch: its advantage is 0 and nothing can be explained, but the
    step stands.
    """
    trainer = loaded(tiny(batch_size=batch_size, mini_batch_size=1, output_min_length=1, output_max_length=1))
    before = [parameter.detach().clone() for parameter in trainer.policy.parameters()]
    record = trainer.step()
    assert record.tokens is not None and len(record.tokens) == batch_size
    assert all(map(math.isfinite, record.metrics.values()))
    assert ("ppo/val/var_explained" in record.metrics) == (batch_size > 1), "what is not defined is left out"
    assert not all(map(torch.equal, before, trainer.policy.parameters()))


@pytest.mark.parametrize(("batch_size", "mini_batch_size"), [(8, 3), (7, 2), (5, 4)])
def test_minibatches_need_not_divide_the_batch(tiny: Tiny, batch_size: int, mini_batch_size: int) -> None:
    """No sample is left out, and none comes twice."""
    record = first_step(tiny(batch_size=batch_size, mini_batch_size=mini_batch_size))
    assert record.tokens is not None
    assert set(record.tokens.epochs_seen) == {2} and record.metrics["ppo/policy/epochs"] == 2


def test_drawn_lengths_include_both_bounds(tiny: Tiny, tokenizer: Any) -> None:
    """Of openings and of continuations, the longest too."""
    drawn = Openings(reviews("train", 60), tokenizer, 2, 5, torch.Generator().manual_seed(0)).draw(200)
    assert {len(opening) for opening in drawn} == {2, 3, 4, 5}
    samples = first_step(tiny(batch_size=128, output_min_length=3, output_max_length=5)).samples
    assert {sample.response_length for sample in samples if not sample.ended_by_eos} == {3, 4, 5}


def tensors_with_a_graph() -> list[torch.Tensor]:
    gc.collect()
    return [
        item for item in gc.get_objects() if issubclass(type(item), torch.Tensor) and item.grad_fn is not None
    ]


def test_a_step_leaves_no_graph_behind(tiny: Tiny) -> None:
    """The record is plain numbers and NumPy; no tensor alive after the step holds on to the pass that made
    it.
    """
    trainer = loaded(tiny())
    before = {id(tensor) for tensor in tensors_with_a_graph()}
    record = trainer.step()
    assert [kind for kind in map(type, vars(record).values()) if issubclass(kind, torch.Tensor)] == []
    assert all(not isinstance(value, torch.Tensor) for value in vars(record.tokens).values())
    assert {id(tensor) for tensor in tensors_with_a_graph()} <= before


def test_vocabulary_wide_logits_are_made_at_response_positions_alone(tiny: Tiny) -> None:
    """Never for the prompt: one position a token while sampling, the longest response's length in every other
    pass.
    """
    stages = [""]
    trainer = Trainer(
        tiny(input_min_text_length=8, output_min_length=5, output_max_length=5), on_stage=stages.append
    )
    trainer.load()
    widths: set[tuple[str, int]] = set()
    for model in (trainer.policy, trainer.reference):
        model.language_model.get_output_embeddings().register_forward_hook(
            lambda module, args, output: widths.add((stages[-1], math.prod(output.shape[1:-1])))
        )
    trainer.step()
    assert widths == {("sample", 1), ("reference", 5), ("update", 5)}


def test_means_are_over_response_tokens_alone(tiny: Tiny) -> None:
    """With one long and seven short responses padding outnumbers tokens; ratios, advantages and entropies
    follow_visibility tokens only.
    """
    record = first_step(tiny(output_min_length=1, output_max_length=32, mini_batch_size=8, ppo_epochs=1))
    tokens, metrics = record.tokens, record.metrics
    assert tokens is not None
    padding = 8 * max(sample.response_length for sample in record.samples) - len(tokens)
    assert padding > len(tokens) / 4
    assert metrics["ppo/policy/advantages_mean"] == pytest.approx(0, abs=1e-6)
    assert metrics["ppo/returns/mean"] == pytest.approx(
        tokens.column("return").mean(dtype=np.float64), rel=1e-5
    )
    assert 0 < metrics["ppo/policy/entropy"] < math.log(len(make_tokenizer()))
    # the mean surprise of a token estimates its entropy
    spread = metrics["objective/entropy"] * 8 / len(tokens)
    assert metrics["ppo/policy/entropy"] == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("mini_batch_size", [1, 8])
def test_explained_variance_is_over_the_batch(tiny: Tiny, mini_batch_size: int) -> None:
    """One minus one ratio of the whole batch's variances, by the values of before the update; not a mean of
    minibatches' ratios.
    """
    trainer = loaded(tiny(mini_batch_size=mini_batch_size, output_min_length=2, learning_rate=0.01))
    trainer.step()
    record = trainer.step()
    assert record.tokens is not None
    returns, values = (record.tokens.column(name).astype(np.float64) for name in ("return", "value"))
    explained = 1 - (returns - values).var() / returns.var()
    assert abs(explained) > 0.005 and record.metrics["ppo/val/var_explained"] == pytest.approx(
        explained, rel=1e-4
    )
    assert record.metrics["ppo/val/bias"] == pytest.approx((values - returns).mean(), rel=1e-4)


def test_every_update_clips_its_gradient_and_records_the_norm_before(tiny: Tiny) -> None:
    """Nine gradient steps over three PPO steps: the optimizer never sees more than the bound, the record says
    what there was.
    """
    trainer = loaded(tiny(steps=3, max_grad_norm=0.01, ppo_epochs=1))
    norms: list[float] = []

    def note(*_: Any) -> None:
        gradients = [
            parameter.grad.flatten()
            for parameter in trainer.policy.parameters()
            if parameter.grad is not None
        ]
        norms.append(float(torch.cat(gradients).norm()))

    trainer.optimizer.optimizer.register_step_pre_hook(note)
    recorded = [trainer.step().metrics["ppo/policy/grad_norm"] for _ in range(3)]
    assert norms == pytest.approx([0.01] * 9, rel=1e-3)
    assert min(recorded) > 0.1


def test_the_update_kl_limit_is_on_k3_and_before_stepping(tiny: Tiny) -> None:
    """What was stepped on was within the limit at each minibatch; the one beyond it was not stepped on."""
    trainer = loaded(
        tiny(batch_size=32, mini_batch_size=4, learning_rate=0.02, target_kl=0.05, ppo_epochs=10)
    )
    applied: list[None] = []
    trainer.optimizer.optimizer.register_step_post_hook(lambda *_: applied.append(None))
    record = trainer.step()
    assert record.tokens is not None
    assert 0 < len(applied) < 80
    assert record.metrics["ppo/policy/epochs"] == len(applied) / 8
    assert int(record.tokens.epochs_seen[record.tokens.is_last].sum()) == 4 * (len(applied) + 1), (
        "and its numbers are on record"
    )
    entered, old = record.tokens.entered, record.tokens.old_logprob[:, None]
    log_ratio = (record.tokens.new_logprob - old).astype(np.float64)
    k3 = np.where(entered, np.expm1(log_ratio) - log_ratio, 0)
    assert record.metrics["ppo/policy/k3"] == pytest.approx(k3.sum() / entered.sum(), rel=1e-3)


def test_random_numbers_come_from_seeded_generators_alone(tiny: Tiny) -> None:
    """A step neither reads nor moves the global generators."""
    seeded, trainer = first_step(tiny()), loaded(tiny())
    torch.manual_seed(123)
    np.random.seed(123)
    before = torch.get_rng_state(), str(np.random.get_state())
    record = trainer.step()
    assert torch.equal(torch.get_rng_state(), before[0]) and str(np.random.get_state()) == before[1]
    assert fingerprint(record) == fingerprint(seeded)
