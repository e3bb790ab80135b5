"""Everything that a step's record says, in a form that compares bit for bit (NaN equals
NaN), without times.
"""

from __future__ import annotations

import dataclasses
import struct

import numpy as np

from ppo_engine import StepRecord
from ppo_engine.records import TokenTable


def fingerprint(record: StepRecord) -> dict[str, object]:
    metrics = {
        name: struct.pack("d", value)
        for name, value in record.metrics.items()
        if not name.startswith("time/")
    }
    return {
        "step": record.step, "config_version": record.config_version, **metrics,
        "samples": repr(record.samples), "eval_samples": repr(record.eval_samples),
        **(table_fingerprint(record.tokens) if record.tokens is not None else {}),
    }  # fmt: skip


def table_fingerprint(table: TokenTable) -> dict[str, object]:
    columns = {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
    return {
        name: (
            (str(column.dtype), column.shape, column.tobytes()) if isinstance(column, np.ndarray) else column
        )
        for name, column in columns.items()
    }
