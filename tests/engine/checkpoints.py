"""Tiny random models, a tokenizer and reviews in the Hub's file layout: real to every loader, made in a
second.

The weights are drawn wider than a fresh model's, so that what a test looks for (positions, padding, prompts,
scores) moves the numbers by far more than a rounding error.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from ppo_engine.builtin import CANARIES
from ppo_engine.training.models import Policy

EOS, PAD = "<|endoftext|>", "[PAD]"
WORDS = """
the a this film movie plot actor was is were had wonderful terrible dull bright long short I loved hated liked
it
and but so very never always in of with without heart song scene ending story
""".strip().split()
POSITIONS = 64


def write_world(folder: Path) -> None:
    """`policy`, `classifier` and `reviews` under `folder`."""
    tokenizer = make_tokenizer()
    write_model(folder / "policy", make_policy(tokenizer), tokenizer)
    write_model(folder / "classifier", make_classifier(tokenizer), tokenizer)
    write_reviews(folder / "reviews")


def write_hostile_world(folder: Path, vocabulary: list[str]) -> None:
    """The same world, but its reviews open with the words of `vocabulary` and its policy
    writes little else.
    """
    tokenizer = make_tokenizer()
    write_model(folder / "classifier", make_classifier(tokenizer), tokenizer)
    tokenizer.add_tokens(vocabulary)
    policy = make_policy(tokenizer)
    with torch.no_grad():
        policy.transformer.wte.weight[tokenizer.convert_tokens_to_ids(vocabulary), 0] = 3
    write_model(folder / "policy", policy, tokenizer)
    texts = [f"{vocabulary[i % len(vocabulary)]} {review}" for i, review in enumerate(reviews("train", 60))]
    (folder / "reviews").mkdir()
    for split in ("train", "test"):
        pyarrow.parquet.write_table(
            pa.table({"text": texts, "label": [0] * len(texts)}), folder / "reviews" / f"{split}.parquet"
        )


def write_model(folder: Path, model: Any, tokenizer: Any) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_tokenizer(pad: str | None = PAD) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, as GPT-2's. `pad=None` leaves it without a pad token, also as GPT-2's."""
    trained = ByteLevelBPETokenizer()
    texts = [*reviews("train", 60), *CANARIES]
    trained.train_from_iterator(texts, vocab_size=330, special_tokens=[EOS, PAD], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token=EOS, pad_token=pad)


def make_policy(tokenizer: Any, seed: int = 0, **changes: Any) -> GPT2LMHeadModel:
    """A 40-thousand-parameter GPT-2 with its usual dropout of 0.1. It ends the text at about every twentieth
    token.
    """
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(tokenizer),
        "n_positions": POSITIONS,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "initializer_range": 0.25,
        "bos_token_id": tokenizer.eos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    model = GPT2LMHeadModel(GPT2Config(**{**settings, **changes})).eval()
    with torch.no_grad():
        model.transformer.ln_f.bias[0] = 2
        model.transformer.wte.weight[tokenizer.eos_token_id, 0] = 2
    return model


def make_classifier(tokenizer: Any, seed: int = 0, labels: tuple[str, str] = ("NEGATIVE", "POSITIVE")) -> Any:
    """A small DistilBERT whose last layer's sign is chosen so that POSITIVE prefers the good canary."""
    torch.manual_seed(seed)
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        dim=32,
        n_layers=1,
        n_heads=2,
        hidden_dim=64,
        initializer_range=0.3,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        pad_token_id=1,
    )
    model = DistilBertForSequenceClassification(config).eval()
    batch = tokenizer(list(CANARIES), padding=True, return_tensors="pt")
    with torch.no_grad():
        good, bad = model(batch["input_ids"], batch["attention_mask"]).logits[:, labels.index("POSITIVE")]
        if good < bad:
            model.classifier.weight.neg_()
    return model


def write_reviews(folder: Path, train: int = 60, held_out: int = 40) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("test", held_out)):
        table = pa.table({"text": reviews(split, count), "label": [i % 2 for i in range(count)]})
        pyarrow.parquet.write_table(table, folder / f"{split}.parquet")


def reviews(split: str, count: int) -> list[str]:
    """Invented reviews of some 300 characters. No two splits share an opening."""
    draw = random.Random(f"{split} reviews")
    first = {"train": "Today", "test": "Yesterday"}[split]
    return [f"{first} I saw number {i}: " + " ".join(draw.choices(WORDS, k=60)) for i in range(count)]


def with_value_head(language_model: Any, seed: int = 0) -> Policy:
    """A policy whose value head is not 0, as it would be before the first update."""
    policy = Policy(language_model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        policy.value_head.weight.normal_(generator=generator)
        policy.value_head.bias.fill_(0.5)
    return policy
