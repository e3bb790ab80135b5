"""The numbers of one PPO update, stage by stage: formulas with a batch's numbers, and tensors as heatmaps.

From the result of the job `update_trace` in the store. The texts around them are in `stages`.
"""

from __future__ import annotations

from collections.abc import Callable

from .batch import Batch
from .worked_batch import Worked, gae, logprobs, prompts, rewards, sampling, score, whitening
from .worked_update import again, descent, surrogate, value_clip

WORK: dict[str, Callable[[Batch], Worked]] = {
    "prompts": prompts,
    "sampling": sampling,
    "score": score,
    "logprobs": logprobs,
    "rewards": rewards,
    "gae": gae,
    "whitening": whitening,
    "value": value_clip,
    "surrogate": surrogate,
    "descent": descent,
    "again": again,
}
"""Each stage's numbers and tensors for a batch: worked (lines: of, text), tensors, note; some table, running,
epochs.
"""
