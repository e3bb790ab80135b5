"""From a step's tensors to its record: the metrics by name, the samples, and the table of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import ppo
from .records import Array, Rollout, Sample, TokenTable
from .scoring import Scores
from .update import Update


def batch_metrics(
    rollout: Rollout, scores: Tensor, kl: Tensor, kl_penalty: Tensor, advantages: Tensor, returns: Tensor, eos_id: int
) -> dict[str, float]:
    """The metrics of the sampled batch, before the update. Tensors are (batch, response); scores (batch,)."""
    mask = rollout.mask
    lengths = mask.sum(1)
    last_ids = rollout.response_ids.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return {
        "env/reward_mean": float(scores.mean()),
        "env/reward_std": float(scores.std()) if len(scores) > 1 else 0.0,
        "env/response_length": float(lengths.float().mean()),
        "env/eos_fraction": float((last_ids == eos_id).float().mean()),
        "objective/kl": float(kl.sum(1).mean()),
        "objective/entropy": float(-rollout.logprobs.sum(1).mean()),
        "ppo/mean_non_score_reward": float(ppo.masked_mean(kl_penalty, mask)),
        "ppo/policy/advantages_mean": float(ppo.masked_mean(advantages, mask)),
        "ppo/returns/mean": float(ppo.masked_mean(returns, mask)),
        "ppo/returns/var": float(ppo.masked_var(returns, mask)),
        "ppo/val/mean": float(ppo.masked_mean(rollout.values, mask)),
        "ppo/val/var": float(ppo.masked_var(rollout.values, mask)),
    }


UPDATE_MEANS = (
    "ppo/loss/policy",
    "ppo/loss/value",
    "ppo/loss/total",
    "ppo/policy/entropy",
    "ppo/policy/approxkl",
    "ppo/policy/k3",
    "ppo/policy/policykl",
    "ppo/policy/clipfrac",
    "ppo/val/clipfrac",
    "ppo/val/error",
    "ppo/val/vpred",
)


def update_metrics(update: Update, returns_var: float, gradient_steps_per_epoch: int) -> dict[str, float]:
    """The metrics of the update. An update that `target_kl` ended before its first gradient step has NaN means."""
    means = {name: update.means.get(name, float("nan")) for name in UPDATE_MEANS}
    explained = 1 - means["ppo/val/error"] / returns_var if returns_var > 0 else float("nan")
    return {
        **means,
        "ppo/val/var_explained": explained,
        "ppo/policy/grad_norm": update.grad_norm,
        "ppo/policy/epochs": update.gradient_steps / gradient_steps_per_epoch,
    }


def texts(tokenizer: Any, rollout: Rollout) -> tuple[list[str], list[str]]:
    """The batch's queries and responses as text, end-of-text and padding left out."""
    queries = [ids[mask] for ids, mask in zip(rollout.query_ids.cpu(), rollout.query_mask.cpu(), strict=True)]
    responses = [ids[mask] for ids, mask in zip(rollout.response_ids.cpu(), rollout.mask.cpu(), strict=True)]
    return _decoded(tokenizer, queries), _decoded(tokenizer, responses)


def _decoded(tokenizer: Any, rows: Sequence[Tensor]) -> list[str]:
    return [tokenizer.decode(row.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False) for row in rows]


def make_samples(
    queries: list[str], responses: list[str], rollout: Rollout, scores: Scores, kl_sums: Tensor | None, eos_id: int
) -> tuple[Sample, ...]:
    """A `Sample` for each row of the batch. kl_sums: (batch,), or None where the reference was not asked."""
    lengths = rollout.mask.sum(1).tolist()
    ids = rollout.response_ids.tolist()
    totals = scores.total.tolist()
    parts = {name: part.tolist() for name, part in scores.parts.items()}
    sums = [float("nan")] * len(lengths) if kl_sums is None else kl_sums.tolist()
    return tuple(
        Sample(
            index=i,
            query=queries[i],
            response=responses[i],
            score=totals[i],
            score_parts={name: part[i] for name, part in parts.items()},
            response_length=lengths[i],
            ended_by_eos=lengths[i] > 0 and ids[i][lengths[i] - 1] == eos_id,
            kl_sum=sums[i],
        )
        for i in range(len(lengths))
    )


def token_table(
    rollout: Rollout,
    update: Update,
    ref_logprobs: Tensor,
    advantages: Tensor,
    whitened: Tensor,
    scores: Tensor,
    vocabulary: Sequence[str],
    kl_coef: float,
    gamma: float,
) -> TokenTable:
    """A row for each response token. `vocabulary` has the displayed text of every token id."""
    mask = rollout.mask.cpu()
    sample, position = (index.numpy().astype(np.int32) for index in mask.nonzero(as_tuple=True))
    token_id = _kept(rollout.response_ids, mask).astype(np.int32)
    return TokenTable(
        sample=sample,
        position=position,
        token_id=token_id,
        text=[vocabulary[i] for i in token_id],
        old_logprob=_kept(rollout.logprobs, mask),
        ref_logprob=_kept(ref_logprobs, mask),
        value=_kept(rollout.values, mask),
        advantage=_kept(advantages, mask),
        whitened=_kept(whitened, mask),
        epochs_seen=update.epochs_seen.cpu().numpy()[sample],
        new_logprob=_kept(update.new_logprobs, mask),
        ratio=_kept(update.ratios, mask),
        new_value=_kept(update.new_values, mask),
        policy_clip=_kept(update.policy_clips, mask),
        value_clip=_kept(update.value_clips, mask),
        scores=scores.cpu().numpy(),
        kl_coef=kl_coef,
        gamma=gamma,
    )


def _kept(x: Tensor, mask: Tensor) -> Array:
    """`x` at the counted tokens, in the order of the table, as NumPy."""
    kept: Array = x.detach().cpu()[mask].numpy()
    return kept


def displayed_vocabulary(tokenizer: Any, size: int) -> list[str]:
    """Each token id's text as it stands within a sentence; special tokens by their names.

    size: the model's vocabulary, which may be larger than the tokenizer's: an id beyond that is shown as its number.
    """
    special = set(tokenizer.all_special_ids)
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return [names[i] if i in special else tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in range(len(names))] + [
        f"<{i}>" for i in range(len(names), size)
    ]


def finite(x: Tensor) -> bool:
    """Whether every entry is finite."""
    return bool(torch.isfinite(x).all())
