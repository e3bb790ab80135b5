"""From ids to text: decoded whole and then cut, with spaces, characters and bytes where they belong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ppo_engine.training.decoding import Decoder
from ppo_engine.training.prompts import Openings
from tests.engine.checkpoints import EOS, PAD, make_tokenizer

CHINESE = "这部电影很好看，我非常喜欢。"


def llama_like() -> PreTrainedTokenizerFast:
    """Words with their space as a mark of their own, which the decoder strips at the beginning of a text;
    bytes for what is unknown.
    """
    words = ["▁", "a", "▁a", "▁my", "▁family", "▁film", "s"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    vocabulary |= {word: len(vocabulary) + place for place, word in enumerate(words)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", "a")], byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def bytes_only() -> PreTrainedTokenizerFast:
    """GPT-2's kind, trained on English alone: a Chinese character is three tokens."""
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        ["the film was long"] * 3, vocab_size=300, special_tokens=[EOS, PAD], show_progress=False
    )
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, eos_token=EOS, pad_token=PAD)


@pytest.fixture(scope="module")
def llama() -> Any:
    return llama_like()


def ids_of(tokenizer: Any, *names: str) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(name) for name in names]


def test_a_word_keeps_the_space_before_it(llama: Any) -> None:
    """Decoded apart and joined it was "myfamily"."""
    decoder = Decoder(llama, len(llama))
    my, family = ids_of(llama, "▁my", "▁family")
    cut = decoder.split([my], [family, *ids_of(llama, "s")])
    assert (cut.query, cut.response, cut.pieces) == ("my", " familys", [" family", "s"])
    assert decoder.split([1, my], [family, 2]).response == " family", "and special tokens are no text"
    assert decoder.split([1, my], [family, 2]).pieces == [" family", "</s>"]


def test_the_tokens_of_one_character_say_so(llama: Any) -> None:
    decoder = Decoder(llama, len(llama))
    my, good = ids_of(llama, "▁my"), ids_of(llama, "<0xE5>", "<0xA5>", "<0xBD>")
    cut = decoder.split(my, [*good, *my, *good[:2]])
    assert cut.response.startswith("好 my")
    assert cut.pieces == [
        "‹好 1 of 3›",
        "‹好 2 of 3›",
        "‹好 3 of 3›",
        " my",
        "‹part of a character›",
        "‹part of a character›",
    ]


def test_a_character_across_the_cut_belongs_to_the_response(llama: Any) -> None:
    decoder = Decoder(llama, len(llama))
    my, good = ids_of(llama, "▁my"), ids_of(llama, "<0xE5>", "<0xA5>", "<0xBD>")
    cut = decoder.split([*my, good[0]], [*good[1:], *my])
    assert (cut.query, cut.response) == ("my", "好 my")
    assert (cut.query_pieces, cut.pieces) == ([" my", "‹好 1 of 3›"], ["‹好 2 of 3›", "‹好 3 of 3›", " my"])


@pytest.mark.parametrize("make", [llama_like, bytes_only, make_tokenizer])
def test_query_and_response_are_the_text_of_all_the_ids_wherever_they_are_cut(make: Any) -> None:
    tokenizer = make()
    decoder = Decoder(tokenizer, len(tokenizer))
    ids = tokenizer(f"a film {CHINESE} my film", add_special_tokens=False)["input_ids"]
    for cut in range(1, len(ids)):
        found = decoder.split(ids[:cut], ids[cut:])
        assert found.query + found.response == decoder.text(ids)
        assert "\ufffd" not in found.query + found.response
        assert len(found.query_pieces) == cut and len(found.pieces) == len(ids) - cut
        assert not any("\ufffd" in piece for piece in (*found.query_pieces, *found.pieces))


def test_the_vocabulary_as_it_is_shown(tokenizer: Any) -> None:
    """A token as it stands within a sentence, its space included; a special token by its name; none at all by
    its number.
    """
    size = len(tokenizer)
    shown = Decoder(tokenizer, size + 2).vocabulary
    assert shown[tokenizer.eos_token_id] == EOS and shown[tokenizer.pad_token_id] == PAD
    (film,) = tokenizer(" film")["input_ids"]
    assert shown[film] == " film"
    assert shown[size:] == [f"<{size}>", f"<{size + 1}>"]


@pytest.mark.parametrize("length", range(1, 9))
def test_an_opening_ends_between_characters(length: int) -> None:
    """5 of 7 Chinese openings ended within one. Never longer than asked for, unless one character is."""
    tokenizer = bytes_only()
    drawn = Openings([CHINESE] * 4, tokenizer, length, length, torch.Generator().manual_seed(0)).draw(4)
    for ids in drawn:
        text = tokenizer.decode(ids)
        assert text and "\ufffd" not in text and CHINESE.startswith(text)
        assert len(ids) == max(3, length // 3 * 3)
