"""A trainer's checkpoints in its run's folder: written by `training`, kept by `store`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..store.checkpoint_files import Checkpoint, write
from ..training import checkpoints
from ..training.trainer import Trainer


def save(trainer: Trainer, run: Path) -> Checkpoint:
    """The checkpoint of the trainer's last step, written unless one is intact. Raises `StoreError`."""
    save_into = partial(checkpoints.save, trainer)
    return write(run, trainer.done_steps, save_into, checkpoints.WRITE_ERRORS)


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Restores a loaded trainer, once every file is verified. See `training.checkpoints.restore`."""
    checkpoint.verify()
    checkpoints.restore(trainer, checkpoint.folder)
