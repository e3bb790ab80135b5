"""Atomically written files, and file hashes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ASIDE = ".making-"
"""Prefix of the names of unfinished files."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path beside `target` for a new file or folder, renamed to `target` at the end and deleted on an
    error. `target` must not exist, or be a file.
    """
    aside = target.with_name(ASIDE + target.name)
    remove(aside)
    try:
        yield aside
        aside.rename(target)
    except BaseException:
        with suppress(OSError):
            remove(aside)
        raise


def remove(path: Path) -> None:
    """Deletes a file or folder if it exists. A folder is renamed first: no partial one keeps its name."""
    if path.is_dir():
        gone = path.with_name(f"{ASIDE}gone-{path.name.lstrip('.')}")
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
        shutil.rmtree(gone)
    else:
        path.unlink(missing_ok=True)
