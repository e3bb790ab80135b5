"""Trains the classifier: a DistilBERT whose POSITIVE logit is the sentiment of a review, or of any opening of one.

The raw logits are regressed on (-s, +s), s in (-3, 3) being what the grammar knows of the text so far. So the score
saturates, and unfinished opinions ("was not a") stay neutral: nothing is gained by saying a good thing thrice.
"""

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from ppo_engine.builtin.corpus import CLS, LONGEST, PAD, padded
from ppo_engine.builtin.grammar import Review
from ppo_engine.builtin.training import fit, token_id

LABELS = {0: "NEGATIVE", 1: "POSITIVE"}


@dataclass(frozen=True)
class ClassifierScale:
    """Sizes of the classifier and of its training."""

    width: int = 64
    layers: int = 3
    heads: int = 4
    steps: int = 1500
    batch: int = 128
    shortest: int = 2  # tokens of an opening
    longest: int = 32
    whole_every: int = 5  # one batch in so many holds whole reviews
    learning_rate: float = 2e-3


def new_classifier(scale: ClassifierScale, bpe: Tokenizer) -> DistilBertForSequenceClassification:
    """An untrained DistilBERT with no dropout anywhere."""
    config = DistilBertConfig(
        vocab_size=bpe.get_vocab_size(),
        max_position_embeddings=LONGEST,
        dim=scale.width,
        hidden_dim=4 * scale.width,
        n_layers=scale.layers,
        n_heads=scale.heads,
        dropout=0.0,
        attention_dropout=0.0,
        seq_classif_dropout=0.0,
        qa_dropout=0.0,
        initializer_range=0.1,
        pad_token_id=token_id(bpe, PAD),
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
    )
    return DistilBertForSequenceClassification(config)


def train_classifier(
    scale: ClassifierScale, bpe: Tokenizer, reviews: list[Review], seed: int
) -> DistilBertForSequenceClassification:
    """A classifier trained on the reviews and on their openings."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = new_classifier(scale, bpe)
    openings = Openings(bpe, reviews)

    def loss_at(step: int) -> torch.Tensor:
        ids, scores = openings.batch(scale, rng, whole=step % scale.whole_every == 0)
        logits = model(input_ids=ids, attention_mask=(ids != openings.pad).to(torch.long)).logits
        return torch.nn.functional.mse_loss(logits, torch.stack((-scores, scores), dim=1))

    fit(model, loss_at, scale.steps, scale.learning_rate, weight_decay=0.01)
    return model


class Openings:
    """Reviews cut after any token, each with the sentiment that the grammar gives what is left."""

    def __init__(self, bpe: Tokenizer, reviews: list[Review]) -> None:
        self.cls, self.pad = token_id(bpe, CLS), token_id(bpe, PAD)
        self.reviews = reviews
        self.encodings = bpe.encode_batch([one.text for one in reviews])

    def batch(self, scale: ClassifierScale, rng: random.Random, whole: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (rows, time), padded on the right, and sentiments (rows,)."""
        rows, scores = [], []
        for index in rng.choices(range(len(self.reviews)), k=scale.batch // 4 if whole else scale.batch):
            encoding = self.encodings[index]
            longest = LONGEST - 1 if whole else rng.randint(scale.shortest, scale.longest)
            length = min(len(encoding.ids), longest)
            rows.append([self.cls, *encoding.ids[:length]])
            scores.append(self.reviews[index].score(encoding.offsets[length - 1][1]))
        return torch.from_numpy(padded(rows, max(map(len, rows)), self.pad)), torch.tensor(scores)
