"""Openings: each review once a pass, lengths between two bounds that both occur, and two splits that never
meet.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from ppo_engine.errors import SourceError
from ppo_engine.training.prompts import Openings, read_reviews
from tests.engine.checkpoints import make_tokenizer, reviews, write_reviews


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


def openings(
    tokenizer: Any, texts: list[str], shortest: int = 2, longest: int = 8, seed: int = 0
) -> Openings:
    return Openings(texts, tokenizer, shortest, longest, torch.Generator().manual_seed(seed))


def test_an_opening_is_the_first_tokens_of_a_review(tokenizer: Any) -> None:
    texts = reviews("train", 20)
    whole = tokenizer(texts)["input_ids"]
    for opening in openings(tokenizer, texts).draw(20):
        assert any(ids[: len(opening)] == opening for ids in whole)


def test_cutting_the_text_first_does_not_change_the_opening(tokenizer: Any) -> None:
    """A review far longer than the part that is tokenized gives the same opening as it would whole."""
    text = "wonderful " * 5000
    (opening,) = openings(tokenizer, [text], 8, 8).draw(1)
    assert opening == tokenizer(text)["input_ids"][:8]


def test_each_review_comes_once_in_each_shuffled_pass(tokenizer: Any) -> None:
    texts = [chr(ord("a") + i) + " film" for i in range(10)]
    drawing = openings(tokenizer, texts, 1, 1)
    drawn = [ids[0] for count in (3, 4, 3, 7, 3) for ids in drawing.draw(count)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == sorted(set(drawn))
    assert drawn[:10] != drawn[10:] != sorted(drawn[10:])


def test_more_openings_than_reviews_go_round_again(tokenizer: Any) -> None:
    assert len(openings(tokenizer, reviews("train", 3)).draw(10)) == 10


@pytest.mark.parametrize(("shortest", "longest"), [(2, 4), (1, 1), (8, 8)])
def test_lengths_are_drawn_evenly_and_both_bounds_occur(tokenizer: Any, shortest: int, longest: int) -> None:
    counts = Counter(map(len, openings(tokenizer, reviews("train", 30), shortest, longest).draw(600)))
    assert set(counts) == set(range(shortest, longest + 1))
    expected = 600 / len(counts)
    # five standard deviations at most
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_a_review_shorter_than_the_opening_gives_what_it_has(tokenizer: Any) -> None:
    assert openings(tokenizer, ["a"], 5, 5).draw(1) == [tokenizer("a")["input_ids"]]


def test_the_generator_alone_decides(tokenizer: Any) -> None:
    texts = reviews("train", 20)
    torch.manual_seed(1)
    first = openings(tokenizer, texts).draw(30)
    torch.manual_seed(2)
    assert openings(tokenizer, texts).draw(30) == first
    assert openings(tokenizer, texts, seed=1).draw(30) != first


def test_a_folder_with_two_splits(tmp_path: Path) -> None:
    write_reviews(tmp_path, 7, 5)
    found = read_reviews(str(tmp_path), 200)
    assert (found.train, found.held_out) == (reviews("train", 7), reviews("test", 5))


def test_only_reviews_longer_than_the_bound_count(tmp_path: Path) -> None:
    """The bound itself is not enough, as in the notebook: `len(x) > 200`."""
    tmp_path.mkdir(exist_ok=True)
    for split in ("train", "test"):
        pyarrow.parquet.write_table(
            pa.table({"text": [split[0] * n for n in (199, 200, 201)]}), tmp_path / f"{split}.parquet"
        )
    found = read_reviews(str(tmp_path), 200)
    assert (found.train, found.held_out) == (["t" * 201], ["t" * 201])


def test_without_a_test_split_every_tenth_review_is_held_out(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"text": reviews("train", 25)}), tmp_path / "train.parquet")
    found = read_reviews(str(tmp_path), 0)
    train, held_out = found.train, found.held_out
    assert held_out == [reviews("train", 25)[i] for i in (0, 10, 20)]
    assert not set(train) & set(held_out) and len(train) + len(held_out) == 25


def test_too_few_reviews_are_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"text": reviews("train", 25)}), tmp_path / "train.parquet")
    with pytest.raises(SourceError, match="min_review_chars = 10000") as caught:
        read_reviews(str(tmp_path), 10_000)
    assert str(caught.value).startswith(f"query_dataset = {tmp_path}: ")
    longest = max(map(len, reviews("train", 25)))
    assert f"min_review_chars = 10000 characters: 0 of 25; the longest has {longest}" in str(caught.value)


class Wordwise:
    """A tokenizer that knows the word "film" alone, and makes nothing of the others."""

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[7] * text.split().count("film") for text in texts]}

    def decode(self, ids: list[int], **_: Any) -> str:
        return "film " * len(ids)


def test_a_review_of_no_tokens_is_passed_over() -> None:
    drawing = Openings(
        ["?", "film film", "!", "..."], Wordwise(), 2, 2, torch.Generator().manual_seed(0), begin=[1]
    )
    assert drawing.draw(9) == [[1, 7, 7]] * 9
    with pytest.raises(SourceError, match="the tokenizer returns no token for any of 3 reviews"):
        Openings(["?", "!", "..."], Wordwise(), 2, 2, torch.Generator().manual_seed(0)).draw(2)
