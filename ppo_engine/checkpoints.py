"""Checkpoints: all that a trainer carries from step to step, in a folder of its own beside the run's database.

    checkpoints/step-000012/
      model.safetensors, optimizer.bin, random_states_0.pkl    accelerate's own state saving; read with weights_only
      trainer.json            step, configuration, KL controller
      trainer.safetensors     every generator's state, the order of the reviews still to come
      manifest.json           each file's SHA-256 and size

A checkpoint is written aside and renamed into place, so one that is there is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from .builtin import sha256
from .config import Config
from .errors import CheckpointError, StoreError

if TYPE_CHECKING:
    from .trainer import Trainer

CHECKPOINTS = "checkpoints"
NEWEST_KEPT = 3
"""So many of the newest checkpoints are never thinned."""
KEPT_EVERY = 10
"""Checkpoints at multiples of this step are thinned only when the disk budget asks for it."""

_STATE, _TENSORS, _MANIFEST = "trainer.json", "trainer.safetensors", "manifest.json"
_ASIDE = ".making-"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    folder: Path
    step: int

    @property
    def size(self) -> int:
        """Bytes, as its manifest has it."""
        return sum(entry["bytes"] for entry in self._manifest()["files"].values())

    @property
    def config(self) -> Config:
        """The configuration in force when it was taken."""
        return Config(**self._state()["config"])

    def verify(self) -> None:
        """Raises `CheckpointError` if a file is missing or is not the one that was written."""
        for name, entry in self._manifest()["files"].items():
            path = self.folder / name
            if not path.is_file() or sha256(path) != entry["sha256"]:
                raise CheckpointError(
                    f"{path}: missing, or not as it was written; delete the folder {self.folder.name} and use another checkpoint"
                )

    def restore(self, trainer: Trainer) -> None:
        """Takes a loaded trainer to where this checkpoint was taken.

        The trainer's own configuration stays. Where it differs from the checkpoint's, it is a branch: another seed starts
        the generators anew, other reviews start from their beginning, and the KL controller goes on from its value.
        """
        from safetensors.torch import load_file

        self.verify()
        state, tensors = self._state(), load_file(self.folder / _TENSORS)
        try:
            trainer.accelerator.load_state(str(self.folder))
        except (RuntimeError, UnpicklingError, ValueError, KeyError) as error:
            raise CheckpointError(f"{self.folder}: cannot be loaded into the policy {trainer.config.model_name} ({error})") from error
        trainer.go_to(state["step"], Config(**state["config"]), Config(**state["controlled_by"]), state["kl_coef"], tensors)

    def _state(self) -> dict[str, Any]:
        return _read(self.folder / _STATE)

    def _manifest(self) -> dict[str, Any]:
        manifest = _read(self.folder / _MANIFEST)
        if not manifest.get("files"):
            raise CheckpointError(f"{self.folder / _MANIFEST}: names no files")
        return manifest


def save(trainer: Trainer, run: Path) -> Checkpoint:
    """Writes the trainer's state under the run's folder; returns the one that is there if this step has one. Raises `StoreError`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    made = Checkpoint(path_of(run, trainer.done_steps), trainer.done_steps)
    with suppress(CheckpointError):
        made.verify()
        return made
    aside = made.folder.with_name(_ASIDE + made.folder.name)
    try:
        _remove(made.folder)  # one that is there is damaged
        _remove(aside)
        aside.mkdir(parents=True)
        trainer.accelerator.save_state(str(aside), safe_serialization=True)
        state, tensors = trainer.state()
        (aside / _STATE).write_text(json.dumps(state), encoding="utf-8")
        save_file(tensors, aside / _TENSORS)
        files = {path.name: {"sha256": sha256(path), "bytes": path.stat().st_size} for path in sorted(aside.iterdir())}
        (aside / _MANIFEST).write_text(json.dumps({"step": made.step, "files": files}, indent=1), encoding="utf-8")
        aside.rename(made.folder)
    except (OSError, RuntimeError, SafetensorError) as error:  # the last two are what torch and safetensors say of a full disk
        with suppress(OSError):
            _remove(aside)
        raise StoreError(f"{made.folder}: the checkpoint cannot be written ({error}); free some space on that disk") from error
    return made


def path_of(run: Path, step: int) -> Path:
    """Where the checkpoint of that step is, or would be."""
    return run / CHECKPOINTS / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Checkpoint]:
    """The run's checkpoints, oldest first."""
    found = (run / CHECKPOINTS).glob("step-*/" + _MANIFEST)
    return sorted((Checkpoint(path.parent, int(path.parent.name.removeprefix("step-"))) for path in found), key=lambda one: one.step)


def newest_sound(run: Path) -> Checkpoint | None:
    """The newest checkpoint whose files are all as they were written; None where there is none."""
    for checkpoint in reversed(list_checkpoints(run)):
        with suppress(CheckpointError):
            checkpoint.verify()
            return checkpoint
    return None


def copy_to(checkpoint: Checkpoint, run: Path) -> Checkpoint:
    """The same checkpoint under another run's folder, which then needs the first no more. Raises `StoreError`."""
    target = path_of(run, checkpoint.step)
    aside = target.with_name(_ASIDE + target.name)
    try:
        shutil.copytree(checkpoint.folder, aside)
        aside.rename(target)
    except OSError as error:  # copytree's own is one of these
        raise StoreError(f"{checkpoint.folder}: cannot be copied to {target} ({error}); free some space on that disk") from error
    return Checkpoint(target, checkpoint.step)


def thin(run: Path, pointed_at: Iterable[int], budget_bytes: int) -> list[int]:
    """Deletes what the rule does not keep; returns the steps of the deleted.

    Kept: the newest three, those that a note or a branch points at, and those of every tenth step; of the last the oldest go
    first while all together take more than the budget.
    """
    kept = list_checkpoints(run)
    safe = {one.step for one in kept[-NEWEST_KEPT:]} | set(pointed_at)
    spare = [one for one in kept if one.step not in safe]
    doomed = [one for one in spare if one.step % KEPT_EVERY]
    over = sum(one.size for one in kept if one not in doomed) - budget_bytes
    for one in spare:
        if over > 0 and one not in doomed:
            doomed.append(one)
            over -= one.size
    for one in doomed:
        with suppress(OSError):  # what cannot be deleted now is tried again next time
            _remove(one.folder)
    return sorted(one.step for one in doomed)


def clear_unfinished(run: Path) -> None:
    """Removes what a killed process left half written."""
    for path in (run / CHECKPOINTS).glob(_ASIDE + "*"):
        _remove(path)


def _remove(folder: Path) -> None:
    """Deletes a folder; renamed first, so that no half of a checkpoint ever bears a checkpoint's name."""
    if folder.is_dir():
        gone = folder.with_name(_ASIDE + "gone-" + folder.name.lstrip("."))
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
