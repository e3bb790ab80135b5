"""A sentiment classifier's raw logit for one label, of query and response together."""

from __future__ import annotations

from typing import Any

from .. import Reward, RewardKind, RewardSettings, RewardWords


class _Sentiment(RewardKind):
    help = "the classifier's logit for the positive label"

    def words(self, settings: RewardSettings) -> RewardWords:
        label = settings.positive_label
        return RewardWords(
            title="Mean score",
            unit="logit",
            judge="classifier",
            about=f"The classifier's logit for the label {label}, given the opening and its continuation.",
            aim="write film reviews that a sentiment classifier likes",
            parts="The classifier's logits",
        )

    def load(self, settings: RewardSettings, device: Any) -> Reward:
        from ..classifier import load_classifier

        return load_classifier(settings.reward_model, settings.positive_label, device)


KIND = _Sentiment()
