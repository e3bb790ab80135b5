"""The update: every token once an epoch, the loss descended, the norm clipped, and when it ends early."""

from __future__ import annotations

import math
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor

from ppo_engine import Config, ppo
from ppo_engine.errors import NumericalError
from ppo_engine.records import Rollout
from ppo_engine.targets import Targets
from ppo_engine.training.device import make_accelerator
from ppo_engine.training.models import Policy
from ppo_engine.training.rollout import sample
from ppo_engine.training.update import Learner, Update, run_update

STILL = 1e-30
"""A learning rate at which float32 weights do not move."""


class Bench:
    """A policy, a batch of 8 ragged responses that it sampled, and everything else that an update takes."""

    def __init__(self, policy: Policy, batch_size: int = 8, **settings: Any) -> None:
        self.config = Config(**{
            "batch_size": batch_size, "mini_batch_size": 3, "ppo_epochs": 2, "learning_rate": 1e-3,
            "device": "cpu",
            **settings,
        })  # fmt: skip
        generator = torch.Generator().manual_seed(0)
        queries = [list(range(5, 7 + row % 3)) for row in range(batch_size)]
        lengths = torch.tensor([1 + row % 5 for row in range(batch_size)])
        numbers = torch.rand(batch_size, 6, generator=generator, dtype=torch.float64)
        self.rollout = sample(policy, queries, lengths, numbers, end_ids=(), pad_id=1)
        shape = self.rollout.mask.shape
        self.advantages, self.returns = (
            torch.randn(shape, generator=generator) * self.rollout.mask for _ in range(2)
        )
        self.accelerator = make_accelerator(self.config)
        optimizer = torch.optim.Adam(policy.parameters(), lr=self.config.learning_rate, fused=True)
        self.policy, self.optimizer = self.accelerator.prepare(policy, optimizer)
        self.norms_at_step: list[float] = []
        self.optimizer.optimizer.register_step_pre_hook(self._note_norm)

    def _note_norm(self, *_: Any) -> None:
        gradients = [parameter.grad for parameter in self.policy.parameters() if parameter.grad is not None]
        self.norms_at_step.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))

    def move_policy(self) -> None:
        """As if it had been updated since it sampled: ratios leave 1."""
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.policy.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))

    def weights(self) -> Tensor:
        return torch.cat([parameter.detach().flatten().clone() for parameter in self.policy.parameters()])

    def run(self, seed: int = 0, **changes: Any) -> Update:
        given = {"rollout": self.rollout, "advantages": self.advantages, "returns": self.returns, **changes}
        between = given.pop("between_minibatches", lambda: None)
        targets = Targets(
            torch.zeros_like(given["returns"]), given["advantages"], given["returns"], given["advantages"]
        )
        learner = Learner(self.policy, self.optimizer, self.accelerator, self.config)
        generator = torch.Generator().manual_seed(seed)
        return run_update(learner, given["rollout"], targets, generator, between)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Logprobs, values and mean entropy of the policy as it is."""
        rollout = self.rollout
        logits, values = self.policy(
            rollout.ids, rollout.attention_mask, rollout.mask.shape[1], self.config.temperature
        )
        entropy = ppo.masked_mean(ppo.entropy_from_logits(logits), rollout.mask)
        return ppo.logprobs_from_logits(logits, rollout.response_ids), values, entropy


@pytest.mark.parametrize(("batch_size", "mini_batch_size"), [(8, 3), (8, 8), (8, 1), (7, 4), (1, 1), (5, 4)])
def test_every_sample_enters_every_epoch_whatever_the_sizes(
    policy: Policy, batch_size: int, mini_batch_size: int
) -> None:
    update = Bench(policy, batch_size, mini_batch_size=mini_batch_size, ppo_epochs=3).run()
    assert update.epochs_seen.tolist() == [3] * batch_size
    assert update.gradient_steps == 3 * math.ceil(batch_size / mini_batch_size)


def test_each_epoch_has_its_own_shuffle_from_the_generator(policy: Policy) -> None:
    bench = Bench(policy, mini_batch_size=1, learning_rate=STILL)
    orders: list[list[float]] = []
    for seed in (0, 0, 1):
        rows: list[float] = []
        # A sample is known by its response: the sum of its ids.
        handle = bench.policy.register_forward_pre_hook(
            lambda module, args, rows=rows: rows.append(float(args[0].sum()))
        )
        bench.run(seed=seed)
        handle.remove()
        orders.append(rows)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][:8] != orders[0][8:16]
    assert sorted(orders[0][:8]) == sorted(orders[0][8:16]) == sorted(orders[2][:8])


def test_entries_of_an_epoch_are_of_the_policy_as_it_was(policy: Policy) -> None:
    """With one minibatch an epoch, the first epoch's entries are of the policy before any gradient step."""
    bench = Bench(policy, mini_batch_size=8)
    bench.move_policy()
    logprobs, values, _ = bench.forward()
    update, rollout = bench.run(), bench.rollout
    expected = ppo.policy_loss(logprobs, rollout.logprobs, bench.advantages, rollout.mask, 0.2)
    clips = ppo.value_loss(values, rollout.values, bench.returns, rollout.mask, 0.2)
    mask = rollout.mask
    assert torch.equal(update.new_logprobs[..., 0][mask], logprobs[mask])
    assert torch.equal(update.ratios[..., 0][mask], expected.ratio[mask])
    assert torch.equal(update.new_values[..., 0][mask], values[mask])
    assert torch.equal(update.policy_clips[..., 0], expected.clipped)
    assert torch.equal(update.value_clips[..., 0], clips.clipped)
    assert expected.clipped.any() and clips.clipped.any()
    assert not torch.equal(update.new_logprobs[..., 1][mask], logprobs[mask])


def test_entries_outside_the_mask_are_0(policy: Policy) -> None:
    bench = Bench(policy)
    update = bench.run()
    for table in (
        update.new_logprobs,
        update.ratios,
        update.new_values,
        update.policy_clips,
        update.value_clips,
    ):
        assert not table[~bench.rollout.mask].any()


@pytest.mark.parametrize("mini_batch_size", [1, 3, 8])
def test_means_are_over_tokens_not_over_minibatches(policy: Policy, mini_batch_size: int) -> None:
    """With a policy that stands still, the update's means are the formulas' over the whole batch, however it
    is cut.
    """
    bench = Bench(policy, mini_batch_size=mini_batch_size, learning_rate=STILL, ent_coef=0.01, vf_coef=0.3)
    bench.move_policy()
    with torch.no_grad():
        logprobs, values, entropy = bench.forward()
    rollout, mask = bench.rollout, bench.rollout.mask
    surrogate = ppo.policy_loss(logprobs, rollout.logprobs, bench.advantages, mask, 0.2)
    value = ppo.value_loss(values, rollout.values, bench.returns, mask, 0.2)
    expected = {
        "ppo/loss/policy": surrogate.loss, "ppo/loss/value": value.loss,
        "ppo/loss/total": surrogate.loss + 0.3 * value.loss - 0.01 * entropy,
        "ppo/policy/entropy": entropy, "ppo/policy/approxkl": surrogate.approxkl,
        "ppo/policy/k3": ppo.masked_mean(ppo.k3(logprobs, rollout.logprobs, mask), mask),
        "ppo/policy/policykl": ppo.masked_mean(rollout.logprobs - logprobs, mask),
        "ppo/policy/clipfrac": surrogate.clipfrac, "ppo/val/clipfrac": value.clipfrac,
        "ppo/val/error": value.error,
        "ppo/val/vpred": ppo.masked_mean(values, mask),
    }  # fmt: skip
    assert bench.run().means == pytest.approx(
        {name: float(number) for name, number in expected.items()}, rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize("ent_coef", [0.0, 0.5])
def test_the_gradient_is_that_of_the_total_loss(policy: Policy, ent_coef: float) -> None:
    """Taken apart from the update, from the formulas: policy + vf_coef · value - ent_coef · entropy."""
    bench = Bench(policy, mini_batch_size=8, ppo_epochs=1, max_grad_norm=0, ent_coef=ent_coef, vf_coef=0.3)
    bench.move_policy()
    logprobs, values, entropy = bench.forward()
    rollout, mask = bench.rollout, bench.rollout.mask
    loss = ppo.policy_loss(logprobs, rollout.logprobs, bench.advantages, mask, 0.2).loss - ent_coef * entropy
    loss = loss + 0.3 * ppo.value_loss(values, rollout.values, bench.returns, mask, 0.2).loss
    gradients = torch.autograd.grad(loss, list(bench.policy.parameters()))
    bench.run()
    for parameter, gradient in zip(bench.policy.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_clipped_at_every_step_and_its_norm_recorded_before(policy: Policy) -> None:
    """Six gradient steps, each with a gradient far longer than 0.001; what the optimizer saw was never
    longer.
    """
    bench = Bench(policy, max_grad_norm=1e-3)
    update = bench.run()
    assert bench.norms_at_step == pytest.approx([1e-3] * 6, rel=1e-3)  # clipping divides by norm + 1e-6
    assert update.grad_norm > 0.1


def test_the_recorded_norm_is_the_mean_of_the_norms_before_clipping(policy: Policy) -> None:
    bench = Bench(policy, max_grad_norm=0)
    update = bench.run()
    assert len(set(bench.norms_at_step)) == 6
    assert update.grad_norm == pytest.approx(sum(bench.norms_at_step) / 6, rel=1e-6)


def shifted(rollout: Rollout, by: float) -> Rollout:
    """As if the policy had given every token that much less when it sampled: log ratios of `by`."""
    fields = {name: getattr(rollout, name) for name in Rollout.__dataclass_fields__}
    return Rollout(**{**fields, "logprobs": rollout.logprobs - by * rollout.mask})


@pytest.mark.parametrize("by", [0.5, -0.5])
def test_the_update_kl_limit_acts_before_the_first_step_and_on_either_sign(policy: Policy, by: float) -> None:
    """Log ratio 0.5: k3 = e^0.5 - 1.5 = 0.149, where the signed estimate is -0.5; and -0.5: k3 = 0.107."""
    bench = Bench(policy, target_kl=0.1)
    before = bench.weights()
    update = bench.run(rollout=shifted(bench.rollout, by))
    assert update.gradient_steps == len(bench.norms_at_step) == 0
    assert torch.equal(bench.weights(), before)
    assert update.epochs_seen.sum() == 3 and update.grad_norm is None, (
        "the minibatch that passed the limit is on record"
    )
    assert update.means["ppo/policy/k3"] == pytest.approx(math.expm1(by) - by, rel=1e-4)
    assert update.after["ppo/policy/k3_after"] == pytest.approx(math.expm1(by) - by, rel=1e-4)
    assert update.after["ppo/policy/ratio_after"] == pytest.approx(math.exp(0.5), rel=1e-4)
    assert update.first_ratio == pytest.approx(abs(math.expm1(by)), rel=1e-4)


@pytest.mark.parametrize(
    ("by", "limit", "steps"),
    [(0.5, 0.15, 6), (0.5, 0.148, 0), (-0.5, 0.108, 6), (-0.5, 0.106, 0), (3.0, 0.0, 6)],
)
def test_the_limit_is_on_k3(policy: Policy, by: float, limit: float, steps: int) -> None:
    """The bounds on both sides of e^0.5 - 1.5 = 0.14872 and e^-0.5 - 0.5 = 0.10653; 0 is off."""
    bench = Bench(policy, target_kl=limit, learning_rate=STILL)
    assert bench.run(rollout=shifted(bench.rollout, by)).gradient_steps == steps


def test_an_update_can_end_within_an_epoch(policy: Policy) -> None:
    """The minibatch that passed the limit is entered, and the numbers show the blow; all after it leave no
    entry.
    """
    bench = Bench(policy, target_kl=0.02, learning_rate=0.01, mini_batch_size=2, ppo_epochs=5)
    forwards: list[None] = []
    bench.policy.register_forward_hook(lambda *_: forwards.append(None))
    update = bench.run()
    assert 0 < update.gradient_steps < 20
    assert update.gradient_steps == len(bench.norms_at_step)
    assert len(forwards) > update.gradient_steps + 1, "one pass more for the batch as it is afterwards"
    assert int(update.epochs_seen.sum()) == 2 * (update.gradient_steps + 1)
    entered = torch.arange(5) < update.epochs_seen.unsqueeze(-1)
    mask = bench.rollout.mask.unsqueeze(-1) & entered.unsqueeze(1)
    assert (update.ratios[mask] > 0).all() and not update.ratios[~mask].any()


def test_a_blow_is_in_the_numbers_of_the_step_that_dealt_it(policy: Policy) -> None:
    """Learning rate far too high, one minibatch an epoch: the limit ends every update after one gradient
    step. Clip shares taken before that step alone said 0 %, and a move of nothing.
    """
    bench = Bench(policy, target_kl=0.05, learning_rate=0.05, mini_batch_size=8, ppo_epochs=10)
    update = bench.run()
    assert update.gradient_steps == 1 and int(update.epochs_seen.max()) == 2
    assert update.means["ppo/policy/k3"] > 0.05 and update.means["ppo/policy/clipfrac"] > 0.2
    assert update.after["ppo/policy/k3_after"] > 0.05 and update.after["ppo/policy/clipfrac_after"] > 0.4
    assert update.first_ratio < 1e-4


@torch.no_grad()
def test_what_is_said_of_the_batch_afterwards_is_so(policy: Policy) -> None:
    """Worked again from a pass over the rows that a twentieth of the step allows: of 8, with 6 gradient steps
    of 3, all but one.
    """
    bench = Bench(policy)
    with torch.enable_grad():
        update = bench.run()
    rows = math.ceil(8 * 0.05 * (3 * 6 * 3 / 8 + 3))
    rollout, size = bench.rollout, slice(rows)
    logits, values = policy(rollout.ids[size], rollout.attention_mask[size], rollout.mask.shape[1], 1.0)
    logprobs = torch.log_softmax(logits, -1).gather(-1, rollout.response_ids[size, :, None]).squeeze(-1)
    mask = rollout.mask[size]
    log_ratio = (logprobs - rollout.logprobs[size])[mask]
    advantages, returns, old = (x[size][mask] for x in (bench.advantages, bench.returns, rollout.values))
    ratio, new = log_ratio.exp(), values[mask]
    binds = -advantages * ratio.clamp(0.8, 1.2) > -advantages * ratio
    value_binds = (new.clamp(old - 0.2, old + 0.2) - returns) ** 2 > (new - returns) ** 2
    expected = {
        "ppo/policy/k3_after": float((ratio - 1 - log_ratio).mean()),
        "ppo/policy/ratio_after": float(log_ratio.abs().max().exp()),
        "ppo/policy/clipfrac_after": float(binds.float().mean()),
        "ppo/val/clipfrac_after": float(value_binds.float().mean()),
    }
    assert rows < 8 and update.after == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_no_minibatchs_logits_are_alive_in_the_next_forward(policy: Policy) -> None:
    """Two of them are twice the memory: over a large vocabulary, gigabytes."""
    bench = Bench(policy)
    seen: list[weakref.ref[Tensor]] = []

    def before(*_: Any) -> None:
        assert not any(one() is not None for one in seen)

    bench.policy.register_forward_pre_hook(before)
    bench.policy.register_forward_hook(lambda module, args, output: seen.append(weakref.ref(output[0])))
    bench.run()
    assert len(seen) > 6


@pytest.mark.parametrize("spoiled", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_not_applied(policy: Policy, spoiled: float) -> None:
    bench = Bench(policy)
    before = bench.weights()
    returns = bench.returns.clone()
    returns[bench.rollout.mask] = spoiled
    with pytest.raises(NumericalError, match=r"not applied.*learning_rate"):
        bench.run(returns=returns)
    assert torch.equal(bench.weights(), before)
    assert bench.norms_at_step == []


def test_what_stands_in_the_padding_is_never_seen(policy: Policy) -> None:
    """NaN in every padded cell of what the update is given: the same weights afterwards."""
    results = []
    state = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    for junk in (0.0, math.nan):
        policy.load_state_dict(state)
        bench = Bench(policy)
        hidden = {
            name: torch.where(bench.rollout.mask, getattr(bench.rollout, name), junk)
            for name in ("logprobs", "values")
        }
        fields = {name: getattr(bench.rollout, name) for name in Rollout.__dataclass_fields__}
        spoiled = {
            name: torch.where(bench.rollout.mask, getattr(bench, name), junk)
            for name in ("advantages", "returns")
        }
        bench.run(rollout=Rollout(**{**fields, **hidden}), **spoiled)
        results.append(bench.weights())
    assert torch.equal(*results)


def test_nothing_holds_on_to_the_graph(policy: Policy) -> None:
    update = Bench(policy).run()
    tensors = [value for value in vars(update).values() if isinstance(value, Tensor)]
    assert len(tensors) == 6 and not any(tensor.requires_grad or tensor.grad_fn for tensor in tensors)
    assert all(type(mean) is float for mean in update.means.values())


def test_it_can_be_given_up_between_minibatches(policy: Policy) -> None:
    bench = Bench(policy)
    asked: list[None] = []

    def give_up() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(between_minibatches=give_up)
    assert len(bench.norms_at_step) == 2
