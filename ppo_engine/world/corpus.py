"""Texts and tokens to train on: reviews from the grammar, and the tokenizer made from them."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from ppo_engine.world.grammar import Review, write_review

END, PAD, CLS = "<|endoftext|>", "[PAD]", "[CLS]"
LONGEST = 192  # tokens that both models can read
SHORTEST_RESPONSE, LONGEST_RESPONSE = 4, 16  # tokens that PPO adds to the opening of a review

Ids = NDArray[np.int64]


def write_reviews(count: int, seed: int) -> list[Review]:
    """`count` reviews, no text twice."""
    rng = random.Random(seed)
    found: dict[str, Review] = {}
    while len(found) < count:
        review = write_review(rng)
        found[review.text] = review
    return list(found.values())


def save_reviews(reviews: list[Review], path: Path) -> None:
    """Write the columns `text` and `label` (0 negative, 1 positive), as in the IMDB data set."""
    labels = pa.array([one.label for one in reviews], pa.int64())
    table = pa.table({"text": [one.text for one in reviews], "label": labels})
    pq.write_table(table, path, compression="zstd", compression_level=19)


def train_bpe(reviews: list[Review], vocabulary: int) -> Tokenizer:
    """A byte-level BPE, so that any typed text has an encoding; the grammar's words are mostly one token
    each.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD, CLS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((one.text for one in reviews), trainer)
    return tokenizer


def policy_tokenizer(bpe: Tokenizer) -> PreTrainedTokenizerFast:
    """Adds nothing to a text; the end-of-text token is begin, end and padding at once, as with GPT-2."""
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        model_max_length=LONGEST,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def classifier_tokenizer(bpe: Tokenizer) -> PreTrainedTokenizerFast:
    """Starts each text with [CLS], where DistilBERT's head reads, and pads with a token of its own."""
    own = Tokenizer.from_str(bpe.to_str())
    own.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A", special_tokens=[(CLS, own.token_to_id(CLS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=own,
        cls_token=CLS,
        pad_token=PAD,
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def padded(rows: list[list[int]], width: int, filler: int) -> Ids:
    """Rows of token ids, cut or filled on the right to (rows, width)."""
    table = np.full((len(rows), width), filler, dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row[:width]
    return table
