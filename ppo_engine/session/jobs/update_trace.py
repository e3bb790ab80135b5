"""The trace of one PPO update: all its tensors, on the run's own models and prompts, and the same batch again
afterwards.

It is a step like the trainer's, by the same functions, but on a copy of the policy and of the optimizer
state, with random numbers of its own: the run is unaffected. The display explains the numbers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ... import ppo
from ...config import Config
from ...errors import NumericalError
from ...records import Rollout
from ...rewards import reward_words
from ...targets import Targets
from ...training import step_record
from ...training.decoding import Decoded
from ...training.device import within_memory
from ...training.models import Policy
from ...training.rollout import Forward, forward_rows
from ...training.trainer import Trainer
from ...training.update import Learner, Update, run_update
from .requests import UpdateTraceRequest
from .results import Moved, Rows, TracedSample, TracedUpdate, UpdateTrace

RUNNERS_UP = 5
EPOCHS_KEPT = 8
"""Most epochs kept of an update: of more, the first and the last."""

_SETTINGS = (
    "input_min_text_length", "input_max_text_length", "output_min_length", "output_max_length",
    "temperature", "top_k", "top_p",
    "kl_estimator", "gamma", "lam", "cliprange", "cliprange_value", "vf_coef", "ent_coef", "target_kl",
    "learning_rate",
    "max_grad_norm",
    "ppo_epochs", "mini_batch_size",
)  # fmt: skip
_ROWS_AT_ONCE = 4


def update_trace(trainer: Trainer, step: int, request: UpdateTraceRequest) -> UpdateTrace:
    """Traces one update, as the run would take it after `step`."""
    with within_memory(trainer.accelerator.device, "trace", "choose a smaller batch"):
        return _trace(trainer, step, request.batch, request.seed)


def _trace(trainer: Trainer, step: int, batch: int, seed: int) -> UpdateTrace:
    config = trainer.config.changed(
        batch_size=batch, mini_batch_size=min(batch, trainer.config.mini_batch_size)
    )
    policy, optimizer = _copies(trainer)
    rollout = trainer.continue_openings(batch, seed)
    mask, kl_coef = rollout.mask, trainer.kl_coef
    texts = step_record.decoded(trainer.decoder, rollout)
    scores = trainer.score(texts)
    seen = _forward(trainer, policy, rollout, RUNNERS_UP)
    reference = _forward(trainer, trainer.reference, rollout)
    rewards, targets = trainer.targets(rollout, scores.total, reference.logprobs)
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    descent = _Descent(trainer)
    learner = Learner(policy, optimizer, descent, config)
    update, trouble = _update(learner, rollout, targets, trainer.give_up_if_interrupted, seed)
    now = _forward(trainer, policy, rollout)
    after = replace(rollout, logprobs=now.logprobs, values=now.values)
    rewards_now, _ = trainer.targets(after, scores.total, reference.logprobs)
    return {
        "step": max(0, step),
        "batch": batch,
        "seed": seed,
        "kl_coef": _short(kl_coef),
        "settings": {name: getattr(config, name) for name in _SETTINGS},
        "shape": list(mask.shape),
        "query_shape": list(rollout.query_ids.shape),
        "reward": asdict(reward_words(config)),
        "samples": _samples(trainer, rollout, texts, scores.total, scores.parts),
        "tokens": _tokens(rollout, reference.logprobs, rewards, targets, config.gamma),
        "runners_up": _named(trainer, seen, rollout),
        "whitening": {
            "mean": _short(float(ppo.masked_mean(targets.advantages, mask))),
            "var": _short(float(ppo.masked_var(targets.advantages, mask))),
            "count": int(mask.sum()),
        },
        "update": _traced(update, learner, descent, rollout, targets, _moved(policy, before)),
        "again": None
        if update is None
        else _again(now, reference.logprobs, rollout, rewards_now, targets, config),
        "trouble": trouble,
    }


def _tokens(
    rollout: Rollout, ref_logprobs: Tensor, rewards: ppo.TokenRewards, targets: Targets, gamma: float
) -> dict[str, Rows]:
    """The batch's token columns before the update."""
    columns = {
        "logprob": rollout.logprobs,
        "ref_logprob": ref_logprobs,
        "entropy": rollout.entropy,
        "value": rollout.values,
        "kl": rollout.logprobs - ref_logprobs,
        "kl_estimate": rewards.kl,
        "kl_penalty": rewards.kl_penalty,
        "reward": rewards.rewards,
        "delta": ppo.td_residuals(rewards.rewards, rollout.values, rollout.mask, gamma),
        "advantage": targets.advantages,
        "whitened": targets.whitened,
        "return": targets.returns,
    }
    return {name: _rows(column, rollout.mask) for name, column in columns.items()}


def _copies(trainer: Trainer) -> tuple[Policy, torch.optim.Adam]:
    """Copies of the policy and its optimizer, which share no tensor with the run's own."""
    # The reference has the policy's form without what the run's accelerator may have wrapped around it.
    policy = copy.deepcopy(trainer.reference).requires_grad_(True)
    policy.load_state_dict(trainer.accelerator.unwrap_model(trainer.policy).state_dict())
    optimizer = torch.optim.Adam(policy.parameters(), lr=trainer.config.learning_rate, fused=True)
    # which would share Adam's moments with the run's
    optimizer.load_state_dict(copy.deepcopy(trainer.optimizer.state_dict()))
    for group in optimizer.param_groups:
        group["lr"] = trainer.config.learning_rate
    return policy, optimizer


@dataclass
class _Descent:
    """An accelerator for `run_update`, independent of the run's own. Records each gradient step."""

    trainer: Trainer
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)

    def autocast(self) -> Any:
        return self.trainer.accelerator.autocast()

    def backward(self, loss: Tensor) -> None:
        self.losses.append(float(loss.detach()))
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_grad_norm_(self, parameters: Any, max_norm: float) -> Tensor:
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        self.grad_norms.append(float(norm))
        return norm


def _forward(trainer: Trainer, model: Policy, rollout: Rollout, likeliest: int = 0) -> Forward:
    """A few rows at a time: the logits of a whole batch with a large vocabulary take gigabytes."""
    with trainer.accelerator.autocast():
        return forward_rows(model, rollout, _ROWS_AT_ONCE, trainer.config.temperature, likeliest=likeliest)


def _update(
    learner: Learner, rollout: Rollout, targets: Targets, give_up: Callable[[], None], seed: int
) -> tuple[Update | None, str]:
    """The update (None for non-finite numbers), and what went wrong, "" for nothing."""
    config, generator = learner.config, torch.Generator().manual_seed(seed)
    try:
        update = run_update(learner, rollout, targets, generator, give_up)
    except NumericalError as error:
        return None, f"The update failed: {error}"
    steps, planned = update.gradient_steps, _planned(config, len(rollout.mask))
    if steps == planned:
        return update, ""
    where = f"after {steps} of {planned} gradient steps" if steps else "before the first gradient step"
    return update, (
        f"Early stopping {where}: the next minibatch's KL from the sampling policy exceeded "
        f"target_kl = {config.target_kl:g} nats per token."
    )


def _planned(config: Config, batch: int) -> int:
    return config.ppo_epochs * math.ceil(batch / config.mini_batch_size)


def _moved(policy: Policy, before: Sequence[Tensor]) -> Moved:
    """The change of the weights: their number, the norm of the change, and its largest entry."""
    changes = [(now.detach() - old).float() for now, old in zip(policy.parameters(), before, strict=True)]
    length = math.hypot(*(float(change.norm()) for change in changes))
    return {
        "weights": sum(change.numel() for change in changes),
        "length": _short(length),
        "largest": _short(max(float(change.abs().max()) for change in changes)),
    }


def _traced(
    update: Update | None,
    learner: Learner,
    descent: _Descent,
    rollout: Rollout,
    targets: Targets,
    moved: Moved,
) -> TracedUpdate:
    """The update as JSON; without epochs and means if it failed."""
    config = learner.config
    epochs = list(range(config.ppo_epochs))
    if len(epochs) > EPOCHS_KEPT:
        epochs = epochs[: EPOCHS_KEPT // 2] + epochs[-EPOCHS_KEPT // 2 :]
    kept = [] if update is None else [epoch for epoch in epochs if epoch < int(update.epochs_seen.max())]
    columns = [_epoch(update, epoch, rollout, targets, config) for epoch in kept if update is not None]

    def each(name: str) -> list[Rows]:
        return [column[name] for column in columns]

    return {
        "epochs": [epoch + 1 for epoch in kept],
        "new_logprob": each("new_logprob"),
        "ratio": each("ratio"),
        "new_value": each("new_value"),
        "policy_term": each("policy_term"),
        "policy_clip": each("policy_clip"),
        "value_term": each("value_term"),
        "value_clip": each("value_clip"),
        "losses": [_short(loss) for loss in descent.losses],
        "grad_norms": [_short(norm) for norm in descent.grad_norms],
        "minibatches": math.ceil(len(rollout.mask) / config.mini_batch_size),
        "planned": _planned(config, len(rollout.mask)),
        "gradient_steps": 0 if update is None else update.gradient_steps,
        "means": {} if update is None else {name: _short(mean) for name, mean in update.means.items()},
        "moved": moved,
    }


def _epoch(update: Update, epoch: int, rollout: Rollout, targets: Targets, config: Config) -> dict[str, Rows]:
    """The columns of one epoch; a row is None if the sample did not enter it."""
    ratio, new_value = update.ratios[:, :, epoch], update.new_values[:, :, epoch]
    entries = {"new_logprob": update.new_logprobs[:, :, epoch], "ratio": ratio, "new_value": new_value}
    entries |= _clips(ratio, new_value, rollout, targets, config)
    seen = update.epochs_seen.tolist()
    return {
        name: [row if epoch < count else None for row, count in zip(rows, seen, strict=True)]
        for name, rows in ((name, _rows(entry, rollout.mask)) for name, entry in entries.items())
    }


def _again(
    now: Forward,
    ref_logprobs: Tensor,
    rollout: Rollout,
    rewards: ppo.TokenRewards,
    targets: Targets,
    config: Config,
) -> dict[str, Rows]:
    """The same texts under the policy after the update, and the clips of a hypothetical next pass."""
    ratio = torch.exp((now.logprobs - rollout.logprobs).clamp(max=ppo.LARGEST_LOG_RATIO))
    columns = {
        "logprob": now.logprobs,
        "value": now.values,
        "ratio": ratio,
        "kl": now.logprobs - ref_logprobs,
        "kl_estimate": rewards.kl,
        "kl_penalty": rewards.kl_penalty,
        "reward": rewards.rewards,
        **_clips(ratio, now.values, rollout, targets, config),
    }
    return {name: _rows(column, rollout.mask) for name, column in columns.items()}


_CLIPS = ("policy_term", "policy_clip", "value_term", "value_clip")


def _clips(
    ratio: Tensor, values: Tensor, rollout: Rollout, targets: Targets, config: Config
) -> dict[str, Tensor]:
    """Each token's term of both losses, and where their clips bind, (batch, response)."""
    policy_term, policy_clip = ppo.clipped_surrogate(ratio, targets.whitened, rollout.mask, config.cliprange)
    value_term, value_clip = ppo.clipped_squares(
        values, rollout.values, targets.returns, rollout.mask, config.cliprange_value
    )
    return dict(zip(_CLIPS, (policy_term, policy_clip, value_term, value_clip), strict=True))


def _samples(
    trainer: Trainer, rollout: Rollout, texts: Sequence[Decoded], scores: Tensor, parts: dict[str, Tensor]
) -> list[TracedSample]:
    query_ids = [ids[mask].tolist() for ids, mask in zip(rollout.query_ids, rollout.query_mask, strict=True)]
    ended = step_record.ended_by(rollout, trainer.special_tokens.end).tolist()
    return [
        {
            "query": text.query,
            "response": text.response,
            "score": _short(float(scores[i])),
            "parts": {name: _short(float(part[i])) for name, part in parts.items()},
            "ended": ended[i],
            "query_tokens": text.query_pieces,
            "query_ids": query_ids[i],
            "tokens": text.pieces,
        }
        for i, text in enumerate(texts)
    ]


def _named(
    trainer: Trainer, seen: Forward, rollout: Rollout
) -> list[list[list[tuple[str, float | None, bool]]]]:
    """The most likely tokens at each counted token: text, probability, and whether it was sampled."""
    indices, chances, drawn = (
        column.tolist() for column in (seen.likeliest, seen.chances, rollout.response_ids)
    )
    return [
        [
            [
                (trainer.decoder.vocabulary[token], _short(chance), token == drawn[i][t])
                for token, chance in zip(indices[i][t], chances[i][t], strict=True)
            ]
            for t in range(int(length))
        ]
        for i, length in enumerate(rollout.mask.sum(1))
    ]


def _rows(x: Tensor, mask: Tensor) -> Rows:
    """The counted entries of each row: numbers to 7 digits, or flags."""
    rows = [row[inside].tolist() for row, inside in zip(x.detach().cpu(), mask.cpu(), strict=True)]
    return rows if x.dtype == torch.bool else [[_short(entry) for entry in row] for row in rows]


def _short(x: float) -> float | None:
    """7 significant digits, the precision of float32; None for non-finite numbers."""
    return float(f"{x:.7g}") if math.isfinite(x) else None
