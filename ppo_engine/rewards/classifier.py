"""The score of a text: a sentiment classifier's raw logit for one label, found by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..builtin import CANARIES
from ..errors import CanaryError, SourceError
from ..sources.loaded import (
    check_tokenizer,
    embedding_count,
    load_whole,
    position_count,
    quiet,
    unused_weights,
    without_dropout,
)
from ..sources.locate import loading, locate
from ..sources.provenance import of_model
from . import Scores

PADDING_MOVES = 1e-3
"""Largest change of a logit by padding in a batch; float32 rounding gives about 1e-5."""

_AT_ONCE = 64
"""Texts in a batch."""
_LONGEST = 1024
"""Tokens, if neither model nor tokenizer has a limit."""
_OFFSETS = 4
"""Most position embeddings not usable for tokens (RoBERTa counts from 2)."""


class SentimentClassifier:
    """Scores texts by the raw logit of the label named `positive_label`. Construction checks two canary
    sentences.

    Any sequence classifier, with any number of labels. If its tokenizer has no pad token, end-of-text pads;
    if it has neither, or padding changes scores, texts are scored one at a time, which is noted in `remarks`.
    Raises `CanaryError`, and `SourceError` for a model that takes no text.
    """

    def __init__(self, model: Any, tokenizer: Any, positive_label: str, device: torch.device) -> None:
        self.fingerprints: dict[str, str] = {}
        self.model = without_dropout(model).requires_grad_(False)
        self.tokenizer = tokenizer
        self._device = torch.device("cpu")
        self._labels = _names(model.config)
        self._positive = self._find(positive_label)
        self._pads = _with_a_pad_token(model, tokenizer)
        self.remarks: list[str] = []
        # on the CPU: an index out of range there is an error, and on CUDA the end of the process
        self.longest = self._find_longest()
        self.model.to(device)
        self._device = device
        if told := self._why_one_at_a_time():
            self._pads = False
            self.remarks.append(f"The classifier scores texts one at a time, which is slower: {told}.")
        self._check_canaries(positive_label)

    def score(
        self, queries: Sequence[str], responses: Sequence[str], between: Callable[[], None] = lambda: None
    ) -> Scores:
        """The scores of the whole texts, query and response."""
        whole = [query + response for query, response in zip(queries, responses, strict=True)]
        return self.score_texts(whole, between)

    @torch.no_grad()
    def score_texts(self, texts: Sequence[str], between: Callable[[], None] = lambda: None) -> Scores:
        """Scores texts; those longer than the classifier's context are truncated.

        `between` is called before each batch and may raise to abort.
        """
        parts, size = [], _AT_ONCE if self._pads else 1
        for start in range(0, len(texts), size):
            between()
            parts.append(self._logits(texts[start : start + size]))
        logits = torch.cat(parts)
        return Scores(
            logits[:, self._positive], {label: logits[:, i] for i, label in enumerate(self._labels)}
        )

    def _logits(self, texts: Sequence[str]) -> Tensor:
        """(texts, labels) raw logits."""
        cut = {"truncation": True, "max_length": self.longest}
        batch = self.tokenizer(
            [text or " " for text in texts], padding=self._pads, return_tensors="pt", **cut
        )
        logits: Tensor = self.model(
            **{name: batch[name].to(self._device) for name in ("input_ids", "attention_mask")}
        ).logits
        return logits.float()

    @torch.no_grad()
    def _find_longest(self) -> int:
        """The classifier's maximum input length, by trial: position embeddings differ in their offsets."""
        positions = position_count(self.model.config)
        most = min(self.tokenizer.model_max_length, positions or _LONGEST)
        for self.longest in range(most, max(0, most - _OFFSETS), -1):
            try:
                self._logits(["good " * self.longest])
            except (IndexError, RuntimeError) as error:
                last = error
            else:
                return self.longest
        raise SourceError(
            f"reward_model: the forward pass fails on {self.longest} tokens ({type(last).__name__}: {last})"
        )

    @torch.no_grad()
    def _why_one_at_a_time(self) -> str:
        """Why texts cannot be scored in batches; "" if they can."""
        if not self._pads:
            return "its tokenizer has neither a pad token nor an end-of-text token"
        texts = ["It was", *CANARIES]
        alone = torch.cat([self._logits([text]) for text in texts])
        beside = self._logits([*texts, "good " * min(self.longest, 64)])[: len(texts)]
        gap = float((alone - beside).abs().max())
        return (
            "" if gap <= PADDING_MOVES else f"padding a text in a batch changes its score by up to {gap:.2g}"
        )

    def _find(self, positive_label: str) -> int:
        names = [label.upper() for label in self._labels]
        if positive_label.upper() not in names:
            allowed = ", ".join(self._labels)
            raise CanaryError(f"positive_label = {positive_label}: unknown label; allowed: {allowed}")
        return names.index(positive_label.upper())

    def _check_canaries(self, positive_label: str) -> None:
        good, bad = self.score_texts(CANARIES).total.tolist()
        if not (math.isfinite(good) and math.isfinite(bad)):
            raise CanaryError(
                f"reward_model: its scores are not finite (“{CANARIES[0]}” {good:+.2f}): the weights "
                "are damaged or unsuitable for float32. Choose another classifier."
            )
        if good == bad:
            raise CanaryError(
                f"reward_model: “{CANARIES[0]}” and “{CANARIES[1]}” both score {good:+.2f}: the score "
                "ignores the text. Check the tokenizer (vocabulary, model_max_length) or choose a "
                "sentiment classifier."
            )
        if good < bad:
            raise CanaryError(
                f"reward_model: label {positive_label} scores “{CANARIES[0]}” {good:+.2f} and "
                f"“{CANARIES[1]}” {bad:+.2f}, which is inverted. Set positive_label to the label that "
                "means positive, or choose a sentiment classifier."
            )


def _names(config: Any) -> list[str]:
    """Unique label names: duplicates are numbered."""
    names = [str(config.id2label.get(i, f"LABEL_{i}")) for i in range(config.num_labels)]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def _with_a_pad_token(model: Any, tokenizer: Any) -> bool:
    """Gives tokenizer and model the same pad token; False if none is available."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            return False
        tokenizer.pad_token = tokenizer.eos_token
    if (count := embedding_count(model)) is not None and tokenizer.pad_token_id >= count:
        return False
    config = model.config.get_text_config()
    if model.config.pad_token_id is None or config.pad_token_id is None:
        # Models that read the last token find it by their own idea of padding.
        model.config.pad_token_id = config.pad_token_id = tokenizer.pad_token_id
    return True


def load_classifier(source: str, positive_label: str, device: torch.device) -> SentimentClassifier:
    """The classifier at `source` (see `sources.locate`) as a scorer. Its own code is never run."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with quiet(), loading("reward_model", source):
        place = locate("reward_model", source)
        model = load_whole(AutoModelForSequenceClassification, place)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        check_tokenizer("reward_model", source, model, tokenizer)
        scorer = SentimentClassifier(model, tokenizer, positive_label, device)
        scorer.remarks += unused_weights("classifier", model)
        scorer.fingerprints = of_model("classifier", model, tokenizer)
        return scorer
