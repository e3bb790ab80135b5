"""From a step's tensors to its record: the metrics by name, the samples, and the table of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .. import ppo
from ..records import Array, Rollout, Sample, TokenTable
from ..rewards import Scores
from ..targets import Targets
from .decoding import Decoded, Decoder
from .update import Update


def batch_metrics(
    rollout: Rollout, scores: Tensor, kl: Tensor, rewards: ppo.TokenRewards, targets: Targets, ended: Tensor
) -> dict[str, float]:
    """The metrics of the sampled batch, before the update. Tensors are (batch, response); scores and ended
    (see `ended_by`) (batch,).

    One that is not defined for this batch is left out.
    """
    mask = rollout.mask
    lengths = mask.sum(1)
    explained = float(ppo.explained_variance(targets.returns, rollout.values, mask))
    return {
        "env/reward_mean": float(scores.mean()),
        "env/reward_std": float(scores.std()) if len(scores) > 1 else 0.0,
        "env/response_length": float(lengths.float().mean()),
        "env/eos_fraction": float(ended.float().mean()),
        "objective/kl": float(kl.sum(1).mean()),
        "objective/entropy": float(-rollout.logprobs.sum(1).mean()),
        "ppo/mean_non_score_reward": float(ppo.masked_mean(rewards.kl_penalty, mask)),
        "ppo/policy/advantages_mean": float(ppo.masked_mean(targets.whitened, mask)),
        "ppo/returns/mean": float(ppo.masked_mean(targets.returns, mask)),
        "ppo/returns/var": float(ppo.masked_var(targets.returns, mask)),
        "ppo/val/mean": float(ppo.masked_mean(rollout.values, mask)),
        "ppo/val/var": float(ppo.masked_var(rollout.values, mask)),
        "ppo/val/bias": float(ppo.masked_mean(rollout.values - targets.returns, mask)),
        **({"ppo/val/var_explained": explained} if explained == explained else {}),
    }


def ended_by(rollout: Rollout, end_ids: Sequence[int]) -> Tensor:
    """(batch,) bool: whether the response's last token is one of those that end a text."""
    last = (rollout.mask.sum(1) - 1).clamp(min=0).unsqueeze(1)
    ends = torch.tensor(end_ids, dtype=torch.long, device=last.device)
    return torch.isin(rollout.response_ids.gather(1, last).squeeze(1), ends) & rollout.mask.any(1)


def update_metrics(update: Update, gradient_steps_per_epoch: int) -> dict[str, float]:
    """The metrics of the update; no gradient norm where `target_kl` stopped it before the first step."""
    norm = {} if update.grad_norm is None else {"ppo/policy/grad_norm": update.grad_norm}
    return {
        **update.means,
        **update.after,
        **norm,
        "ppo/policy/first_ratio": update.first_ratio,
        "ppo/policy/epochs": update.gradient_steps / gradient_steps_per_epoch,
    }


def decoded(decoder: Decoder, rollout: Rollout) -> list[Decoded]:
    """Each row's text, end-of-text and padding left out, and its tokens as displayed."""
    queries = [
        ids[mask].tolist()
        for ids, mask in zip(rollout.query_ids.cpu(), rollout.query_mask.cpu(), strict=True)
    ]
    responses = [
        ids[mask].tolist() for ids, mask in zip(rollout.response_ids.cpu(), rollout.mask.cpu(), strict=True)
    ]
    return [decoder.split(query, response) for query, response in zip(queries, responses, strict=True)]


def make_samples(
    texts: Sequence[Decoded], rollout: Rollout, scores: Scores, kl_sums: Tensor | None, ended: Tensor
) -> tuple[Sample, ...]:
    """A `Sample` for each row. kl_sums: (batch,), None without a reference; ended: see `ended_by`."""
    lengths, ends = rollout.mask.sum(1).tolist(), ended.tolist()
    totals = scores.total.tolist()
    parts = {name: part.tolist() for name, part in scores.parts.items()}
    sums = [float("nan")] * len(lengths) if kl_sums is None else kl_sums.tolist()
    return tuple(
        Sample(
            index=i,
            query=texts[i].query,
            response=texts[i].response,
            score=totals[i],
            score_parts={name: part[i] for name, part in parts.items()},
            response_length=lengths[i],
            ended_by_eos=ends[i],
            kl_sum=sums[i],
        )
        for i in range(len(lengths))
    )


def token_table(
    rollout: Rollout,
    update: Update,
    ref_logprobs: Tensor,
    rewards: ppo.TokenRewards,
    targets: Targets,
    scores: Tensor,
    texts: Sequence[Decoded],
    kl_coef: float,
    gamma: float,
) -> TokenTable:
    """A row for each response token. texts: of each sample."""
    mask = rollout.mask.cpu()
    sample, position = (index.numpy().astype(np.int32) for index in mask.nonzero(as_tuple=True))
    return TokenTable(
        sample=sample,
        position=position,
        token_id=_kept(rollout.response_ids, mask).astype(np.int32),
        text=[piece for text in texts for piece in text.pieces],
        old_logprob=_kept(rollout.logprobs, mask),
        ref_logprob=_kept(ref_logprobs, mask),
        value=_kept(rollout.values, mask),
        advantage=_kept(targets.advantages, mask),
        whitened=_kept(targets.whitened, mask),
        kl_estimate=_kept(rewards.kl, mask),
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
