"""The tutorial notebook's batch: values of four responses, and rewards derived from its printed advantages.

`notebook.json` has the numbers alone. The notebook prints neither ratios nor new values, so it has no clips.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from .what_if import WhatIfSettings


@dataclass(frozen=True)
class Notebook:
    """rewards, values: (4, 15) float64; mask: bool; knobs: the notebook's settings, KL coefficient 0."""

    rewards: Tensor
    values: Tensor
    mask: Tensor
    knobs: WhatIfSettings


@cache
def tutorial_batch() -> Notebook:
    """The batch, cached."""
    stored = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    rows = {
        name: [torch.tensor(row, dtype=torch.float64) for row in stored[name]]
        for name in ("rewards", "values")
    }
    rewards, values = (
        torch.nn.utils.rnn.pad_sequence(rows[name], batch_first=True) for name in ("rewards", "values")
    )
    lengths = torch.tensor([len(row) for row in rows["values"]])
    mask = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
    knobs = WhatIfSettings(
        stored["gamma"], stored["lam"], 0.0, stored["cliprange"], stored["cliprange_value"]
    )
    return Notebook(rewards, values, mask, knobs)
