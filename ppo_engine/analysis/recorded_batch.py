"""A recorded step as padded tensors: fixed samples and scores, from which the rest can be recomputed.

Shapes and arithmetic are the trainer's, so the run's own settings reproduce the recorded results.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..ppo import KLEstimator, token_rewards
from ..records import Array, TokenTable


@dataclass(frozen=True)
class RecordedBatch:
    """A step's rollout and update entries, on the CPU.

    mask: (batch, response) bool; old_logprobs, ref_logprobs, values, advantages, whitened: (batch, response)
    float32, 0 outside the mask; scores: (batch,) float32. ratios, new_values: (batch, response, epochs)
    float32, read from the record; entered: the same shape, bool, True where the update reached the token in
    that epoch.
    """

    mask: Tensor
    old_logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    advantages: Tensor
    whitened: Tensor
    scores: Tensor
    ratios: Tensor
    new_values: Tensor
    entered: Tensor
    sample: Tensor
    position: Tensor
    kl_estimator: KLEstimator

    @classmethod
    def of(cls, tokens: TokenTable, kl_estimator: KLEstimator = "k1") -> RecordedBatch:
        """The padded form of a table; samples without tokens keep their row. kl_estimator: the step's."""
        sample, position = (
            torch.tensor(tokens.sample, dtype=torch.long),
            torch.tensor(tokens.position, dtype=torch.long),
        )
        shape = (len(tokens.scores), int(position.max()) + 1 if len(tokens) else 0)

        def spread(column: Array) -> Tensor:
            flat = torch.tensor(column)
            padded = torch.zeros((*shape, *flat.shape[1:]), dtype=flat.dtype)
            padded[sample, position] = flat
            return padded

        mask = torch.zeros(shape, dtype=torch.bool)
        mask[sample, position] = True
        return cls(
            mask=mask,
            old_logprobs=spread(tokens.old_logprob),
            ref_logprobs=spread(tokens.ref_logprob),
            values=spread(tokens.value),
            advantages=spread(tokens.advantage),
            whitened=spread(tokens.whitened),
            scores=torch.tensor(tokens.scores),
            ratios=spread(tokens.ratio),
            new_values=spread(tokens.new_value),
            entered=spread(tokens.entered),
            sample=sample,
            position=position,
            kl_estimator=kl_estimator,
        )

    def rewards(self, kl_coef: float) -> Tensor:
        """Token rewards under that KL coefficient, (batch, response)."""
        texts = self.old_logprobs, self.ref_logprobs, self.mask
        return token_rewards(self.scores, *texts, kl_coef, self.kl_estimator).rewards

    def flat(self, padded: Tensor) -> Array:
        """(tokens, ...) entries of a (batch, response, ...) tensor, in the order of the table."""
        entries: Array = padded.numpy()[self.sample.numpy(), self.position.numpy()]
        return entries
