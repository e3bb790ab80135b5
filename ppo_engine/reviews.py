"""Texts out of data files: CSV, TSV, JSON, JSON lines, Parquet, Arrow (what `save_to_disk` writes) and plain text, a line a text.

A file is its split's where its name or its folder's says so (train, test); one that says nothing is of the train split. A data set's
card (README.md) that names the files of each split goes before. Nothing that lies there is ever run: files are read, no more.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .hub_download import DATA_SUFFIXES, Refused, card_patterns
from .tables import Table, read_table

MOST_ENTRIES = 10_000
"""A folder with more files and folders in it than this is no data set of reviews, but somebody's home."""
AUTO = "auto"
PREFERRED = ("text", "review")
"""Columns that `auto` takes, the first that is there."""

_SPLITS = {"train": "train|training", "test": "test|testing|eval|evaluation", "validation": "validation|valid|dev|val"}
_NOT_DATA = {"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"}


@dataclass(frozen=True)
class Texts:
    """The texts of each split that was found, rows without one left out, and remarks on what was."""

    by_split: dict[str, list[str]]
    remarks: list[str]


def read_texts(place: Path, column: str, limit_mb: int, tell: Callable[[str], None]) -> Texts:
    """The texts of a data file, or of the data files of a folder. `tell` is called between pieces of work; it may raise.

    Raises `ValueError`, in words, for what cannot be read: too large, no data file, no such column, damaged.
    """
    files = {"train": [place]} if place.is_file() else _by_split(place)
    _check_size([file for found in files.values() for file in found], limit_mb)
    texts: dict[str, list[str]] = {}
    remarks = []
    for split, found in files.items():
        rows: list[object] = []
        for file in found:
            tell(f"reading {file.name}")
            rows += _column(read_table(file, lambda: tell("")), column, file)
        texts[split] = [text for text in rows if isinstance(text, str) and text.strip()]
        if missing := len(rows) - len(texts[split]):
            remarks.append(f"{missing:,} of the {len(rows):,} rows of {split} have no text and were left out.")
    return Texts(texts, remarks)


def _column(table: Table, wanted: str, file: Path) -> list[object]:
    """The text column, by the rule of the setting text_column."""
    there = ", ".join(table.names) or "none"
    if wanted != AUTO:
        if wanted not in table.names:
            raise ValueError(f"{file.name} has no column {wanted} (text_column); its columns are: {there}")
        return table.read(wanted)
    chosen = [name for name in PREFERRED if name in table.names][:1] or table.text_names()
    if len(chosen) != 1:
        found = f"{len(chosen)} columns of text" if chosen else "no column of text"
        raise ValueError(f"{file.name} has no column text or review, and {found}: name one in text_column; its columns are: {there}")
    return table.read(chosen[0])


def _by_split(folder: Path) -> dict[str, list[Path]]:
    """The files of the splits train and, where there is one, test."""
    files = [path for path in _files(folder) if _is_data(path)]
    if not files:
        raise ValueError(f"the folder has no data file; known are {', '.join(DATA_SUFFIXES)}, and each with .gz")
    splits = _by_card(folder, files) or _by_name(folder, files)
    if "train" not in splits:
        raise ValueError(f"it has no split `train`, only {', '.join(sorted(splits))}: name one of its files instead")
    return {split: splits[split] for split in ("train", "test") if split in splits}


def _files(folder: Path) -> Iterator[Path]:
    """Every file under the folder, in order, but what is hidden. Raises `ValueError` past the bound."""
    count = 0
    for inside, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        count += len(folders) + len(names)
        if count > MOST_ENTRIES:
            raise ValueError(
                f"the folder has more than {MOST_ENTRIES:,} files and folders in it: give the one with the reviews, or their file"
            )
        yield from (Path(inside) / name for name in sorted(names) if not name.startswith((".", "__")))


def _is_data(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    cached = name.startswith("cache-") and name.endswith(".arrow")  # what the library `datasets` leaves beside its own
    return name.endswith(DATA_SUFFIXES) and name not in _NOT_DATA and not cached


def _by_card(folder: Path, files: list[Path]) -> dict[str, list[Path]]:
    try:
        patterns = card_patterns(folder / "README.md")
    except Refused as error:
        raise ValueError(str(error)) from error
    relative = {path: path.relative_to(folder).as_posix() for path in files}
    found = {
        split: [path for path, name in relative.items() if any(fnmatch(name, one) for one in those)] for split, those in patterns.items()
    }
    return {split: those for split, those in found.items() if those}


def _by_name(folder: Path, files: list[Path]) -> dict[str, list[Path]]:
    """By the words in their names, else in their folders'; where none has any, all are of the train split."""
    kinds = Counter(_kind(path) for path in files)
    most = max(kinds.values())
    kind = next(one for one in map(_kind, files) if kinds[one] == most)  # one of several forms of the same data
    found: dict[str, list[Path]] = {}
    for path in files:
        if _kind(path) == kind:
            found.setdefault(_split_of(path.relative_to(folder)), []).append(path)
    unnamed = found.pop("", [])
    return found or {"train": unnamed}


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _split_of(path: Path) -> str:
    for part in reversed(path.parts):
        for split, words in _SPLITS.items():
            if re.search(rf"(^|[^a-z0-9])({words})([^a-z]|$)", part.lower()):
                return split
    return ""


def _check_size(files: list[Path], limit_mb: int) -> None:
    """Looks before reading. Raises `ValueError` for what is too large, and for what is no file on a disk: a pipe has no end."""
    total = 0
    for path in files:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is no plain file")
        total += found.st_size
    if total > limit_mb * 1_000_000:
        raise ValueError(
            f"its data files take {total / 1e6:,.0f} MB, and size_limit_mb allows {limit_mb:,}: raise that setting, or give one file"
        )
