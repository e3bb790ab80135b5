"""Checkpoints: all that a trainer carries from step to step, in a folder of its own beside the run's
database.

    checkpoints/step-000012/
      model.safetensors, optimizer.bin, random_states_0.pkl    accelerate's own state saving; read with
      weights_only trainer.json            step, configuration, KL controller
      trainer.safetensors     every generator's state, the order of the reviews still to come
      manifest.json           each file's SHA-256 and size

A checkpoint is written aside and renamed into place, so one that is there is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from ..builtin import sha256
from ..config import Config
from ..errors import CheckpointError, StoreError

if TYPE_CHECKING:
    from .trainer import Trainer

CHECKPOINTS = "checkpoints"
NEWEST_KEPT = 3
"""So many of the newest checkpoints are never thinned."""
KEPT_EVERY = 10
"""Checkpoints at multiples of this step are thinned only when the disk budget asks for it."""

_STATE, _TENSORS, _MANIFEST = "trainer.json", "trainer.safetensors", "manifest.json"
_ASIDE = ".making-"
LOST = "lost-"
"""Before the name of a checkpoint whose step the record has lost."""
_NAME = re.compile(r"step-(\d{6,9})")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    folder: Path
    step: int

    @property
    def size(self) -> int:
        """Bytes, as its manifest has it."""
        return sum(size for _, size in self._files().values())

    @property
    def config(self) -> Config:
        """The configuration in force when it was taken."""
        with _or_damaged(self.folder / _STATE):
            return Config(**self._state()["config"])

    def verify(self) -> None:
        """Raises `CheckpointError` if a file is missing or is not the one that was written."""
        for name, (digest, _) in self._files().items():
            path = self.folder / name
            with _or_damaged(path):
                sound = path.is_file() and sha256(path) == digest
            if not sound:
                raise CheckpointError(
                    f"{path}: missing, or not as it was written; delete the folder {self.folder.name} and use"
                    " another checkpoint"
                )

    def restore(self, trainer: Trainer) -> None:
        """Takes a loaded trainer to where this checkpoint was taken.

        The trainer's own configuration stays. Where it differs from the checkpoint's, it is a branch: another
        seed starts the generators anew, other reviews start from their beginning, and the KL controller goes
        on from its value.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self.verify()
        with _or_damaged(self.folder / _STATE):
            state = self._state()
            was, controlled_by = Config(**state["config"]), Config(**state["controlled_by"])
        try:
            tensors = load_file(self.folder / _TENSORS)
            trainer.accelerator.load_state(str(self.folder))
        except (RuntimeError, UnpicklingError, ValueError, KeyError, OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{self.folder}: cannot be loaded into the policy {trainer.config.model_name} ({error})"
            ) from error
        with _or_damaged(self.folder / _TENSORS):
            trainer.go_to(state["step"], was, controlled_by, state["kl_coef"], tensors)

    def _state(self) -> dict[str, Any]:
        return _read(self.folder / _STATE)

    def _files(self) -> dict[str, tuple[str, int]]:
        """SHA-256 and bytes of each file, by its name."""
        with _or_damaged(self.folder / _MANIFEST):
            files = {
                str(name): (str(entry["sha256"]), int(entry["bytes"]))
                for name, entry in _read(self.folder / _MANIFEST)["files"].items()
            }
        if not files:
            raise CheckpointError(f"{self.folder / _MANIFEST}: names no files")
        return files


def save(trainer: Trainer, run: Path) -> Checkpoint:
    """Writes the trainer's state under the run's folder; returns the one that is there if this step has one.
    Raises `StoreError`.
    """
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
        files = {
            path.name: {"sha256": sha256(path), "bytes": path.stat().st_size}
            for path in sorted(aside.iterdir())
        }
        (aside / _MANIFEST).write_text(
            json.dumps({"step": made.step, "files": files}, indent=1), encoding="utf-8"
        )
        aside.rename(made.folder)
    # the last two are what torch and safetensors say of a full disk
    except (OSError, RuntimeError, SafetensorError) as error:
        with suppress(OSError):
            _remove(aside)
        raise StoreError(
            f"{made.folder}: the checkpoint cannot be written ({error}); free some space on that disk"
        ) from error
    return made


def path_of(run: Path, step: int) -> Path:
    """Where the checkpoint of that step is, or would be."""
    return run / CHECKPOINTS / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Checkpoint]:
    """The run's checkpoints, oldest first. A folder of another name, as a copy has, is none."""
    named = [
        (path.parent, _NAME.fullmatch(path.parent.name))
        for path in (run / CHECKPOINTS).glob("step-*/" + _MANIFEST)
    ]
    found = [Checkpoint(folder, int(name[1])) for folder, name in named if name]
    return sorted((one for one in found if one.folder == path_of(run, one.step)), key=lambda one: one.step)


def put_aside(run: Path, after: int) -> list[int]:
    """Renames the checkpoints of later steps than that, so that they count as none; returns their steps."""
    late = [one for one in list_checkpoints(run) if one.step > after]
    for one in late:
        target = one.folder.with_name(LOST + one.folder.name)
        shutil.rmtree(target, ignore_errors=True)
        one.folder.rename(target)
    return [one.step for one in late]


def newest_sound(run: Path) -> Checkpoint | None:
    """The newest checkpoint whose files are all as they were written; None where there is none."""
    for checkpoint in reversed(list_checkpoints(run)):
        with suppress(CheckpointError):
            checkpoint.verify()
            return checkpoint
    return None


def copy_to(checkpoint: Checkpoint, run: Path) -> Checkpoint:
    """The same checkpoint under another run's folder, which then needs the first no more. Raises
    `StoreError`.
    """
    target = path_of(run, checkpoint.step)
    aside = target.with_name(_ASIDE + target.name)
    try:
        _remove(aside)
        shutil.copytree(checkpoint.folder, aside)
        aside.rename(target)
    except OSError as error:  # copytree's own is one of these
        raise StoreError(
            f"{checkpoint.folder}: cannot be copied to {target} ({error}); free some space on that disk"
        ) from error
    return Checkpoint(target, checkpoint.step)


def thin(run: Path, pointed_at: Iterable[int], budget_bytes: int) -> list[int]:
    """Deletes what the rule does not keep; returns the steps of the deleted.

    Kept: the newest three, those that a note or a branch points at, and those of every tenth step; of the
    last the oldest go first while all together take more than the budget.
    """
    kept = list_checkpoints(run)
    safe = {one.step for one in kept[-NEWEST_KEPT:]} | set(pointed_at)
    spare = [one for one in kept if one.step not in safe]
    doomed = [one for one in spare if one.step % KEPT_EVERY]
    sizes = {one.step: _size(one) for one in kept if one not in doomed}
    over = sum(sizes.values()) - budget_bytes
    for one in spare:
        if over > 0 and one not in doomed:
            doomed.append(one)
            over -= sizes[one.step]
    for one in doomed:
        with suppress(OSError):  # what cannot be deleted now is tried again next time
            _remove(one.folder)
    return sorted(one.step for one in doomed)


def _size(checkpoint: Checkpoint) -> int:
    """Bytes; of a damaged one 0, so that it stands in nobody's way."""
    try:
        return checkpoint.size
    except CheckpointError:
        return 0


def clear_unfinished(run: Path) -> None:
    """Removes what a killed process left half written."""
    for path in (run / CHECKPOINTS).glob(_ASIDE + "*"):
        with suppress(OSError):  # what cannot be deleted is in nobody's way
            _remove(path)


def _remove(folder: Path) -> None:
    """Deletes a folder; renamed first, so that no half of a checkpoint ever bears a checkpoint's name."""
    if folder.is_dir():
        gone = folder.with_name(_ASIDE + "gone-" + folder.name.lstrip("."))
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)
    else:
        folder.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    with _or_damaged(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return found


@contextmanager
def _or_damaged(path: Path) -> Iterator[None]:
    """Turns whatever reading a checkpoint's file runs into, or making sense of it,
    into a `CheckpointError`.
    """
    try:
        yield
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OverflowError,
        RecursionError,
    ) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error or type(error).__name__}); use another checkpoint"
        ) from error
