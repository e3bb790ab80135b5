"""Sampling: one batched, left-padded generation with a key-value cache, which keeps logprobs and values as it
goes.

Every draw is the inverse of the cumulative distribution at one uniform number from the caller, so a sample
depends on its own numbers alone: not on the batch around it, on the device, or on when its neighbours end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..ppo import entropy_from_logits, logprobs_from_logits
from ..records import Rollout
from .models import Policy


@torch.no_grad()
def sample(
    policy: Policy,
    queries: Sequence[Sequence[int]],
    lengths: Tensor,
    uniforms: Tensor,
    *,
    end_ids: Sequence[int],
    pad_id: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    between_tokens: Callable[[], None] = lambda: None,
) -> Rollout:
    """Continue each query by `lengths` tokens, or up to and including an end-of-text.

    end_ids: the tokens of which any ends a response. lengths: (batch,) int; uniforms: (batch, at least max
    length) in [0, 1). Logprobs and entropy are of the whole softmax(logits / temperature); top_k and top_p
    restrict only what is drawn. `between_tokens` may raise to give up.
    """
    device = next(policy.parameters()).device
    query_ids, query_mask = left_pad(queries, pad_id, device)
    lengths, uniforms = lengths.to(device), uniforms.to(device)
    ends = torch.tensor(end_ids, dtype=torch.long, device=device)
    attention_mask, ids = query_mask, query_ids
    memory: dict[str, Any] = {}
    alive = torch.ones(len(queries), dtype=torch.bool, device=device)
    kept: dict[str, list[Tensor]] = {"ids": [], "mask": [], "logprobs": [], "values": [], "entropy": []}
    for t in range(int(lengths.max())):
        between_tokens()
        logits, values = policy.next_token(ids, attention_mask, memory, temperature)
        log_softmax = torch.log_softmax(logits, dim=-1)
        token = torch.where(alive, draw(restricted(log_softmax, top_k, top_p), uniforms[:, t]), pad_id)
        chosen = log_softmax.gather(-1, token.unsqueeze(-1)).squeeze(-1)
        for name, column in (
            ("logprobs", chosen),
            ("values", values),
            ("entropy", entropy_from_logits(logits)),
        ):
            kept[name].append(torch.where(alive, column, 0.0))
        kept["ids"].append(token)
        kept["mask"].append(alive)
        ids = torch.cat([ids, token.unsqueeze(1)], dim=1)
        attention_mask = torch.cat([attention_mask, alive.unsqueeze(1)], dim=1)
        alive = alive & ~torch.isin(token, ends) & (t + 1 < lengths)
        if not alive.any():
            break
    response = {name: torch.stack(columns, dim=1) for name, columns in kept.items()}
    return Rollout(
        query_ids,
        query_mask,
        response["ids"],
        response["mask"],
        response["logprobs"],
        response["values"],
        response["entropy"],
    )


@dataclass(frozen=True)
class Forward:
    """A model's view of a rollout's responses, 0 outside the mask. logprobs, values: (batch, response);
    likeliest, chances: (batch, response, k), the k likeliest tokens with their probabilities, first to last.
    """

    logprobs: Tensor
    values: Tensor
    likeliest: Tensor
    chances: Tensor


@torch.no_grad()
def forward_rows(
    model: Any,
    rollout: Rollout,
    rows_at_once: int,
    temperature: float,
    between: Callable[[], None] = lambda: None,
    likeliest: int = 0,
) -> Forward:
    """The responses under `model`, as an update sees them.

    `rows_at_once` rows in a pass, each pass padded as the whole batch is: the shapes, and so the roundings,
    are an update's own. `between` is called before each pass and may raise to give up.
    """
    ids, attention_mask = rollout.ids, rollout.attention_mask

    def one_pass(rows: slice) -> tuple[Tensor, ...]:  # whose logits are gone before the next
        between()
        logits, values = model(ids[rows], attention_mask[rows], rollout.mask.shape[1], temperature)
        logprobs = logprobs_from_logits(logits, rollout.response_ids[rows])
        return logprobs, values, *_likeliest(logits, likeliest)

    parts = [one_pass(slice(start, start + rows_at_once)) for start in range(0, len(ids), rows_at_once)]
    logprobs, values, indices, chances = (torch.cat(column) for column in zip(*parts, strict=True))
    mask = rollout.mask
    return Forward(torch.where(mask, logprobs, 0.0), torch.where(mask, values, 0.0), indices, chances)


def _likeliest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Indices and probabilities of the `count` likeliest tokens, (batch, response, count)."""
    if not count:
        nothing = logits.new_empty((*logits.shape[:-1], 0))  # a slice would keep the logits alive
        return nothing.long(), nothing
    top = torch.softmax(logits, dim=-1).topk(min(count, logits.shape[-1]), dim=-1)
    return top.indices, top.values


def in_the_updates_numerics(
    model: Any,
    rollout: Rollout,
    rows_at_once: int,
    temperature: float,
    between: Callable[[], None] = lambda: None,
) -> Rollout:
    """The same rollout with log-probabilities and values as the update computes them, for a ratio that starts
    at 1.

    In bf16 those of sampling, one token at a time over a cache, are off by up to 13 % of a probability before
    any gradient step.
    """
    seen = forward_rows(model, rollout, rows_at_once, temperature, between)
    return replace(rollout, logprobs=seen.logprobs, values=seen.values)


def left_pad(queries: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids, (batch, longest), padded on the left, and the mask of real tokens."""
    longest = max(len(query) for query in queries)
    ids = torch.tensor([[pad_id] * (longest - len(query)) + list(query) for query in queries])
    mask = torch.tensor([[False] * (longest - len(query)) + [True] * len(query) for query in queries])
    return ids.to(device), mask.to(device)


def restricted(log_softmax: Tensor, top_k: int, top_p: float) -> Tensor:
    """(batch, vocabulary) probabilities, 0 outside top-k and the top-p nucleus; not renormalised."""
    probabilities = log_softmax.exp()
    if 0 < top_k < probabilities.shape[-1]:
        weakest = probabilities.topk(top_k, dim=-1).values[:, -1:]
        probabilities = probabilities * (probabilities >= weakest)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(-1) - ordered
        inside = before < top_p * ordered.sum(-1, keepdim=True)
        inside[:, 0] = True  # the likeliest, however small top_p is
        probabilities = probabilities * torch.zeros_like(inside).scatter(-1, order, inside)
    return probabilities


def draw(weights: Tensor, uniforms: Tensor) -> Tensor:
    """(batch,) index drawn in proportion to `weights`, (batch, vocabulary): where the running sum passes
    uniform * total.

    In float64 where the device has it: float32 sums over a large vocabulary lose the rare tokens.
    """
    precise = torch.float32 if weights.device.type == "mps" else torch.float64
    running = weights.to(precise).cumsum(-1)
    threshold = uniforms.to(precise).unsqueeze(-1) * running[:, -1:]
    return torch.searchsorted(running, threshold, right=True).squeeze(-1).clamp(max=weights.shape[-1] - 1)
