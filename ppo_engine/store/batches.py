"""The stored training batches, each the samples and tokens of a step, and the rule by which old ones go.

A step without its batch is whole otherwise: its metrics, held-out samples and events stay.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

NEWEST_KEPT = 100
"""The batches of so many of the newest steps are never thinned."""
_AT_ONCE = 100
"""So many at most go in one transaction, so that no step waits long for it."""
_SPARE = 64
"""This fraction of the budget is freed at once, so that the rule is not applied at every step."""
_ROW_BYTES = 45
"""A sample's numbers, its key and what SQLite adds."""

_SIZES = f"""
select step, sum(bytes) from (
    select step, length(block) as bytes from token_blocks where step > :after
    union all
    select step, sum({_ROW_BYTES} + length(cast(query as blob)) + length(cast(response as blob))
        + length(cast(score_parts as blob)))
    from samples where step > :after and split = 'train' group by step
) group by step
"""
_DELETIONS = (
    "delete from token_blocks where step = ?",
    "delete from samples where step = ? and split = 'train'",
    "delete from digests where step = ? and part in ('tokens', 'train')",
)


def to_thin(sizes: Mapping[int, int], noted: Collection[int], budget_bytes: int) -> list[int]:
    """The steps whose batches go, in that order: just so many that the others fit the budget, if they can.

    Never the newest 100, the first, or one that a note points at. Of the others the odd steps go first, then
    those not divisible by 4, by 8, and so on, each time from the oldest. sizes: bytes of each step's batch.
    """
    steps = sorted(sizes)
    safe = {*steps[:1], *steps[-NEWEST_KEPT:], *noted}
    over = sum(sizes.values()) - budget_bytes
    gone = []
    for step in sorted(set(steps) - safe, key=lambda step: (step & -step, step)):
        if over <= 0:
            break
        gone.append(step)
        over -= sizes[step]
    return gone


class StoredBatches:
    """The batches of an open store, and their sizes, each read once: at first all, then only new ones."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._last = -1
        self.total_bytes = 0

    def count_new(self, connection: sqlite3.Connection) -> None:
        """Adds the batches stored since the last call."""
        new = {int(step): int(size) for step, size in connection.execute(_SIZES, {"after": self._last})}
        self._sizes |= new
        self._last = max(new, default=self._last)
        self.total_bytes += sum(new.values())

    def delete_old(self, connection: sqlite3.Connection, budget_bytes: int) -> list[int]:
        """Deletes some batches by the rule, within the caller's transaction; returns their steps."""
        gone = to_thin(self._sizes, _noted(connection), budget_bytes - budget_bytes // _SPARE)[:_AT_ONCE]
        for deletion in _DELETIONS:
            connection.executemany(deletion, [(step,) for step in gone])
        return gone

    def forget(self, steps: Sequence[int]) -> None:
        """Takes those that were deleted off the total, once that is committed."""
        self.total_bytes -= sum(self._sizes.pop(step) for step in steps)


def _noted(connection: sqlite3.Connection) -> set[int]:
    """The steps that notes point at."""
    return {step for (step,) in connection.execute("select step from events where kind = 'note'")}
