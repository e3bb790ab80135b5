"""Openings of reviews as queries: shuffled passes over a train split, and a held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import SourceError
from ..sources.locate import loading, locate, watch
from ..sources.reviews import AUTO, read_texts
from .decoding import BROKEN

HELD_OUT_SEED = 20_170_720
"""Seeds the choice of held-out openings, the same in every run, so that runs can be compared."""

_CHARS_PER_TOKEN = 40
"""Characters per token to tokenize for an opening: more than it needs, less than a review."""


@dataclass(frozen=True)
class Reviews:
    """Train and held-out review texts, and remarks on what was left out."""

    train: list[str]
    held_out: list[str]
    remarks: list[str]


def read_reviews(source: str, min_chars: int, text_column: str = AUTO) -> Reviews:
    """The reviews over `min_chars` characters; every tenth held out without `test`. Raises `SourceError`."""
    with loading("query_dataset", source):
        found = read_texts(Path(locate("query_dataset", source)), text_column, watch().limit_mb, watch().tell)
        train = [text for text in found.by_split["train"] if len(text) > min_chars]
        held_out = [text for text in found.by_split.get("test", ()) if len(text) > min_chars]
        if not held_out:
            train, held_out = [text for i, text in enumerate(train) if i % 10], train[::10]
        if not train or not held_out:
            lengths = [len(text) for texts in found.by_split.values() for text in texts]
            raise ValueError(
                f"too few texts are longer than min_review_chars = {min_chars} characters: "
                f"{sum(length > min_chars for length in lengths):,} of {len(lengths):,}; the longest has "
                f"{max(lengths, default=0):,}"
            )
    return Reviews(train, held_out, [f"Reviews: {remark}" for remark in found.remarks])


class Openings:
    """Draws the first few tokens of reviews, each review once per shuffled pass, each opening's length at
    random.

    shortest, longest: bounds of the opening in tokens, both included. A review with fewer tokens gives what
    it has, and an opening that would end within a character ends before it. begin: tokens that stand before
    every opening, and are not counted.
    """

    def __init__(
        self,
        reviews: Sequence[str],
        tokenizer: Any,
        shortest: int,
        longest: int,
        generator: torch.Generator,
        begin: Sequence[int] = (),
    ) -> None:
        self.reviews = reviews
        self.shortest, self.longest = shortest, longest
        self.generator = generator
        self._tokenizer = tokenizer
        self._begin = list(begin)
        self.order: list[int] = []

    def draw(self, count: int) -> list[list[int]]:
        """The next `count` openings as ids, empty ones skipped. Raises `SourceError` if all are empty."""
        drawn: list[list[int]] = []
        empty = 0
        while missing := count - len(drawn):
            found = [opening for opening in self._next(missing) if opening]
            empty = 0 if found else empty + missing
            if empty >= 2 * len(self.reviews):  # a whole pass at least
                raise SourceError(
                    f"query_dataset: the tokenizer returns no token for any of {len(self.reviews):,} reviews"
                )
            drawn += [self._begin + opening for opening in found]
        return drawn

    def _next(self, count: int) -> list[list[int]]:
        while len(self.order) < count:
            self.order += torch.randperm(len(self.reviews), generator=self.generator).tolist()
        chosen, self.order = self.order[:count], self.order[count:]
        lengths = torch.randint(self.shortest, self.longest + 1, (count,), generator=self.generator).tolist()
        texts = [self.reviews[i][: _CHARS_PER_TOKEN * self.longest] for i in chosen]
        encoded = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [self._opening(ids, length) for ids, length in zip(encoded, lengths, strict=True)]

    def _opening(self, ids: list[int], length: int) -> list[int]:
        """The first `length` tokens, cut to whole characters, but at least one of them."""
        for end in (*range(min(length, len(ids)), 0, -1), *range(length + 1, len(ids) + 1)):
            if not self._tokenizer.decode(ids[:end], clean_up_tokenization_spaces=False).endswith(BROKEN):
                return ids[:end]
        return ids[:length]
