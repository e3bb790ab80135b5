"""Whether a policy computes what its model computes: a comparison on a short text, once, when the model is loaded.

The policy is asked four ways (plain, left-padded, token by token with the model's cache, and over a text cut short), and each must
give the log-probabilities of the model's own `forward` on the bare text. Otherwise training would learn from other numbers than
those it samples from, without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .errors import PPOEngineError, SourceError
from .models import Policy, load_language_model
from .ppo import logprobs_from_logits

TOLERANCE = 1e-3
"""Nats. Float32 leaves some 1e-5 of a log-probability; a padding, a position or a scale that counts moves it by far more than this."""

_TEXT = "After thirty minutes of this lovely musical the old actress saves the film, but the narration was dreadful and I left."
_LONG, _SHORT, _RESPONSE = 12, 7, 4


def load_policy(source: str) -> tuple[Policy, Any, str]:
    """The policy at `source` (see `sources.locate`) with its tokenizer, checked, and a remark on it, "" for none. Raises `SourceError`."""
    language_model, tokenizer = load_language_model(source)
    try:
        policy = Policy(language_model)
    except PPOEngineError:
        raise
    except Exception as error:
        raise SourceError(_refusal(source, _kind(language_model), "on one token", f"it fails ({_in_words(error)})")) from error
    return policy, tokenizer, check_policy(policy, tokenizer, source)


@torch.no_grad()
def check_policy(policy: Policy, tokenizer: Any, source: str) -> str:
    """Raises `SourceError`, which names the model type, where it differs and by how much; returns a remark, "" for none.

    A cache that differs is not used, which is slower and right, and is what the remark says.
    """
    ids = _text(tokenizer, policy)
    kind = _kind(policy.language_model)

    def difference(numbers: Callable[[], Tensor]) -> str:
        """How those log-probabilities, (response,), differ from the model's own: a phrase, "" for not at all."""
        try:
            gap = float((numbers().view(-1, _RESPONSE) - own).abs().max())
        except Exception as error:  # whatever a stranger's architecture raises is the same news
            return f"it fails ({_in_words(error)})"
        return "" if gap <= TOLERANCE else f"log-probabilities differ by up to {gap:.2g} nats"

    try:
        own = _picked(policy.language_model(input_ids=ids[None]).logits[0, -_RESPONSE - 1 : -1], ids[-_RESPONSE:])
    except Exception as error:
        raise SourceError(_refusal(source, kind, "on a plain text", f"it fails ({_in_words(error)})")) from error
    if not torch.isfinite(own).all():
        raise SourceError(_refusal(source, kind, "on a plain text", "its log-probabilities are not finite"))
    ways: dict[str, Callable[[], Tensor]] = {
        "when later tokens are cut off, so it is no causal language model": lambda: _prefixes(policy, ids),
        "at chosen positions": lambda: _batched(policy, [ids], 0),
        "when its text is padded on the left": lambda: _batched(policy, [ids[-_SHORT:], ids], 1),
        "when a shorter text beside it is padded": lambda: _alone(policy, ids) + own,
    }
    for where, numbers in ways.items():
        if told := difference(numbers):
            raise SourceError(_refusal(source, kind, where, told))
    if told := difference(lambda: _cached(policy, ids) + torch.cat([own, own])):
        policy.caches = False
        if again := difference(lambda: _cached(policy, ids) + torch.cat([own, own])):
            raise SourceError(_refusal(source, kind, "when it writes token by token", again))
        return f"The policy's kind of model ({kind}) is sampled without its cache, which is slower: with it, {told}."
    return ""


def _kind(language_model: Any) -> str:
    return str(getattr(language_model.config, "model_type", "") or type(language_model).__name__)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}" if str(error).strip() else type(error).__name__


def _refusal(source: str, kind: str, where: str, told: str) -> str:
    return (
        f"model_name = {source}: a model of the type {kind} cannot be trained here: {where}, {told}. "
        "Choose a causal language model such as GPT-2, Llama or Qwen."
    )


def _text(tokenizer: Any, policy: Policy) -> Tensor:
    """(12,) ids of plain text."""
    ids = tokenizer(_TEXT, add_special_tokens=False)["input_ids"] or [0]
    ids = (ids * _LONG)[:_LONG]
    return torch.tensor(ids, device=next(policy.parameters()).device)


def _picked(logits: Tensor, ids: Tensor) -> Tensor:
    return logprobs_from_logits(logits.float()[None], ids[None])[0]


def _prefixes(policy: Policy, ids: Tensor) -> Tensor:
    """Each response token's log-probability by the model's own forward on what stands before it alone."""
    ends = range(len(ids) - _RESPONSE, len(ids))
    last = [policy.language_model(input_ids=ids[None, :end]).logits[0, -1] for end in ends]
    return _picked(torch.stack(last), ids[-_RESPONSE:])


def _batched(policy: Policy, rows: list[Tensor], row: int) -> Tensor:
    """The policy's log-probabilities of the last tokens of one of the rows; where there are several, padded on the left."""
    ids, mask = _padded(rows, 3 if len(rows) > 1 else 0)
    logits, _ = policy(ids, mask, _RESPONSE, 1.0)
    return logprobs_from_logits(logits, ids[:, -_RESPONSE:])[row]


def _alone(policy: Policy, ids: Tensor) -> Tensor:
    """How the short row's log-probabilities in a padded batch differ from those it has alone."""
    short = ids[-_SHORT:]
    return _batched(policy, [short, ids], 0) - _batched(policy, [short], 0)


def _cached(policy: Policy, ids: Tensor) -> Tensor:
    """How log-probabilities as sampling sees them, in a batch of two, differ from those of either row alone, (2 x response,)."""
    rows, mask = _padded([ids[-_SHORT:], ids], 0)
    memory: dict[str, Any] = {}
    ends = range(len(ids) - _RESPONSE, len(ids))
    seen = [logprobs_from_logits(policy.next_token(rows[:, :end], mask[:, :end], memory, 1.0)[0], rows[:, end]) for end in ends]
    alone = [_batched(policy, [row], 0) for row in (ids[-_SHORT:], ids)]
    return (torch.stack(seen, dim=1) - torch.stack(alone)).flatten()


def _padded(rows: list[Tensor], more: int) -> tuple[Tensor, Tensor]:
    """Ids and mask of the rows, padded on the left to the longest and `more` more."""
    width = max(map(len, rows)) + more
    ids = torch.stack([torch.cat([one.new_zeros(width - len(one)), one]) for one in rows])
    return ids, torch.arange(width, device=ids.device)[None] >= torch.tensor([[width - len(one)] for one in rows], device=ids.device)
