"""The grammar and the judge: what one writes the other accepts, and opinions mean what they say."""

import random
import re

import pytest

from ppo_engine.world.grammar import RULES, Call, article, score_of, sentence_shapes, vocabulary, write_review
from ppo_engine.world.parser import fragment_sentiment, is_grammatical

REVIEWS = [write_review(random.Random(seed)) for seed in range(150)]


def test_rich_enough():
    assert len(vocabulary()) >= 600
    assert sentence_shapes() >= 60


def test_every_called_rule_exists():
    items = [item for found in RULES.table.values() for one in found for item in one.items]
    calls = {item.name for item in items if isinstance(item, Call)}
    missing = {name for name in calls if not any(name + sign in RULES.table for sign in ("", "+", "-"))}
    assert not missing


def test_polar_rules_come_in_pairs():
    polar = {name for name in RULES.table if name[-1] in "+-"}
    assert {name[:-1] + "+" for name in polar} | {name[:-1] + "-" for name in polar} == polar


def test_reviews_are_long_enough_and_labels_balanced():
    lengths = [len(review.text) for review in REVIEWS]
    assert sum(length > 200 for length in lengths) >= 0.9 * len(lengths)
    assert max(lengths) < 800
    assert 0.35 < sum(review.label for review in REVIEWS) / len(REVIEWS) < 0.65


@pytest.mark.parametrize("review", REVIEWS[:10])
def test_judge_accepts_every_opening_of_a_review(review):
    assert all(is_grammatical(review.text[:length]) for length in range(0, len(review.text) + 1, 3))


@pytest.mark.parametrize("review", REVIEWS)
def test_judge_reads_the_sentiment_that_the_writer_meant(review):
    assert fragment_sentiment(review.text) == pytest.approx(review.score(), abs=0.5)
    assert (review.score() > 0) == (review.label == 1)


@pytest.mark.parametrize("review", REVIEWS)
def test_judge_rejects_shuffled_words(review):
    words = review.text.split()[:12]
    random.Random(1).shuffle(words)
    assert not is_grammatical(" ".join(words))


@pytest.mark.parametrize(
    "text",
    [
        "this film",
        "This films",
        "This is an film",
        "This is a awful film",
        "This movie was wonderful wonderful",
        "This movie was  wonderful",
        "This movie was wonderful ,",
        "I loved loved",
        "Zebra",
        " This",
        "This movie was wonderful, i",
        "This movie wes",
    ],
)
def test_judge_rejects_slips(text):
    assert not is_grammatical(text)


@pytest.mark.parametrize(
    "text", ["", "Th", "This movie was won", "This movie was a", "This movie was wonderful, and I "]
)
def test_judge_accepts_unfinished_texts(text):
    assert is_grammatical(text)


def test_articles():
    assert [article(word) for word in ("honest", "hour", "awful", "ugly", "uninspired")] == ["an"] * 5
    assert [article(word) for word in ("film", "western", "European", "one")] == ["a"] * 4
    for review in REVIEWS:
        assert not re.search(r"\b[Aa] [aeio]", review.text)
        assert not re.search(r"\b[Aa]n [^aeiouh]", review.text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("This movie was wonderful, and I loved it.", 2, 3),
        ("This movie was terrible, and I hated it.", -3, -2),
        ("To be honest, the plot is not", -0.1, 0.1),
        ("To be honest, the plot is never dull", 1, 3),
        ("To be honest, the plot is hardly funny", -3, -1),
        ("To be honest, I could not forgive the ending", -3, -1),
        ("To be honest, I did not dislike it", 1, 3),
        ("I expected a masterpiece", -0.1, 0.1),
        ("I expected a masterpiece, but got an awful", -3, -1),
        ("I saw this film on Monday", -0.1, 0.1),
    ],
)
def test_fragments_mean_what_they_say(text, low, high):
    sentiment = fragment_sentiment(text)
    assert sentiment is not None and low <= sentiment <= high


def test_the_later_opinion_weighs_more_and_the_score_saturates():
    assert score_of([-1, 1]) > 0 > score_of([1, -1])
    assert score_of([]) == 0
    assert 2 < score_of([1]) < score_of([1, 1]) < score_of([1, 1, 1]) < 3
