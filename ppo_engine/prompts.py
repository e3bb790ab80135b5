"""Openings of reviews as queries: a train split that is drawn from in shuffled passes, and a held-out split for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .sources import BUILTIN_PREFIX, loading, locate

HELD_OUT_SEED = 20_170_720
"""Seeds the choice of held-out openings, the same in every run, so that runs can be compared."""

_CHARS_PER_TOKEN = 40
"""An opening of n tokens is tokenized from this many characters times n: far more than it needs, far less than a review."""


def load_reviews(source: str, min_chars: int) -> tuple[list[str], list[str]]:
    """Train and held-out review texts longer than `min_chars` characters. Without a split `test`, every tenth is held out."""
    with loading("query_dataset", source):
        place = locate("query_dataset", source)
        splits = _read_builtin(Path(place)) if source.startswith(BUILTIN_PREFIX) else _read_dataset(place)
        train = [text for text in splits["train"] if len(text) > min_chars]
        held_out = [text for text in splits.get("test", ()) if len(text) > min_chars]
        if not held_out:
            train, held_out = [text for i, text in enumerate(train) if i % 10], train[::10]
        if not train or not held_out:
            raise ValueError(f"it has too few texts longer than min_review_chars = {min_chars} characters")
    return train, held_out


def _read_builtin(folder: Path) -> dict[str, list[str]]:
    import pyarrow.parquet

    return {path.stem: pyarrow.parquet.read_table(path, columns=["text"])["text"].to_pylist() for path in folder.glob("*.parquet")}


def _read_dataset(place: str) -> dict[str, list[str]]:
    import datasets

    datasets.disable_progress_bars()
    splits = datasets.load_dataset(place)
    if "train" not in splits or "text" not in splits["train"].column_names:
        raise ValueError("it needs a split `train` with a column `text`")
    return {name: list(splits[name]["text"]) for name in ("train", "test") if name in splits}


class Openings:
    """Draws the first few tokens of reviews, each review once per shuffled pass, each opening's length at random.

    shortest, longest: bounds of the opening in tokens, both included. A review with fewer tokens gives what it has.
    """

    def __init__(self, reviews: Sequence[str], tokenizer: Any, shortest: int, longest: int, generator: torch.Generator) -> None:
        self.reviews = reviews
        self.shortest, self.longest = shortest, longest
        self.generator = generator
        self._tokenizer = tokenizer
        self.order: list[int] = []

    def draw(self, count: int) -> list[list[int]]:
        """The next `count` openings as token ids."""
        while len(self.order) < count:
            self.order += torch.randperm(len(self.reviews), generator=self.generator).tolist()
        chosen, self.order = self.order[:count], self.order[count:]
        lengths = torch.randint(self.shortest, self.longest + 1, (count,), generator=self.generator).tolist()
        texts = [self.reviews[i][: _CHARS_PER_TOKEN * self.longest] for i in chosen]
        encoded = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [ids[:length] for ids, length in zip(encoded, lengths, strict=True)]
