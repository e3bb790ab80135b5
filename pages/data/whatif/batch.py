"""The batch that what-if settings apply to: a recorded step or the notebook's batch, read once and cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from ppo_engine.analysis.recorded_batch import RecordedBatch
from ppo_engine.analysis.tutorial_batch import tutorial_batch
from ppo_engine.analysis.what_if import (
    Outcome,
    Sweep,
    WhatIfSettings,
    k_step_estimators,
    lambda_sweep,
    what_if,
)
from ppo_engine.config import Config
from ppo_engine.records import Sample, TokenTable
from ppo_engine.store import RunReader
from ppo_engine.targets import Targets, targets

from ..scales import scale_limit
from ..view import batch_of

SWEPT = tuple(round(float(lam), 2) for lam in np.linspace(0, 1, 21))


@dataclass(frozen=True, eq=False)
class WhatIfBatch:
    """own: the run's own settings; was, was_outcome: their results. The rest is None or empty where the
    notebook does not print it.
    """

    values: Tensor
    mask: Tensor
    own: WhatIfSettings
    was: Targets
    was_outcome: Outcome | None = None
    recorded: RecordedBatch | None = None
    tokens: TokenTable | None = None
    config: Config | None = None
    metrics: Mapping[str, float] | None = None
    samples: tuple[Sample, ...] = ()

    @cached_property
    def limit(self) -> float:
        """The colour scale's limit, from the run's own whitened advantages: it stays while a slider moves."""
        return scale_limit(self.was.whitened[self.mask].double().tolist(), 0.0)

    def had(self, metric: str, figure: str) -> float:
        """The run's own figure: the step's metric, or that of a part where only that part is stored."""
        assert self.metrics is not None and self.config is not None and self.was_outcome is not None
        whole = len(self.mask) >= self.config.batch_size
        return float(self.metrics[metric] if whole else getattr(self.was_outcome, figure))

    def rewards(self, kl_coef: float) -> Tensor:
        """(batch, response) token rewards; the notebook's are fixed, without a KL part to change."""
        return self.was.rewards if self.recorded is None else self.recorded.rewards(kl_coef)

    def turned(self, knobs: WhatIfSettings) -> tuple[Targets, Outcome | None]:
        """The targets under other settings, and the clips and losses where there are ratios."""
        if self.recorded is None or self.config is None or self.metrics is None:
            return targets(
                self.was.rewards, self.values, self.mask, knobs.gamma, knobs.lam, knobs.whiten
            ), None
        outcome = what_if(self.recorded, knobs, self.config, self.metrics["ppo/policy/entropy"])
        return outcome.targets, outcome


def step_scene(folder: Path, step: int) -> WhatIfBatch | None:
    """A recorded step; None where its tokens are not stored, or there are none."""
    try:
        return _recorded(folder, step)
    except LookupError:  # not cached: the step may still come
        return None


@lru_cache(maxsize=8)
def _recorded(folder: Path, step: int) -> WhatIfBatch:
    reader = RunReader(folder)
    found = batch_of(reader, step)
    if found is None or not len(found[0]):
        raise LookupError(f"step {step} has no tokens")
    (tokens, samples), row = found, reader.step(step)
    config = reader.config_after(row.config_version)
    recorded = RecordedBatch.of(tokens, config.kl_estimator)
    own = WhatIfSettings.of(config, tokens)
    was = what_if(recorded, own, config, row.metrics["ppo/policy/entropy"])
    return WhatIfBatch(
        recorded.values,
        recorded.mask,
        own,
        was.targets,
        was,
        recorded,
        tokens,
        config,
        row.metrics,
        tuple(samples),
    )


@lru_cache(maxsize=1)
def tutorial_scene() -> WhatIfBatch:
    """The tutorial notebook's printed batch."""
    example = tutorial_batch()
    return WhatIfBatch(
        example.values,
        example.mask,
        example.knobs,
        targets(example.rewards, example.values, example.mask, example.knobs.gamma, example.knobs.lam),
    )


@lru_cache(maxsize=64)
def sweep(scene: WhatIfBatch, kl_coef: float, gamma: float) -> Sweep:
    """Bias against variance along lambda."""
    return lambda_sweep(scene.rewards(kl_coef), scene.values, scene.mask, gamma, SWEPT)


@lru_cache(maxsize=256)
def estimators(
    scene: WhatIfBatch, row: int, position: int, kl_coef: float, gamma: float, steps: tuple[int, ...]
) -> tuple[float, ...]:
    """A token's k-step estimators; lambda only weights them."""
    return k_step_estimators(scene.rewards(kl_coef), scene.values, scene.mask, row, position, gamma, steps)
