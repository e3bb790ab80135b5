"""A policy computes what its model computes, or is refused by name: architectures whose logits, caches and
positions are their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from ppo_engine import Config, Trainer
from ppo_engine.errors import SourceError
from ppo_engine.training.model_check import check_policy, load_policy
from ppo_engine.training.models import Policy
from tests.engine.checkpoints import make_policy, make_tokenizer, write_model

Tiny = Callable[..., Config]

SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}  # fmt: skip

FAMILIES: dict[str, dict[str, Any]] = {
    "granite": {**SMALL, "logits_scaling": 8.0, "residual_multiplier": 0.5, "embedding_multiplier": 3.0},
    "cohere": {**SMALL, "logit_scale": 0.1},
    "gemma2": {**SMALL, "head_dim": 8, "final_logit_softcapping": 2.0, "sliding_window": 4},
    "gemma3": {
        "text_config": {**SMALL, "head_dim": 8, "vocab_size": 330, "sliding_window": 4},
        "vision_config": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28},
        "image_token_index": 1, "boi_token_index": 1, "eoi_token_index": 1,
    },
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "initializer_range": 0.3},
    "jamba": {**SMALL, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "mamba_d_state": 4,
    "use_mamba_kernels": False},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3},
    "git": {
        **{name: value for name, value in SMALL.items() if name != "num_key_value_heads"},
        "vision_config": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 32},
    },
}  # fmt: skip
"""Scales after the head, a softcap, a text model within another, recurrences with caches of their own, no
positions at all, and last a cache that counts otherwise.
"""


def written(kind: str, folder: Path, **changes: Any) -> Any:
    """A tiny random model of that type in `folder`, with a tokenizer; returns the model."""
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0}
    settings = {"vocab_size": len(tokenizer), **special, **FAMILIES[kind], **changes}
    if "text_config" in settings:
        settings["text_config"] |= special
        del settings["vocab_size"]
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.CONFIG_MAPPING[kind](**settings)
    ).eval()
    write_model(folder, model, tokenizer)
    return model


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_policys_distribution_is_its_models_own(kind: str, tiny: Tiny, tmp_path: Path) -> None:
    """What sampling kept, what the update computes and what the reference says: all three the model's own
    forward on each text alone.
    """
    model = written(kind, tmp_path)
    trainer = Trainer(tiny(steps=1, eval_every=9, model_name=str(tmp_path), temperature=0.7))
    trainer.load()
    rollout = trainer.continue_openings(8, seed=3)
    for row in range(8):
        query, response = (
            rollout.query_ids[row][rollout.query_mask[row]],
            rollout.response_ids[row][rollout.mask[row]],
        )
        with torch.no_grad():
            logits = (
                model(input_ids=torch.cat([query, response])[None]).logits[0, len(query) - 1 : -1].float()
                / 0.7
            )
        own = torch.log_softmax(logits, -1).gather(-1, response[:, None])[:, 0]
        torch.testing.assert_close(rollout.logprobs[row][rollout.mask[row]], own, rtol=0, atol=1e-4)
    metrics = trainer.step().metrics
    assert abs(metrics["objective/kl"]) < 1e-4 and metrics["ppo/policy/first_ratio"] < 1e-4
    assert 0.5 < metrics["ppo/policy/entropy"] < 6
    assert bool(trainer.remarks) == (kind == "git"), "only that cache is left unused, and said to be"


def test_positions_that_change_with_the_length_are_found_at_the_lengths_of_the_run(
    tiny: Tiny, tmp_path: Path
) -> None:
    """Beyond 16 tokens these count otherwise, those of the tokens before too: sampling sees other positions
    than the update.
    """
    rope = {
        "rope_type": "longrope",
        "long_factor": [4.0] * 4,
        "short_factor": [1.0] * 4,
        "rope_theta": 10_000.0,
    }
    FAMILIES["phi3"] = {
        **SMALL, "original_max_position_embeddings": 16, "rope_parameters": {**rope,
        "original_max_position_embeddings": 16},
    }  # fmt: skip
    written("phi3", tmp_path)
    assert Trainer(tiny(model_name=str(tmp_path), output_max_length=8)).load() is None
    with pytest.raises(
        SourceError,
        match=r"of type phi3 .* in token-by-token generation, .* differ by up to [0-9.]+ nats",
    ):
        Trainer(tiny(model_name=str(tmp_path), output_max_length=30)).load()


def test_weights_that_a_model_has_no_place_for_are_remarked_on(tiny: Tiny, tmp_path: Path) -> None:
    write_model(tmp_path, make_policy(make_tokenizer(), n_layer=3), make_tokenizer())
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "n_layer": 2}))
    trainer = Trainer(tiny(model_name=str(tmp_path)))
    trainer.load()
    assert any(
        remark.startswith("The policy's files contain 11 weights unknown to its architecture")
        for remark in trainer.remarks
    )


def test_a_model_that_looks_at_later_tokens_is_no_policy(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), initializer_range=0.3, **{k: SMALL[k] for k in list(SMALL)[:4]}
    )
    write_model(tmp_path, transformers.BertLMHeadModel(config), tokenizer)
    with pytest.raises(
        SourceError, match=r"model_name = .* of type bert .* later tokens .* differ by up to [0-9.]+ nats"
    ):
        load_policy(str(tmp_path))


class Off(nn.Module):
    """A language model whose forward is off in one way of being asked."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.inner, self.where = make_policy(make_tokenizer()), where
        self.config, self.device = self.inner.config, self.inner.device
        self.prepare_inputs_for_generation = self.inner.prepare_inputs_for_generation

    def get_output_embeddings(self) -> Any:
        return self.inner.get_output_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        use_cache: Any = None,
        logits_to_keep: Any = 0,
    ) -> Any:
        if self.where == "padding":
            position_ids = None
        output = self.inner(
            input_ids,
            past_key_values,
            attention_mask,
            None,
            position_ids,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
        )
        if self.where == "scale" and attention_mask is not None:
            output.logits = output.logits * 1.1
        if self.where == "cache" and past_key_values is not None:
            output.logits = output.logits + torch.linspace(0, 1, output.logits.shape[-1])
        if self.where == "neighbours" and input_ids.shape[0] > 1:
            output.logits = output.logits * 1.1
        return output


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("scale", "at selected positions"),
        ("padding", "with left padding"),
        ("neighbours", "with left padding"),
    ],
)
def test_each_way_of_being_off_is_refused_in_words(where: str, told: str) -> None:
    with pytest.raises(SourceError, match=rf"model_name = a/b: .* of type gpt2 .*{told}.* differ by up to"):
        check_policy(Policy(Off(where)), make_tokenizer(), "a/b")


def test_a_cache_that_is_off_is_not_used(policy: Policy) -> None:
    off = Policy(Off("cache"))
    assert "without its key-value cache" in check_policy(off, make_tokenizer(), "a/b") and not off.caches
    assert check_policy(policy, make_tokenizer(), "a/b") == "" and policy.caches


def test_a_model_that_fails_is_refused_in_words() -> None:
    """A kernel that isn't there, a shape that is wrong: whatever it raises, the person reads which model and
    what.
    """
    broken = Policy(Off(""))
    broken.language_model.inner = None
    with pytest.raises(
        SourceError, match=r"model_name = a/b: .*a forward pass on plain text fails \(TypeError"
    ):
        check_policy(broken, make_tokenizer(), "a/b")
