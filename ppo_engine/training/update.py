"""The update: epochs of shuffled minibatches over a rollout, and each token's course in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor

from .. import ppo
from ..config import Config
from ..errors import NumericalError
from ..records import Rollout
from ..targets import Targets
from .rollout import forward_rows


@dataclass(frozen=True)
class Update:
    """What an update did, detached.

    new_logprobs, ratios, new_values: (batch, response, epochs) float32, policy_clips, value_clips: the same
    in bool; in epochs that a sample did not enter (`epochs_seen`, (batch,)), 0. The minibatch whose KL passed
    `target_kl` has entries too, though no gradient step followed it. means: metrics by name, over all counted
    tokens of all entries. after: metrics by name of the batch as the last gradient step left it. first_ratio:
    the largest |ratio - 1| of the first minibatch, and first_gap: the one that 19 of 20 do not pass; both 0
    but for rounding.
    grad_norm: None where no gradient step was taken.
    """

    new_logprobs: Tensor
    ratios: Tensor
    new_values: Tensor
    policy_clips: Tensor
    value_clips: Tensor
    epochs_seen: Tensor
    means: dict[str, float]
    after: dict[str, float]
    first_ratio: float
    first_gap: float
    gradient_steps: int
    grad_norm: float | None


class _Ledger:
    """Collects, over an update, each token's entries and the token-weighted sums behind the means."""

    def __init__(self, rollout: Rollout, epochs: int) -> None:
        shape, device = (*rollout.mask.shape, epochs), rollout.mask.device
        self.floats = {
            name: torch.zeros(shape, device=device) for name in ("new_logprobs", "ratios", "new_values")
        }
        self.flags = {
            name: torch.zeros(shape, dtype=torch.bool, device=device)
            for name in ("policy_clips", "value_clips")
        }
        self.epochs_seen = torch.zeros(len(rollout.mask), dtype=torch.int16, device=device)
        self.sums: dict[str, Tensor] = {}
        self.tokens = torch.zeros((), device=device)
        self.grad_norms: list[Tensor] = []
        self.first_gaps = torch.zeros(1, device=device)

    def enter(
        self, rows: Tensor, epoch: int, mask: Tensor, entries: dict[str, Tensor], means: dict[str, Tensor]
    ) -> None:
        for name, entry in entries.items():
            table = self.floats.get(name, self.flags.get(name))
            assert table is not None
            table[rows, :, epoch] = torch.where(mask, entry.detach(), torch.zeros_like(entry))
        if not self.sums:
            self.first_gaps = (entries["ratios"].detach() - 1).abs()[mask]
        self.epochs_seen[rows] += 1
        count = mask.sum()
        self.tokens += count
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(mean)) + mean.detach() * count

    def close(self, after: dict[str, float]) -> Update:
        steps = len(self.grad_norms)
        return Update(
            **self.floats,
            **self.flags,
            epochs_seen=self.epochs_seen,
            means={name: float(total / self.tokens) for name, total in self.sums.items()},
            after=after,
            first_ratio=float(self.first_gaps.max()),
            first_gap=float(self.first_gaps.quantile(0.95, interpolation="lower")),
            gradient_steps=steps,
            grad_norm=float(torch.stack(self.grad_norms).mean()) if steps else None,
        )


@dataclass(frozen=True)
class Learner:
    """Who learns, by which settings. accelerator: has autocast, backward and gradient clipping."""

    policy: Any
    optimizer: Any
    accelerator: Any
    config: Config

    def forward(self, rollout: Rollout, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and values of these rows' responses."""
        length, temperature = rollout.mask.shape[1], self.config.temperature
        with self.accelerator.autocast():
            logits, values = self.policy(rollout.ids[rows], rollout.attention_mask[rows], length, temperature)
        return logits, values

    def descend(self, loss: Tensor) -> Tensor:
        """One optimizer step; returns the gradient norm before clipping. Raises `NumericalError` instead."""
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        limit = self.config.max_grad_norm or torch.inf
        norm = self.accelerator.clip_grad_norm_(self.policy.parameters(), limit)
        if not torch.isfinite(norm):
            raise NumericalError(
                f"the loss is {float(loss.detach()):.3g} and its gradient norm {float(norm):.3g}, so the "
                "update was not applied. Lower learning_rate, or set max_grad_norm = 1 if it is off."
            )
        self.optimizer.step()
        return torch.as_tensor(norm).detach()


def run_update(
    learner: Learner,
    rollout: Rollout,
    targets: Targets,
    generator: torch.Generator,
    between_minibatches: Callable[[], None],
) -> Update:
    """`ppo_epochs` passes of shuffled minibatches: clipped surrogate, clipped value loss, one optimizer step
    each.

    With `target_kl`, the update ends before the first gradient step whose minibatch has a larger mean k3;
    that minibatch is recorded, the rest leave no entry. `between_minibatches` may raise to give up.
    """
    config, size = learner.config, len(rollout.mask)
    ledger = _Ledger(rollout, config.ppo_epochs)
    for epoch, rows in _minibatches(size, config, generator, rollout.mask.device):
        between_minibatches()
        if not _learn(learner, rollout, targets, ledger, epoch, rows):
            break
    passes = len(ledger.grad_norms) * config.mini_batch_size / size
    rows_after = ceil(size * min(1.0, _AFTERWARDS * (_PASS * passes + _PASS)))
    return ledger.close(_afterwards(learner, rollout.head(rows_after), targets))


def _learn(
    learner: Learner, rollout: Rollout, targets: Targets, ledger: _Ledger, epoch: int, rows: Tensor
) -> bool:
    """One minibatch: forward, losses, entries in the ledger, gradient step. False, and no step, where
    `target_kl` ends the update.

    A function of its own, so that nothing of one minibatch is alive in the next one's forward pass.
    """
    config, mask, old_logprobs = learner.config, rollout.mask[rows], rollout.logprobs[rows]
    old_values, advantages = rollout.values[rows], targets.whitened[rows]
    logits, values = learner.forward(rollout, rows)
    logprobs = ppo.logprobs_from_logits(logits, rollout.response_ids[rows])
    move = ppo.masked_mean(ppo.k3(logprobs, old_logprobs, mask), mask)
    surrogate = ppo.policy_loss(logprobs, old_logprobs, advantages, mask, config.cliprange)
    value = ppo.value_loss(values, old_values, targets.returns[rows], mask, config.cliprange_value)
    with torch.set_grad_enabled(config.ent_coef > 0):
        entropy = ppo.masked_mean(ppo.entropy_from_logits(logits), mask)
    loss = ppo.total_loss(surrogate.loss, value.loss, entropy, config.vf_coef, config.ent_coef)
    goes_on = not (config.target_kl and move > config.target_kl)
    if goes_on:
        try:
            ledger.grad_norms.append(learner.descend(loss))
        except NumericalError as error:
            seen = {"log-probability": logprobs, "old log-probability": old_logprobs}
            seen |= {"value": values, "advantage": advantages}
            raise NumericalError(f"{error} {_first_seen(seen, mask, rows)}") from None
    entries = {
        "new_logprobs": logprobs,
        "ratios": surrogate.ratio,
        "new_values": values,
        "policy_clips": surrogate.clipped,
        "value_clips": value.clipped,
    }
    backward = ppo.masked_mean(old_logprobs - logprobs, mask)
    vpred = ppo.masked_mean(values, mask)
    ledger.enter(rows, epoch, mask, entries, _means(surrogate, value, loss, entropy, move, backward, vpred))
    return goes_on


def _means(
    surrogate: ppo.PolicyLoss,
    value: ppo.ValueLoss,
    loss: Tensor,
    entropy: Tensor,
    k3: Tensor,
    policykl: Tensor,
    vpred: Tensor,
) -> dict[str, Tensor]:
    """A minibatch's scalars by the names of their metrics."""
    return {
        "ppo/loss/policy": surrogate.loss,
        "ppo/loss/value": value.loss,
        "ppo/loss/total": loss,
        "ppo/policy/entropy": entropy,
        "ppo/policy/approxkl": surrogate.approxkl,
        "ppo/policy/k3": k3,
        "ppo/policy/policykl": policykl,
        "ppo/policy/clipfrac": surrogate.clipfrac,
        "ppo/val/clipfrac": value.clipfrac,
        "ppo/val/error": value.error,
        "ppo/val/vpred": vpred,
    }


_AFTERWARDS = 0.05
"""What looking at the batch after the update may cost, as a share of the step."""
_PASS = 3.0
"""What a pass with its gradients costs, in passes without."""


def _afterwards(learner: Learner, rollout: Rollout, targets: Targets) -> dict[str, float]:
    """The rollout as the last gradient step left it. The entries of the epochs are taken before each step, so
    they miss the last one.

    rollout: the first rows of the batch; targets: of the whole batch.
    """
    config, mask, size = learner.config, rollout.mask, len(rollout.mask)
    advantages, returns = targets.whitened[:size], targets.returns[:size]
    with learner.accelerator.autocast():
        seen = forward_rows(learner.policy, rollout, config.mini_batch_size, config.temperature)
    logprobs, values = seen.logprobs, seen.values
    surrogate = ppo.policy_loss(logprobs, rollout.logprobs, advantages, mask, config.cliprange)
    value = ppo.value_loss(values, rollout.values, returns, mask, config.cliprange_value)
    move = ppo.masked_mean(ppo.k3(logprobs, rollout.logprobs, mask), mask)
    furthest = torch.where(mask, logprobs - rollout.logprobs, 0.0).abs().max()
    furthest = torch.exp(furthest.clamp(max=ppo.LARGEST_LOG_RATIO))
    return {
        "ppo/policy/k3_after": float(move),
        "ppo/policy/ratio_after": float(furthest),
        "ppo/policy/clipfrac_after": float(surrogate.clipfrac),
        "ppo/val/clipfrac_after": float(value.clipfrac),
    }


def _minibatches(
    size: int, config: Config, generator: torch.Generator, device: torch.device
) -> Iterator[tuple[int, Tensor]]:
    """(epoch, rows) of every minibatch: each epoch a new shuffle; the last minibatch may be smaller."""
    for epoch in range(config.ppo_epochs):
        for rows in torch.randperm(size, generator=generator).split(config.mini_batch_size):  # type: ignore[no-untyped-call]
            yield epoch, rows.to(device)


def _first_seen(quantities: dict[str, Tensor], mask: Tensor, rows: Tensor) -> str:
    """Which quantity of which sample is not finite: a sentence."""
    for name, values in quantities.items():
        bad = (~torch.isfinite(values) & mask).any(1)
        if bad.any():
            return f"First seen in the {name} of sample {int(rows[bad][0])}."
    return "All per-token values are finite: the gradient overflowed."
