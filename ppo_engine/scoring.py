"""The score of a text: a sentiment classifier's raw logit for one label, found by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .errors import CanaryError
from .models import load_whole, without_dropout
from .sources import loading, locate

CANARIES = ("This movie was wonderful, I loved it.", "This movie was terrible, I hated it.")
"""A plainly good and a plainly bad review: a classifier that prefers the second is mislabelled, or no sentiment classifier."""


@dataclass(frozen=True)
class Scores:
    """total: (batch,) float32, what training raises; parts: (batch,) float32 by name, what it was read from."""

    total: Tensor
    parts: dict[str, Tensor]


class SentimentScorer:
    """Scores texts by the raw logit of the label named `positive_label`. Construction checks two canary sentences."""

    def __init__(self, model: Any, tokenizer: Any, positive_label: str, device: torch.device) -> None:
        self._model = without_dropout(model).requires_grad_(False).to(device)
        self._tokenizer = tokenizer
        self._device = device
        self._labels = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
        self._positive = self._find(positive_label)
        self._longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self._check_canaries(positive_label)

    @torch.no_grad()
    def score(self, texts: Sequence[str], at_once: int = 64, between: Callable[[], None] = lambda: None) -> Scores:
        """Scores of whole texts (query and response), `at_once` in a batch; a text longer than the classifier takes is cut at its end.

        `between` is called before each batch and may raise to give up.
        """
        parts = []
        for start in range(0, len(texts), at_once):
            between()
            parts.append(self._logits(texts[start : start + at_once]))
        logits = torch.cat(parts)
        return Scores(logits[:, self._positive], {label: logits[:, i] for i, label in enumerate(self._labels)})

    def _logits(self, texts: Sequence[str]) -> Tensor:
        """(texts, labels) raw logits."""
        batch = self._tokenizer(list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        logits: Tensor = self._model(**{name: batch[name].to(self._device) for name in ("input_ids", "attention_mask")}).logits
        return logits.float()

    def _find(self, positive_label: str) -> int:
        names = [label.upper() for label in self._labels]
        if positive_label.upper() not in names:
            raise CanaryError(f"positive_label = {positive_label}: the classifier has no such label; allowed: {', '.join(self._labels)}")
        return names.index(positive_label.upper())

    def _check_canaries(self, positive_label: str) -> None:
        good, bad = self.score(CANARIES).total.tolist()
        if not good > bad:
            raise CanaryError(
                f"reward_model: its label {positive_label} scores “{CANARIES[0]}” {good:+.2f} and “{CANARIES[1]}” {bad:+.2f}: the wrong "
                "way round. Set positive_label to the label that means positive, or choose a sentiment classifier."
            )


def load_scorer(source: str, positive_label: str, device: torch.device) -> SentimentScorer:
    """The classifier at `source` (see `sources.locate`) as a scorer."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with loading("reward_model", source):
        place = locate("reward_model", source)
        model = load_whole(AutoModelForSequenceClassification, place)
        return SentimentScorer(model, AutoTokenizer.from_pretrained(place), positive_label, device)
