"""A trainer's state as files: weights, optimizer and generators by accelerate, the rest beside them.

    model.safetensors, optimizer.bin, random_states_0.pkl    accelerate's own; read with weights_only
    trainer.json             step, configuration, KL controller (`CheckpointState`)
    trainer.safetensors      every generator's state, the order of the reviews still to come

Where such a folder lies, and whether it is whole, is the store's business (`store.checkpoint_files`).
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..checkpoint_state import UNREADABLE, CheckpointState, damaged
from ..errors import CheckpointError
from .trainer import Trainer

_TENSORS = "trainer.safetensors"
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)
"""What a full disk looks like: the last two are what torch and safetensors say of one."""


def save(trainer: Trainer, folder: Path) -> None:
    """Writes the trainer's state into an empty folder. Raises one of `WRITE_ERRORS`."""
    trainer.accelerator.save_state(str(folder), safe_serialization=True)
    state, tensors = trainer.state()
    state.write(folder)
    save_file(tensors, folder / _TENSORS)


def restore(trainer: Trainer, folder: Path) -> None:
    """Takes a loaded trainer to where the checkpoint in `folder` was taken. Raises `CheckpointError`.

    The trainer's own configuration stays. Where it differs from the checkpoint's, it is a branch: another
    seed starts the generators anew, other reviews start from their beginning, and the KL controller goes on
    from its value.
    """
    state = CheckpointState.read(folder)
    try:
        tensors = load_file(folder / _TENSORS)
        trainer.accelerator.load_state(str(folder))
    except (RuntimeError, UnpicklingError, ValueError, KeyError, OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: does not fit the policy {trainer.config.model_name} ({error})"
        ) from error
    try:
        trainer.go_to(state, tensors)
    except UNREADABLE as error:
        raise damaged(folder / _TENSORS, error) from error
