"""1 if the response contains a word, else 0: a reward without a model, to show PPO at its simplest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import Reward, RewardKind, RewardSettings, RewardWords, Scores, argument_of


class _Contains(RewardKind):
    argument = "WORD"
    help = "1 if the response contains that word, else 0"

    def words(self, settings: RewardSettings) -> RewardWords:
        word = argument_of(settings.reward)
        return RewardWords(
            title=f"Share of responses with “{word}”",
            unit="",
            judge="word search",
            about=f"1 if the continuation contains the word “{word}” (in any case), else 0.",
            aim=f"use the word “{word}”",
            bounds=(0.0, 1.0),
        )

    def load(self, settings: RewardSettings, device: Any) -> Reward:
        return ContainsWord(argument_of(settings.reward), device)


class ContainsWord:
    """1.0 for a response that contains `word` as a whole word, in any case. The query is ignored."""

    remarks: Sequence[str] = ()
    fingerprints: Mapping[str, str] = {}

    def __init__(self, word: str, device: Any) -> None:
        begins = r"(?<!\w)" if re.match(r"\w", word) else ""
        ends = r"(?!\w)" if re.search(r"\w$", word) else ""
        self._pattern = re.compile(f"{begins}{re.escape(word)}{ends}", re.IGNORECASE)
        self._device = device

    def score(
        self, queries: Sequence[str], responses: Sequence[str], between: Callable[[], None] = lambda: None
    ) -> Scores:
        import torch

        found = [float(bool(self._pattern.search(response))) for response in responses]
        return Scores(torch.tensor(found, device=self._device), {})


KIND = _Contains()
