"""Hypothesis strategies for (batch, time) tables of floats with a response mask, and what may stand in the
padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import Tensor

JUNK = (float("nan"), float("inf"), float("-inf"), 1e30, 0.0)


@st.composite
def masks(draw: st.DrawFn, min_tokens: int = 0, max_batch: int = 4, max_time: int = 7) -> Tensor:
    """Responses: each row is one run of True, from anywhere, of any length (0 too, unless that
    is too few).
    """
    batch, time = draw(st.integers(1, max_batch)), draw(st.integers(1, max_time))
    mask = torch.zeros(batch, time, dtype=torch.bool)
    for row in mask:
        start = draw(st.integers(0, time))
        row[start : draw(st.integers(start, time))] = True
    if mask.sum() < min_tokens:
        mask[:] = True
    return mask


def floats(mask: Tensor, low: float = -4.0, high: float = 4.0) -> st.SearchStrategy[Tensor]:
    """float64 numbers for the cells of `mask`; none subnormal, because some arithmetic flushes those to 0."""
    elements = st.floats(low, high, allow_nan=False, allow_subnormal=False)
    return npst.arrays(np.float64, tuple(mask.shape), elements=elements).map(torch.from_numpy)


def with_junk(draw: st.DrawFn | Any, x: Tensor, mask: Tensor) -> Tensor:
    """`x` with anything at all outside the mask."""
    cells = draw(st.lists(st.sampled_from(JUNK), min_size=mask.numel(), max_size=mask.numel()))
    return torch.where(mask, x, torch.tensor(cells, dtype=x.dtype).view_as(x))
