"""From a step's tensors to text. What the metrics say is tested with the trainer."""

from __future__ import annotations

from typing import Any

import torch

from ppo_engine.records import Rollout
from ppo_engine.training.decoding import Decoder
from ppo_engine.training.step_record import decoded, ended_by


def test_texts_leave_out_padding_and_end_of_text(tokenizer: Any) -> None:
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    query, response = tokenizer("I saw")["input_ids"], tokenizer(" a film .")["input_ids"]
    query_ids = torch.tensor([[pad, pad, *query], [pad, *query, *query[-1:]]])
    response_ids = torch.tensor([[*response, eos, pad], [*response, *response[:2]]])
    empty = torch.zeros(response_ids.shape)
    mask = torch.ones_like(response_ids, dtype=torch.bool)
    mask[0, -1] = False
    rollout = Rollout(query_ids, query_ids != pad, response_ids, mask, empty, empty, empty)
    first, second = decoded(Decoder(tokenizer, len(tokenizer)), rollout)
    assert (first.query, second.query) == ("I saw", tokenizer.decode([*query, query[-1]]))
    assert first.response == " a film ."
    assert second.response.startswith(" a film . a")
    assert ended_by(rollout, [eos]).tolist() == [True, False]
    assert ended_by(rollout, [eos, response[1]]).tolist() == [True, True], "any of them ends a response"
