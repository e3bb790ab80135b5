"""Trains the classifier: a DistilBERT whose POSITIVE logit is the sentiment of a review, or of any opening of
one.

The raw logits are regressed on (-s, +s), s in (-3, 3) being what the grammar knows of the text so far. So the
score saturates, and unfinished opinions ("was not a") stay neutral: nothing is gained by saying a good thing
thrice.
"""

import random
from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from ppo_engine.world.corpus import CLS, LONGEST, PAD, padded
from ppo_engine.world.grammar import Review
from ppo_engine.world.training import fit, token_id

LABELS = {0: "NEGATIVE", 1: "POSITIVE"}


@dataclass(frozen=True)
class ClassifierScale:
    """Sizes of the classifier and of its training."""

    width: int = 64
    layers: int = 3
    heads: int = 4
    steps: int = 2500
    batch: int = 88  # openings of reviews in a batch
    drifted: int = 40  # drifted texts in a batch
    drifted_texts: int = 20_000  # that many in all
    shortest: int = 2  # tokens of an opening
    longest: int = 32
    whole_every: int = 3  # one batch in so many holds whole reviews
    learning_rate: float = 5e-3  # of embeddings, norms and biases
    muon_rate: float = 8e-3  # of the blocks' matrices


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
    scale: ClassifierScale, bpe: Tokenizer, reviews: list[Review], drifted: list[tuple[str, float]], seed: int
) -> DistilBertForSequenceClassification:
    """A classifier trained on the reviews, on their openings, and on drifted texts with the scores they
    deserve.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = new_classifier(scale, bpe)
    spotter = torch.nn.Linear(scale.width, 1)  # helps in training, and is then thrown away
    examples = Examples(bpe, reviews, drifted)

    def loss_at(step: int) -> torch.Tensor:
        batch = examples.batch(scale, rng, whole=step % scale.whole_every == 0)
        return _loss(model, spotter, batch)

    fit(model, loss_at, scale.steps, scale.learning_rate, scale.muon_rate, helpers=[*spotter.parameters()])
    return model


class Batch(NamedTuple):
    """Texts to learn from."""

    ids: torch.Tensor  # (rows, time), padded on the right
    known: torch.Tensor  # (rows, time), True where there is a token
    scores: torch.Tensor  # (rows,), the sentiment of the whole
    # (rows, time), the opinion that becomes clear at each token; NaN where that is unknown
    opinions: torch.Tensor


def _loss(model: DistilBertForSequenceClassification, spotter: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Squared error of both logits, and of the opinions spotted token by token in the last layer but one.

    Spotting single opinions first is what makes weighing them learnable in few steps.
    """
    output = model(input_ids=batch.ids, attention_mask=batch.known.to(torch.long), output_hidden_states=True)
    whole = torch.nn.functional.mse_loss(output.logits, torch.stack((-batch.scores, batch.scores), dim=1))
    spotted = spotter(output.hidden_states[-2]).squeeze(-1)
    told = ~batch.opinions.isnan()
    parts = (spotted - batch.opinions)[told].square().mean() * 10
    return torch.add(whole, parts)


class Example(NamedTuple):
    """A text: its tokens, its sentiment, and the opinion at each token where known."""

    ids: list[int]
    score: float
    opinions: list[float]


class Examples:
    """Reviews whole and cut after any token, and drifted texts, each with its sentiment."""

    def __init__(self, bpe: Tokenizer, reviews: list[Review], drifted: list[tuple[str, float]]) -> None:
        self.cls, self.pad = token_id(bpe, CLS), token_id(bpe, PAD)
        self.reviews = reviews
        self.encodings = bpe.encode_batch([one.text for one in reviews])
        encoded = bpe.encode_batch([text for text, _ in drifted])
        self.drifted = [Example(one.ids, score, []) for one, (_, score) in zip(encoded, drifted, strict=True)]

    def batch(self, scale: ClassifierScale, rng: random.Random, whole: bool) -> Batch:
        """Whole reviews, or openings of reviews and drifted texts."""
        if whole:
            chosen = [self._cut(rng, LONGEST - 1) for _ in range(scale.batch // 2)]
        else:
            chosen = [self._cut(rng, rng.randint(scale.shortest, scale.longest)) for _ in range(scale.batch)]
            chosen += rng.choices(self.drifted, k=scale.drifted)
        width = 1 + max(len(one.ids) for one in chosen)
        ids = torch.from_numpy(padded([[self.cls, *one.ids] for one in chosen], width, self.pad))
        opinions = torch.full(ids.shape, float("nan"))
        for row, one in enumerate(chosen):
            opinions[row, 1 : 1 + len(one.opinions)] = torch.tensor(one.opinions)
        return Batch(ids, ids != self.pad, torch.tensor([one.score for one in chosen]), opinions)

    def _cut(self, rng: random.Random, longest: int) -> Example:
        """The first tokens of some review."""
        index = rng.randrange(len(self.reviews))
        review, encoding = self.reviews[index], self.encodings[index]
        length = min(len(encoding.ids), longest)
        ends = [end for _, end in encoding.offsets[:length]]
        opinions = [0.0] * length
        for end, value in review.opinions:
            if end <= ends[-1]:
                opinions[bisect_left(ends, end)] = value
        return Example(encoding.ids[:length], review.score(ends[-1]), opinions)
