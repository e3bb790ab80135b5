"""A policy of another family end to end: a Llama whose tokenizer puts a token before every text, marks
spaces, and spells what it does not know in bytes; reviews in Chinese and English; two tokens that end a text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM

from ppo_engine import Config, Trainer
from ppo_engine.session.jobs.playground import playground
from ppo_engine.session.jobs.requests import PlaygroundRequest, UpdateTraceRequest
from ppo_engine.session.jobs.update_trace import update_trace
from tests.engine.checkpoints import write_model
from tests.engine.training.test_decoding import CHINESE, llama_like

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def trainer(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    home = tmp_path_factory.mktemp("foreign")
    tokenizer = llama_like()
    begin = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.backend_tokenizer.post_processor = begin
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.3,
    }
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes))
    model.generation_config.eos_token_id = [2, tokenizer.convert_tokens_to_ids("s")]
    write_model(home / "policy", model, tokenizer)
    texts = [f"a film {CHINESE * 2} my family {number}" for number in range(30)]
    pyarrow.parquet.write_table(pa.table({"text": texts}), home / "train.parquet")
    config = tiny(
        steps=9,
        eval_every=9,
        model_name=str(home / "policy"),
        query_dataset=str(home / "train.parquet"),
        min_review_chars=5,
    )
    made = Trainer(config)
    made.load()
    return made


def test_what_is_scored_is_what_the_ids_say(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[str] = []
    score = trainer.reward.score_texts  # type: ignore[attr-defined]

    def noting(texts: list[str], *rest: Any) -> Any:
        scored.extend(texts)
        return score(texts, *rest)

    monkeypatch.setattr(trainer.reward, "score_texts", noting)
    rollouts: list[Any] = []
    take = trainer._sample
    monkeypatch.setattr(trainer, "_sample", lambda *given: rollouts.append(take(*given)) or rollouts[-1])
    record = trainer.step()
    rollout = rollouts[0]
    for row in range(8):
        ids = rollout.ids[row][rollout.attention_mask[row]].tolist()
        assert ids[0] == 1, "the beginning of text is there"
        assert scored[row] == trainer.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert scored[row] == record.samples[row].query + record.samples[row].response
        assert "\ufffd" not in record.samples[row].query
    assert record.tokens is not None and not any("\ufffd" in text for text in record.tokens.text)


def test_either_end_of_text_ends_a_response(trainer: Trainer) -> None:
    rollout = trainer.continue_openings(600, seed=1)
    ends = torch.tensor(trainer.special_tokens.end)
    assert len(ends) == 2
    last = rollout.mask.sum(1, keepdim=True) - 1
    inside = rollout.mask.clone().scatter(1, last, False)
    assert not torch.isin(rollout.response_ids[inside], ends).any()
    assert set(rollout.response_ids.gather(1, last).flatten().tolist()) >= set(ends.tolist())


def test_the_beginning_of_text_can_be_left_out(trainer: Trainer) -> None:
    bare = Trainer(trainer.config.changed(bos="off"))
    bare.load()
    rollouts = bare.continue_openings(4, seed=1), trainer.continue_openings(4, seed=1)
    (without, mask), (with_it, mask_with_it) = ((one.query_ids, one.query_mask) for one in rollouts)
    assert (
        torch.equal(without[mask], with_it[mask_with_it & (with_it != 1)]) and not (without[mask] == 1).any()
    )


def test_the_playground_begins_as_training_does(trainer: Trainer) -> None:
    seen: list[torch.Tensor] = []
    handle = trainer.reference.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    asked: Any = {"sources": ["reference"], "count": 2, "length": 4, "temperature": 1.0, "seed": 0}
    told = playground(trainer, NOWHERE, 0, PlaygroundRequest(opening="my family", **asked))
    assert (
        seen[0].tolist() == [[1, *trainer.tokenizer("my family", add_special_tokens=False)["input_ids"]]] * 2
    )
    seen.clear()
    playground(trainer, NOWHERE, 0, PlaygroundRequest(opening="", **asked))
    handle.remove()
    assert seen[0].tolist() == [[1]] * 2, "and an empty opening is the beginning of a text"
    for sample in told["sources"][0]["samples"]:
        assert not any("\ufffd" in piece for piece, _ in sample["tokens"])


def test_the_update_shows_the_same_pieces(trainer: Trainer) -> None:
    told = update_trace(trainer, 0, UpdateTraceRequest(3, 2))
    for sample in told["samples"]:
        assert sample["query_tokens"][0] == "<s>" and len(sample["query_tokens"]) == len(sample["query_ids"])
        assert not any("\ufffd" in piece for piece in (*sample["query_tokens"], *sample["tokens"]))
