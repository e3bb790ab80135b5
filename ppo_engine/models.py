"""The policy: a causal language model with a value head, and its frozen reference.

Takes any transformers causal language model whose logits are its output embedding applied to its last hidden state (GPT-2 and
most others). No dropout anywhere: sampling, old values and updates see the same function.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .sources import loading, locate


class Policy(nn.Module):
    """A causal language model and a linear value head on its last hidden state, zero at the start."""

    def __init__(self, language_model: Any) -> None:
        super().__init__()
        self.language_model = without_dropout(language_model)
        self.value_head = nn.Linear(language_model.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def forward(self, ids: Tensor, attention_mask: Tensor, response_length: int, temperature: float) -> tuple[Tensor, Tensor]:
        """Logits / temperature, (batch, response, vocabulary), and values, (batch, response), at the response positions alone.

        ids, attention_mask: (batch, query + response). The entry for a token comes from the hidden state just before it:
        the state in which it was chosen.
        """
        hidden = self.hidden(ids, attention_mask)[:, -response_length - 1 : -1]
        return self.heads(hidden, temperature)

    def hidden(self, ids: Tensor, attention_mask: Tensor, cache: Any = None) -> Tensor:
        """Last hidden states of `ids`, (batch, new tokens, hidden); `attention_mask` covers the cache too.

        Positions count real tokens only, so that left padding changes nothing.
        """
        positions = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.language_model.base_model(
            input_ids=ids,
            attention_mask=attention_mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        states: Tensor = output.last_hidden_state
        return states

    def train(self, mode: bool = True) -> Policy:
        """Stays in evaluation mode: some models keep their dropout as a number that only this mode switches off."""
        return super().train(False)

    def heads(self, hidden: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Logits / temperature and values of hidden states, in float32 whatever the precision of the model."""
        logits = self.language_model.get_output_embeddings()(hidden).float() / temperature
        return logits, self.value_head(hidden).float().squeeze(-1)


def without_dropout(model: Any) -> Any:
    """`model` in evaluation mode with every dropout at 0, so that a later `.train()` changes nothing either."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.eval()


def load_language_model(source: str) -> tuple[Any, Any]:
    """The causal language model and the tokenizer at `source` (see `sources.locate`); the tokenizer pads with EOS if need be."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with loading("model_name", source):
        place = locate("model_name", source)
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = load_whole(AutoModelForCausalLM, place)
        if tokenizer.eos_token_id is None:
            raise ValueError("its tokenizer has no end-of-text token")
        if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= model.config.vocab_size:
            tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def load_whole(auto_class: Any, place: str) -> Any:
    """The model at `place` in float32. A weight that it lacks is an error: transformers would go on with random numbers."""
    model, report = auto_class.from_pretrained(place, dtype=torch.float32, output_loading_info=True)
    if report["missing_keys"]:
        raise ValueError(f"its weights lack {', '.join(sorted(report['missing_keys'])[:3])}")
    return model


def frozen_reference(policy: Policy) -> Policy:
    """A copy of the policy as it is now, without gradients."""
    return copy.deepcopy(policy).requires_grad_(False)
