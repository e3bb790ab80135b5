"""The policy: what its forward pass gives, and that neither padding nor train mode has a say in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from ppo_engine.errors import ConfigError, SourceError
from ppo_engine.training.models import Policy, SpecialTokens, frozen_reference, load_language_model
from tests.engine.checkpoints import make_policy, make_tokenizer, with_value_head, write_model

ROUNDING = 2e-5
"""What float32 leaves of a logprob around 6 whose logits came in another order of additions."""

TINY = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def llama() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(**TINY, intermediate_size=64, attention_dropout=0.5, initializer_range=0.3)
    )


def opt() -> Any:
    torch.manual_seed(0)
    return OPTForCausalLM(
        OPTConfig(
            **TINY, ffn_dim=64, word_embed_proj_dim=32, dropout=0.5, init_std=0.3, max_position_embeddings=64
        )
    )


def gpt2() -> Any:
    return make_policy(make_tokenizer())


FAMILIES = pytest.mark.parametrize("family", [gpt2, llama, opt])


def batch(rows: list[list[int]], left: int = 0) -> tuple[Tensor, Tensor]:
    """Ids and mask, padded on the left to the longest row and `left` more."""
    width = max(map(len, rows)) + left
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    return ids, mask


ROWS = [[5, 9, 4, 7, 3, 8], [7, 8, 9], [12, 3, 3, 20, 41]]


@FAMILIES
@torch.no_grad()
def test_logits_are_the_models_own_before_each_response_token(family: Any) -> None:
    """Without padding, nothing but the division by the temperature stands between the model and what comes
    out.
    """
    model = family()
    ids, mask = batch(ROWS[:1])
    logits, values = with_value_head(model)(ids, mask, response_length=4, temperature=0.5)
    torch.testing.assert_close(logits, model(ids).logits[:, 1:-1] / 0.5, rtol=0, atol=ROUNDING)
    assert logits.dtype == values.dtype == torch.float32
    assert values.shape == (1, 4)


@FAMILIES
@torch.no_grad()
def test_left_padding_changes_nothing(family: Any) -> None:
    """A padded batch gives each row what the row gives alone, in logits and values."""
    policy = with_value_head(family())
    ids, mask = batch(ROWS, left=7)
    logits, values = policy(ids, mask, 2, 1.0)
    for row, alone in enumerate(ROWS):
        expected_logits, expected_values = policy(*batch([alone]), 2, 1.0)
        torch.testing.assert_close(logits[row], expected_logits[0], rtol=0, atol=ROUNDING)
        torch.testing.assert_close(values[row], expected_values[0], rtol=0, atol=ROUNDING)


@torch.no_grad()
def test_without_positions_padding_would_change_much(policy: Policy) -> None:
    """The same check on the bare model, as the notebook calls it, is off by far more than rounding."""
    ids, mask = batch(ROWS, left=7)
    padded = policy.language_model(
        ids, attention_mask=mask.long(), position_ids=torch.arange(ids.shape[1])[None]
    ).logits[1, -1]
    assert (padded - policy.language_model(torch.tensor(ROWS[1:2])).logits[0, -1]).abs().max() > 0.1


@FAMILIES
@torch.no_grad()
def test_train_mode_changes_nothing(family: Any) -> None:
    """No dropout, wherever the model keeps it: as a module (GPT-2) or as a number (Llama, OPT)."""
    policy = with_value_head(family())
    ids, mask = batch(ROWS)
    before = policy(ids, mask, 2, 1.0)
    after = policy.train()(ids, mask, 2, 1.0)
    assert all(map(torch.equal, before, after))


@torch.no_grad()
def test_the_value_head_is_0_at_the_start() -> None:
    _, values = Policy(gpt2())(*batch(ROWS), 2, 1.0)
    assert not values.any()


def test_values_and_logits_both_train_the_body(policy: Policy) -> None:
    logits, values = policy(*batch(ROWS), 2, 1.0)
    body = policy.language_model.transformer.h[0].attn.c_attn.weight
    for output in (logits, values):
        (gradient,) = torch.autograd.grad((output**2).sum(), body, retain_graph=True)
        assert gradient.abs().max() > 0


@torch.no_grad()
def test_a_reference_is_a_frozen_copy(policy: Policy) -> None:
    reference = frozen_reference(policy)
    ids, mask = batch(ROWS)
    before = reference(ids, mask, 2, 1.0)
    for parameter in policy.parameters():
        parameter.add_(0.1)
    assert all(map(torch.equal, before, reference(ids, mask, 2, 1.0)))
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    assert all(parameter.requires_grad for parameter in policy.parameters())


def test_a_checkpoint_loads_as_it_was_saved(world: Any) -> None:
    model, tokenizer = load_language_model(str(world / "policy"))
    expected = AutoModelForCausalLM.from_pretrained(world / "policy").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_half_precision_checkpoint_is_trained_in_float32(tmp_path: Any, tokenizer: Any) -> None:
    write_model(tmp_path, make_policy(tokenizer).half(), tokenizer)
    assert load_language_model(str(tmp_path))[0].dtype == torch.float32


def test_a_tokenizer_without_a_pad_token_pads_with_end_of_text(tmp_path: Any) -> None:
    """As GPT-2's own."""
    bare = make_tokenizer(pad=None)
    write_model(tmp_path, make_policy(bare), bare)
    _, tokenizer = load_language_model(str(tmp_path))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id is not None


def with_bos(prefix: str = "<s> ") -> Any:
    """A tokenizer that puts a token of its own before every text, as Llama's does."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    number = tokenizer.convert_tokens_to_ids("<s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{prefix}$A", special_tokens=[("<s>", number)]
    )
    return tokenizer


@pytest.mark.parametrize(("prefix", "bos", "begins"), [
    ("<s> ", "auto", 1), ("<s> ", "off", 0), ("<s> ", "on", 1), ("", "auto", 0), ("", "on", 1), ("<s> <s> ",
    "auto", 2),
])  # fmt: skip
def test_the_beginning_of_text_stands_where_the_tokenizer_puts_it(prefix: str, bos: str, begins: int) -> None:
    tokenizer = with_bos(prefix)
    special = SpecialTokens.of(make_policy(tokenizer), tokenizer, bos)
    assert special.begin == (tokenizer.bos_token_id,) * begins


def test_a_beginning_of_text_that_there_is_not_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="bos = on: this tokenizer has no beginning-of-text token; allowed: auto, off"
    ):
        SpecialTokens.of(gpt2(), make_tokenizer(), "on")


@pytest.mark.parametrize(
    ("configured", "end"),
    [(None, (0,)), (0, (0,)), (7, (0, 7)), ([7, 0, 9], (0, 7, 9)), ([7, 10**6], (0, 7))],
)
def test_every_end_of_text_of_the_generation_configuration_counts(
    configured: Any, end: tuple[int, ...]
) -> None:
    model = gpt2()
    model.generation_config.eos_token_id = configured
    assert SpecialTokens.of(model, make_tokenizer(), "auto").end == end


def test_a_tokenizer_larger_than_the_embeddings_is_refused_with_both_counts(tmp_path: Any) -> None:
    longer = make_tokenizer()
    longer.add_tokens(["<one>", "<two>"])
    write_model(tmp_path, gpt2(), longer)
    with pytest.raises(
        SourceError, match=r"model_name = .* tokenizer has 332 tokens, but the model has only 330 embeddings"
    ):
        load_language_model(str(tmp_path))


def test_a_tokenizer_smaller_than_the_embeddings_is_sound(tmp_path: Any) -> None:
    tokenizer = make_tokenizer()
    write_model(tmp_path, make_policy(tokenizer, vocab_size=352), tokenizer)
    model, _ = load_language_model(str(tmp_path))
    assert Policy(model).vocabulary_size == 352


def test_without_an_end_of_text_there_is_no_response(tmp_path: Any) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=make_tokenizer().backend_tokenizer)
    model = gpt2()
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    write_model(tmp_path, model, tokenizer)
    with pytest.raises(
        SourceError, match=r"neither its tokenizer \(330 tokens\) .* defines an end-of-text token below 330"
    ):
        load_language_model(str(tmp_path))


def test_code_beside_a_model_is_never_run(tmp_path: Any) -> None:
    """Whatever is answered to whatever prompt: there is none."""
    tokenizer = make_tokenizer()
    write_model(tmp_path, gpt2(), tokenizer)
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    settings = json.loads((tmp_path / "config.json").read_text())
    settings |= {
        "model_type": "of_its_own",
        "auto_map": {"AutoConfig": "code.Own", "AutoModelForCausalLM": "code.Own"},
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(SourceError):
        load_language_model(str(tmp_path))
    assert not (tmp_path / "ran").exists()
