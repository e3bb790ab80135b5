"""Whether a policy computes what its model computes: a comparison on a short text, once, when the model is
loaded.

The policy is asked four ways (plain, left-padded, token by token with the model's cache, and over a text cut
short), and each must give the log-probabilities of the model's own `forward` on the bare text. Otherwise
training would learn from other numbers than those it samples from, without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import PPOEngineError, SourceError
from ..ppo import logprobs_from_logits
from ..sources.loaded import position_count, quiet, unused_weights
from .models import Policy, load_language_model
from .rollout import left_pad

TOLERANCE = 1e-3
"""Nats. Float32 leaves some 1e-5 of a log-probability; a padding, a position or a scale that counts moves it
by far more than this.
"""

_TEXT = (
    "After thirty minutes of this lovely musical the old actress saves the film, but the narration was "
    "dreadful and I left."
)
_QUERY, _RESPONSE = 8, 4
"""Tokens that are compared at least."""
_MOST = 64
"""Tokens of a response that are compared at most: each takes a pass of its own."""
_SHORTER = 5
"""So many tokens the other row of a batch has fewer."""


def load_policy(source: str, query: int = _QUERY, response: int = _RESPONSE) -> tuple[Policy, Any, list[str]]:
    """The policy at `source` (see `sources.locate`), checked; tokenizer; remarks. Raises `SourceError`."""
    language_model, tokenizer = load_language_model(source)
    with quiet():
        try:
            policy = Policy(language_model)
        except PPOEngineError:
            raise
        except Exception as error:
            raise SourceError(
                _refusal(
                    source, _kind(language_model), f"a forward pass on one token fails ({_in_words(error)})"
                )
            ) from error
        remark = check_policy(policy, tokenizer, source, query, response)
    return policy, tokenizer, [*([remark] if remark else []), *unused_weights("policy", language_model)]


@torch.no_grad()
def check_policy(
    policy: Policy, tokenizer: Any, source: str, query: int = _QUERY, response: int = _RESPONSE
) -> str:
    """Raises `SourceError`, which names the model type, where it differs and by how much; returns a remark,
    "" for none.

    query, response: the longest of the run, in tokens. A cache that differs is not used, which is slower and
    right, and is what the remark says.
    """
    text, response = _text(tokenizer, policy, max(query, _QUERY), min(max(response, _RESPONSE), _MOST))
    kind = _kind(policy.language_model)

    def gap(where: str, numbers: Callable[[], Tensor]) -> str:
        """How far these differences exceed arithmetic, in words; "" for not at all."""
        try:
            most = float(numbers().abs().max())
        except Exception as error:  # whatever a stranger's architecture raises is the same news
            return f"{where}, the forward pass fails ({_in_words(error)})"
        return "" if most <= TOLERANCE else f"{where}, log-probabilities differ by up to {most:.2g} nats"

    def refuse(told: str) -> None:
        if told:
            raise SourceError(_refusal(source, kind, told))

    try:
        own = _picked(
            policy.language_model(input_ids=text[None]).logits[0, -response - 1 : -1], text[-response:]
        )
    except Exception as error:
        raise SourceError(
            _refusal(source, kind, f"a forward pass on plain text fails ({_in_words(error)})")
        ) from error
    if not torch.isfinite(own).all():
        refuse("log-probabilities of plain text are not finite")
    rows = [text[_SHORTER:], text]
    cut = "with later tokens removed (so it is not a causal language model)"
    refuse(gap(cut, lambda: _prefixes(policy, text, min(response, _RESPONSE)) - own[-_RESPONSE:]))
    refuse(gap("at selected positions", lambda: _batched(policy, [text], response)[0] - own))

    def beside() -> Tensor:
        """Of both rows of a batch, of which the shorter is padded more."""
        together = _batched(policy, rows, response)
        return torch.stack([together[0] - _batched(policy, rows[:1], response)[0], together[1] - own])

    refuse(gap("with left padding", beside))
    if told := gap("with the cache", lambda: _cached(policy, rows, response)):
        policy.caches = False
        refuse(gap("in token-by-token generation", lambda: _cached(policy, rows, response)))
        return f"The policy ({kind}) is sampled without its key-value cache, which is slower: {told}."
    return ""


def _kind(language_model: Any) -> str:
    return str(getattr(language_model.config, "model_type", "") or type(language_model).__name__)


def _in_words(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        if str(error).strip()
        else type(error).__name__
    )


def _refusal(source: str, kind: str, told: str) -> str:
    return (
        f"model_name = {source}: models of type {kind} are not supported: {told}. "
        "Choose a causal language model such as GPT-2, Llama or Qwen."
    )


def _text(tokenizer: Any, policy: Policy, query: int, response: int) -> tuple[Tensor, int]:
    """Ids of plain text, (query + response,) or as many as fit, and the length of the response."""
    room = position_count(policy.language_model.config) or query + response
    response = max(1, min(response, room - query))
    ids = tokenizer(_TEXT, add_special_tokens=False)["input_ids"] or [0]
    whole = (ids * (query + response))[: min(room, query + response)]
    return torch.tensor(whole, device=next(policy.parameters()).device), response


def _picked(logits: Tensor, ids: Tensor) -> Tensor:
    return logprobs_from_logits(logits.float()[None], ids[None])[0]


def _prefixes(policy: Policy, text: Tensor, count: int) -> Tensor:
    """The last tokens' log-probabilities by the model's own forward on what stands before each alone."""
    ends = range(len(text) - count, len(text))
    last = [policy.language_model(input_ids=text[None, :end]).logits[0, -1] for end in ends]
    return _picked(torch.stack(last), text[-count:])


def _batched(policy: Policy, rows: list[Tensor], response: int) -> Tensor:
    """Log-probabilities of each row's last tokens, (rows, response), padded on the left."""
    ids, mask = _padded(rows, 3 if len(rows) > 1 else 0)
    logits, _ = policy(ids, mask, response, 1.0)
    return logprobs_from_logits(logits, ids[:, -response:])


def _cached(policy: Policy, rows: list[Tensor], response: int) -> Tensor:
    """Log-probabilities sampled in a batch with the cache less those of each row alone."""
    ids, mask = _padded(rows, 0)
    memory: dict[str, Any] = {}
    ends = range(ids.shape[1] - response, ids.shape[1])
    seen = [
        logprobs_from_logits(policy.next_token(ids[:, :end], mask[:, :end], memory, 1.0)[0], ids[:, end])
        for end in ends
    ]
    return torch.stack(seen, dim=1) - torch.cat([_batched(policy, [row], response) for row in rows])


def _padded(rows: list[Tensor], more: int) -> tuple[Tensor, Tensor]:
    """Ids and mask of the rows, padded on the left to the longest and `more` more."""
    ids, mask = left_pad([row.tolist() for row in rows], 0, rows[0].device)
    return functional.pad(ids, (more, 0)), functional.pad(mask, (more, 0))
