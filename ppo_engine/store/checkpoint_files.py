"""A run's checkpoints on disk: each a folder of its own, listed, verified, copied, thinned.

What is inside is the trainer's (`training.checkpoints`); `manifest.json` has each file's SHA-256 and size.

    checkpoints/step-000012/

A checkpoint is written aside and renamed into place, so one that is there is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoint_state import UNREADABLE, CheckpointState, damaged
from ..config import Config
from ..errors import CheckpointError, StoreError
from ..files import ASIDE, remove, sha256, written_aside

CHECKPOINTS = "checkpoints"
NEWEST_KEPT = 3
"""So many of the newest checkpoints are never thinned."""
KEPT_EVERY = 10
"""Checkpoints at multiples of this step are thinned only when the disk budget asks for it."""

_MANIFEST = "manifest.json"
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
        return CheckpointState.read(self.folder).config

    def verify(self) -> None:
        """Raises `CheckpointError` if a file is missing or is not the one that was written."""
        for name, (digest, _) in self._files().items():
            path = self.folder / name
            try:
                sound = path.is_file() and sha256(path) == digest
            except UNREADABLE as error:
                raise damaged(path, error) from error
            if not sound:
                raise CheckpointError(
                    f"{path}: missing or modified since it was written; delete the folder {self.folder.name} "
                    "and use another checkpoint"
                )

    def _files(self) -> dict[str, tuple[str, int]]:
        """SHA-256 and bytes of each file, by its name."""
        path = self.folder / _MANIFEST
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["files"].items()
            files = {str(name): (str(entry["sha256"]), int(entry["bytes"])) for name, entry in entries}
        except UNREADABLE as error:
            raise damaged(path, error) from error
        if not files:
            raise CheckpointError(f"{path}: lists no files; delete its folder and use another checkpoint")
        return files


def write(
    run: Path, step: int, save: Callable[[Path], None], errors: tuple[type[Exception], ...] = (OSError,)
) -> Checkpoint:
    """The run's checkpoint of that step: the one that is there, or what `save` writes into an empty folder.

    errors: what `save` raises where it cannot write. Raises `StoreError`.
    """
    made = Checkpoint(path_of(run, step), step)
    with suppress(CheckpointError):
        made.verify()
        return made
    try:
        with written_aside(made.folder) as aside:
            aside.mkdir(parents=True)
            save(aside)
            files = {path.name: _entry(path) for path in sorted(aside.iterdir())}
            manifest = json.dumps({"step": step, "files": files}, indent=1)
            (aside / _MANIFEST).write_text(manifest, encoding="utf-8")
            remove(made.folder)  # one that could not be verified, and only now that another is whole
    except errors as error:
        raise StoreError(
            f"{made.folder}: the checkpoint could not be written ({error}); free some disk space"
        ) from error
    return made


def _entry(path: Path) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def path_of(run: Path, step: int) -> Path:
    """Where the checkpoint of that step is, or would be."""
    return run / CHECKPOINTS / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Checkpoint]:
    """The run's checkpoints, oldest first. A folder of another name, as a copy has, is none."""
    folders = [path.parent for path in (run / CHECKPOINTS).glob("step-*/" + _MANIFEST)]
    named = [(folder, _NAME.fullmatch(folder.name)) for folder in folders]
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
    """A copy under another run's folder, which then no longer needs this one. Raises `StoreError`."""
    target = path_of(run, checkpoint.step)
    try:
        with written_aside(target) as aside:
            shutil.copytree(checkpoint.folder, aside)
    except OSError as error:  # copytree's own is one of these
        raise StoreError(
            f"{checkpoint.folder}: could not be copied to {target} ({error}); free some disk space"
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
            remove(one.folder)
    return sorted(one.step for one in doomed)


def _size(checkpoint: Checkpoint) -> int:
    """Bytes; of a damaged one 0, so that it stands in nobody's way."""
    try:
        return checkpoint.size
    except CheckpointError:
        return 0


def clear_unfinished(run: Path) -> None:
    """Removes what a killed process left half written."""
    for path in (run / CHECKPOINTS).glob(ASIDE + "*"):
        with suppress(OSError):  # what cannot be deleted is in nobody's way
            remove(path)
