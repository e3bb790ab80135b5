"""Measures a folder of built assets: what the manifest records and the tests ask for."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ppo_engine.builtin import CANARIES
from ppo_engine.world.corpus import write_reviews
from ppo_engine.world.grammar import Review, sentence_shapes, vocabulary
from ppo_engine.world.parser import fragment_sentiment, is_grammatical

FRESH_SEED = 10_000  # reviews that neither training nor the parquet files hold
QUERY = (2, 8)  # tokens
RESPONSE = (4, 16)  # tokens


@torch.no_grad()
def score_texts(
    classifier: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], batch: int = 128
) -> torch.Tensor:
    """POSITIVE logits (texts,)."""
    scores = []
    for start in range(0, len(texts), batch):
        inputs = tokenizer(
            list(texts[start : start + batch]), padding=True, truncation=True, return_tensors="pt"
        )
        scores.append(classifier(**inputs).logits[:, 1])
    return torch.cat(scores)


@torch.no_grad()
def sample(policy: PreTrainedModel, query: list[int], length: int, generator: torch.Generator) -> list[int]:
    """`length` tokens after the query at temperature 1, or fewer where the text ends sooner."""
    ids, cache = torch.tensor([query]), None
    response: list[int] = []
    while len(response) < length:
        output = policy(input_ids=ids, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        ids = torch.multinomial(output.logits[:, -1].softmax(-1), 1, generator=generator)
        response.append(int(ids))
        if response[-1] == policy.config.eos_token_id:
            break
    return response


def continuations(
    policy: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], seed: int
) -> list[tuple[str, str]]:
    """(query, response) for each text: its first 2 to 8 tokens, continued by 4 to 16."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    pairs = []
    for text in texts:
        query = tokenizer(text).input_ids[: rng.randint(*QUERY)]
        response = sample(policy, query, rng.randint(*RESPONSE), generator)
        whole = tokenizer.decode(query + response, skip_special_tokens=True)
        head = tokenizer.decode(query)
        pairs.append((head, whole[len(head) :]))
    return pairs


def top_trigram(texts: Sequence[str]) -> tuple[str, float]:
    """The sequence of three words that the most texts contain, and the share of texts that do."""
    counts: Counter[str] = Counter()
    for text in texts:
        words = "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()
        counts.update({" ".join(words[at : at + 3]) for at in range(len(words) - 2)})
    trigram, count = counts.most_common(1)[0]
    return trigram, count / len(texts)


def text_quality(pairs: Sequence[tuple[str, str]]) -> dict[str, float | str]:
    """How sound and how varied some (query, response) pairs are."""
    trigram, share = top_trigram([response for _, response in pairs])
    return {
        "grammatical": sum(is_grammatical(query + response) for query, response in pairs) / len(pairs),
        "distinct": len({response for _, response in pairs}) / len(pairs),
        "top_trigram": trigram,
        "top_trigram_share": share,
    }


def is_negated(review: Review) -> bool:
    """Whether a review says something by denying it."""
    return not {"not", "never", "cannot", "hardly", "nobody"}.isdisjoint(review.text.lower().split())


def classifier_quality(
    classifier: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, reviews: list[Review]
) -> dict[str, float]:
    """Accuracy on whole reviews, the spread of the POSITIVE logit, and the canaries' scores."""
    scores = score_texts(classifier, tokenizer, [one.text for one in reviews])
    right = (scores > 0) == torch.tensor([one.label == 1 for one in reviews])
    negated = torch.tensor([is_negated(one) for one in reviews])
    low, high = torch.quantile(scores, torch.tensor([0.05, 0.95])).tolist()
    positive, negative = score_texts(classifier, tokenizer, CANARIES).tolist()
    return {
        "accuracy": right.float().mean().item(),
        "accuracy_negated": right[negated].float().mean().item(),
        "logit_5_percent": low,
        "logit_95_percent": high,
        "canary_positive": positive,
        "canary_negative": negative,
    }


def measure(folder: Path, samples: int = 256, held_out: int = 1000, seed: int = 0) -> dict[str, float | str]:
    """Every figure of a folder of assets."""
    policy = AutoModelForCausalLM.from_pretrained(folder / "policy").eval()
    reader = AutoTokenizer.from_pretrained(folder / "policy")
    classifier = AutoModelForSequenceClassification.from_pretrained(folder / "classifier").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "classifier")
    texts = pq.read_table(folder / "reviews" / "test.parquet")["text"].to_pylist()
    pairs = continuations(policy, reader, [texts[at % len(texts)] for at in range(samples)], seed)
    whole = [query + response for query, response in pairs]
    scores = score_texts(classifier, tokenizer, whole)
    truths = [fragment_sentiment(text) for text in whole]
    misses = [
        abs(float(score) - truth) for score, truth in zip(scores, truths, strict=True) if truth is not None
    ]
    return {
        "vocabulary_words": len(vocabulary()),
        "sentence_shapes": sentence_shapes(),
        "policy_parameters": policy.num_parameters(),
        "classifier_parameters": classifier.num_parameters(),
        **text_quality(pairs),
        "fragment_score_mean": scores.mean().item(),
        "fragment_score_positive": (scores > 1).float().mean().item(),
        "fragment_score_error": sum(misses) / max(1, len(misses)),
        **classifier_quality(classifier, tokenizer, write_reviews(held_out, FRESH_SEED)),
    }
