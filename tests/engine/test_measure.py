"""From a step's tensors to text. What the metrics say is tested with the trainer."""

from __future__ import annotations

from typing import Any

import torch

from ppo_engine.measure import displayed_vocabulary, texts
from ppo_engine.records import Rollout
from tests.engine.checkpoints import EOS, PAD


def test_the_vocabulary_as_it_is_shown(tokenizer: Any) -> None:
    """A token as it stands within a sentence, its space included; a special token by its name; none at all by its number."""
    size = len(tokenizer)
    shown = displayed_vocabulary(tokenizer, size + 2)
    assert shown[tokenizer.eos_token_id] == EOS and shown[tokenizer.pad_token_id] == PAD
    (film,) = tokenizer(" film")["input_ids"]
    assert shown[film] == " film"
    assert shown[size:] == [f"<{size}>", f"<{size + 1}>"]
    plain = [i for i in range(size) if i not in tokenizer.all_special_ids]
    assert all(shown[i] == tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in plain)


def test_texts_leave_out_padding_and_end_of_text(tokenizer: Any) -> None:
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    query, response = tokenizer("I saw")["input_ids"], tokenizer(" a film .")["input_ids"]
    query_ids = torch.tensor([[pad, pad, *query], [pad, *query, *query[-1:]]])
    response_ids = torch.tensor([[*response, eos, pad], [*response, *response[:2]]])
    empty = torch.zeros(response_ids.shape)
    mask = torch.ones_like(response_ids, dtype=torch.bool)
    mask[0, -1] = False
    rollout = Rollout(query_ids, query_ids != pad, response_ids, mask, empty, empty, empty)
    queries, responses = texts(tokenizer, rollout)
    assert queries == ["I saw", tokenizer.decode([*query, query[-1]])]
    assert responses[0] == " a film ."
    assert responses[1].startswith(" a film . a")
