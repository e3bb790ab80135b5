"""Where colour scales saturate."""

from __future__ import annotations

import numpy as np


def scale_limit(values: list[float | None], centre: float) -> float:
    """Where a diverging scale saturates: the 98th percentile of the distance from its centre, so that no
    outlier flattens the rest.
    """
    distances = [abs(x - centre) for x in values if x is not None]
    return float(np.quantile(distances, 0.98)) if distances else 0.0
