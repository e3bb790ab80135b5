"""What a run keeps on disk: its checkpoints, which one to continue from, and the batches of old steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..store import RunStore, checkpoint_files

if TYPE_CHECKING:
    from ..training.trainer import Trainer

_MB = 1_000_000


class Keeper:
    """Of one run. took_s: duration of a checkpoint's last write."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.reader = store.reader()
        self.took_s = 0.0
        self._thins_batches = True

    def keep(self, trainer: Trainer, must: bool = False) -> None:
        """Saves a checkpoint and thins old ones. Raises `StoreError` only if a user requested it."""
        from .checkpoints import save

        folder, step, began = self.store.folder, trainer.done_steps, time.monotonic()
        there = {one.step for one in checkpoint_files.list_checkpoints(folder)}
        try:
            made = save(trainer, folder)
            budget = trainer.config.checkpoint_disk_mb * _MB
            checkpoint_files.thin(folder, self._pointed_at(), budget)
        except StoreError as error:
            if must:
                raise
            self.store.event(step, "error", {"message": str(error)})
            return
        if made.step not in there:
            self.took_s = time.monotonic() - began
            self.store.event(step, "checkpoint", {"bytes": made.size})

    def thin_batches(self, trainer: Trainer) -> None:
        """Thins the batches of old steps; where the store is too damaged for it, the run goes on without."""
        if not self._thins_batches:
            return
        try:
            self.store.thin_batches(trainer.config.token_disk_mb * _MB)
        except StoreError as error:
            self._thins_batches = False
            message = f"Samples and tokens of old steps are no longer deleted: {error}"
            self.store.event(trainer.done_steps, "error", {"message": message})

    def newest(self) -> checkpoint_files.Checkpoint | None:
        """The newest intact checkpoint of a recorded step; those of lost steps are renamed."""
        info = self.reader.info()
        last = max(info.last_step, -1 if info.parent_step is None else info.parent_step)
        if lost := checkpoint_files.put_aside(self.store.folder, last):
            message = (
                f"The record ends at step {max(0, last)}, but checkpoints exist for step "
                f"{', '.join(map(str, lost))}: part of the run's files was lost, with the newer steps. These "
                f"checkpoints were renamed to {checkpoint_files.LOST}step-… and are not used."
            )
            self.store.event(last, "remark", {"message": message})
        return checkpoint_files.newest_sound(self.store.folder)

    def _pointed_at(self) -> set[int]:
        """Steps whose checkpoints are never thinned: of notes and branches, and where this run began."""
        named = {event.step for event in self.reader.events() if event.kind in ("note", "branch")}
        began = self.reader.info().parent_step
        return named if began is None else named | {began}
