"""The policy: a causal language model with a value head, and its frozen reference.

Takes any transformers causal language model, by its own way to logits (scales, softcaps and head transforms
included) and with its own kind of cache; `model_check` compares them at load. No dropout anywhere: sampling,
old values and updates see the same function.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..config import BOS_MODES
from ..errors import ConfigError, SourceError
from ..sources.loaded import check_tokenizer, embedding_count, load_whole, quiet, without_dropout
from ..sources.locate import loading, locate

_CACHES = ("past_key_values", "cache_params", "state", "mems")
"""Names under which models hand out what they keep between tokens, and take it back."""


class Policy(nn.Module):
    """A causal language model and a linear value head, zero at the start, on what its output embedding reads.

    language_model: with `get_output_embeddings()`; put into evaluation mode, without dropout.
    caches: whether sampling uses the model's cache; without one every token is drawn from a pass over the
    whole text.
    """

    def __init__(self, language_model: Any) -> None:
        super().__init__()
        self.language_model = without_dropout(language_model)
        self._takes = frozenset(inspect.signature(language_model.forward).parameters)
        self._no_cache = {"use_cache": False} if "use_cache" in self._takes else {}
        self.caches = True
        with torch.no_grad():
            one = torch.zeros(1, 1, dtype=torch.long, device=language_model.device)
            logits, features, _ = self._run({"input_ids": one}, torch.zeros(1, dtype=torch.long))
        self.vocabulary_size = logits.shape[-1]
        self.value_head = nn.Linear(features.shape[-1], 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def forward(
        self, ids: Tensor, attention_mask: Tensor, response_length: int, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Logits / temperature, (batch, response, vocabulary), and values, (batch, response), at the response
        positions alone.

        ids, attention_mask: (batch, query + response). The entry for a token comes from the position just
        before it: the state in which it was chosen. Both are float32 whatever the precision of the model.
        """
        arguments = {"input_ids": ids, **self._places(attention_mask), **self._no_cache}
        length = ids.shape[1]
        logits, features, _ = self._run(
            arguments, torch.arange(length - response_length - 1, length - 1, device=ids.device)
        )
        return logits / temperature, self._values(features)

    def next_token(
        self, ids: Tensor, attention_mask: Tensor, memory: dict[str, Any], temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Logits / temperature, (batch, vocabulary), and values, (batch,), of the token to come after `ids`,
        (batch, so far).

        memory: what the model keeps between tokens; {} at the first, and filled here for the next.
        """
        arguments: dict[str, Any] = {"input_ids": ids, **self._places(attention_mask)}
        if self.caches:
            arguments = self.language_model.prepare_inputs_for_generation(
                next_sequence_length=1 if memory else None,
                is_first_iteration=not memory,
                use_cache=True,
                **arguments,
                **memory,
            )
        else:
            arguments |= self._no_cache
        last = arguments["input_ids"].shape[1] - 1
        logits, features, output = self._run(arguments, torch.tensor([last], device=ids.device))
        if self.caches:
            memory |= {name: kept for name in _CACHES if (kept := getattr(output, name, None)) is not None}
        return logits[:, 0] / temperature, self._values(features)[:, 0]

    def train(self, mode: bool = True) -> Policy:
        """Stays in evaluation mode: some models keep a dropout that only this mode switches off."""
        return super().train(False)

    def _places(self, attention_mask: Tensor) -> dict[str, Tensor]:
        """The mask, and positions that count real tokens only, so that left padding changes nothing."""
        places = {"attention_mask": attention_mask.long()}
        if "position_ids" in self._takes:
            places["position_ids"] = (places["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return places

    def _run(self, arguments: dict[str, Any], kept: Tensor) -> tuple[Tensor, Tensor, Any]:
        """The model's own logits at the positions `kept`, (kept,), what its output embedding read there, and
        its whole output.

        The output embedding works in float32 in any precision: rounded to bf16, a logit of 10 is off by 0.03.
        """
        read: list[Tensor] = []
        device = arguments["input_ids"].device.type
        autocast = torch.is_autocast_enabled(device)

        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            read.append(inputs[0])
            torch.set_autocast_enabled(device, False)
            return (inputs[0].float(), *inputs[1:])

        def after(*_: Any) -> None:
            torch.set_autocast_enabled(device, autocast)

        if "logits_to_keep" in self._takes:
            arguments = {**arguments, "logits_to_keep": kept}
        head = self.language_model.get_output_embeddings()
        hooks = head.register_forward_pre_hook(before), head.register_forward_hook(after, always_call=True)
        try:
            output = self.language_model(**arguments)
        finally:
            for hook in hooks:
                hook.remove()
        if not read:
            raise SourceError(
                f"{type(self.language_model).__name__} bypasses its output embedding, so the value head "
                "has no input"
            )
        logits, features = (x if x.shape[1] == len(kept) else x[:, kept] for x in (output.logits, read[-1]))
        return logits.float(), features, output

    def _values(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            values: Tensor = self.value_head(features.float()).squeeze(-1)
        return values


def load_language_model(source: str) -> tuple[Any, Any]:
    """The causal language model and the tokenizer at `source` (see `sources.locate`); the tokenizer pads with
    EOS if need be.

    Raises `SourceError` where tokenizer and model do not belong together. Code that lies beside a model is
    never run.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), loading("model_name", source):
        place = locate("model_name", source)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        model = load_whole(AutoModelForCausalLM, place)
        check_tokenizer("model_name", source, model, tokenizer)
        _check_ends(source, model, tokenizer)
        unknown = tokenizer.pad_token_id is None or tokenizer.pad_token_id >= (embedding_count(model) or 0)
        if unknown and tokenizer.eos_token_id is not None:
            tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _check_ends(source: str, model: Any, tokenizer: Any) -> None:
    if not _end_ids(model, tokenizer):
        raise SourceError(
            f"model_name = {source}: neither its tokenizer ({len(tokenizer)} tokens) nor its generation "
            f"configuration defines an end-of-text token below {embedding_count(model)}, its number of "
            "embeddings. Set eos_token in the tokenizer and save it again."
        )


@dataclass(frozen=True)
class SpecialTokens:
    """Special token ids: begin (0 or more, before every query), end (any ends a response), pad."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    pad: int

    @classmethod
    def of(cls, model: Any, tokenizer: Any, bos: str) -> SpecialTokens:
        """bos: auto begins a query as the tokenizer begins a text; on, off. Raises `ConfigError`."""
        end = _end_ids(model, tokenizer)
        rows = embedding_count(model) or 0
        pad = tokenizer.pad_token_id
        return cls(_begin_ids(tokenizer, bos), end, end[0] if pad is None or pad >= rows else int(pad))


def _end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The end-of-text tokens of the tokenizer and the generation configuration, without repeats."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    named = [tokenizer.eos_token_id, *(configured if isinstance(configured, list | tuple) else [configured])]
    rows = embedding_count(model) or 0
    return tuple(dict.fromkeys(int(token) for token in named if token is not None and 0 <= int(token) < rows))


def _begin_ids(tokenizer: Any, bos: str) -> tuple[int, ...]:
    if bos not in BOS_MODES:
        raise ConfigError([f"bos = {bos}: must be one of {', '.join(BOS_MODES)}"])
    if bos == "off":
        return ()
    if bos == "on":
        if tokenizer.bos_token_id is None:
            raise ConfigError(["bos = on: this tokenizer has no beginning-of-text token; allowed: auto, off"])
        return (int(tokenizer.bos_token_id),)
    whole, bare = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (True, False))
    starts = range(len(whole) - len(bare) + 1)
    return tuple(whole[: next((start for start in starts if whole[start : start + len(bare)] == bare), 0)])


def frozen_reference(policy: Policy) -> Policy:
    """A copy of the policy as it is now, without gradients."""
    return copy.deepcopy(policy).requires_grad_(False)
