"""Texts from data files: CSV, TSV, JSON, JSON Lines, Parquet, Arrow (as written by `save_to_disk`) and plain
text, one per line.

Of a folder, the files that its card (README.md) names are read. Without a card, those of one kind are: the
first there is of Parquet, Arrow, CSV, TSV, JSON lines and JSON, and plain text only where nothing else is; a
licence or a list of requirements never. A file is its split's where its name or its folder's says so (train,
test); those that say nothing are the train split, unless others say they are. What is left out is named in a
remark. Nothing that lies there is ever run: files are read, no more.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .download_process import DATA_SUFFIXES, NOT_DATA, RefusedError, card_patterns
from .tables import KNOWN, Table, is_number, read_table

MOST_ENTRIES = 10_000
"""A folder with more entries is not a data set of reviews, but perhaps a home directory."""
AUTO = "auto"
PREFERRED = ("text", "review")
"""Columns that `auto` takes, in order of preference."""

_SPLITS = {
    "train": "train|training",
    "test": "test|testing|eval|evaluation",
    "validation": "validation|valid|dev|val",
}
_PAPERS = re.compile(
    r"(readme|licen[cs]es?|copying|copyright|notice|requirements|change(log|s)|authors|citation|credits|version)([^a-z]|$)"
)
"""Beginnings of the names of text files that are not data."""
_MOST_NAMED = 8


@dataclass(frozen=True)
class Texts:
    """The texts of each split, without empty rows, and remarks on the rows left out."""

    by_split: dict[str, list[str]]
    remarks: list[str]


def read_texts(place: Path, column: str, limit_mb: int, tell: Callable[[str], None]) -> Texts:
    """The texts of a data file or a folder of them. `tell` is called regularly and may raise. Raises
    `ValueError`, with a message for users, for what is too large, damaged, or lacks data files or the column.
    """
    files, remarks = ({"train": [place]}, []) if place.is_file() else _by_split(place)
    _check_size([file for found in files.values() for file in found], limit_mb)
    texts: dict[str, list[str]] = {}
    for split, found in files.items():
        rows: list[object] = []
        for file in found:
            tell(f"reading {file.name}")
            table = read_table(file, lambda: tell(""))
            name = _column(table, column, file)
            if table.first_row_is_heads and column == AUTO and _may_be_a_text(name, table):
                remarks.append(
                    f"The first row of {file.name} was read as column names: {_listed(table.names)}."
                )
            rows += table.read(name)
        texts[split] = [text for text in rows if isinstance(text, str) and text.strip()]
        _refuse_without_words(rows, f"its column {name}")
        if missing := len(rows) - len(texts[split]):
            remarks.append(f"{missing:,} of {len(rows):,} {split} rows have no text and were skipped.")
    return Texts(texts, remarks)


def _refuse_without_words(rows: list[object], what: str) -> None:
    """Raises `ValueError` if no cell contains words."""
    filled = [row for row in rows if row is not None and (not isinstance(row, str) or row.strip())]
    if rows and not filled:
        raise ValueError(f"{what} is empty")
    if rows and all(is_number(row) for row in filled):
        raise ValueError(f"{what} contains numbers, not text; set text_column")
    if rows and not any(isinstance(row, str) for row in filled):
        kind = "lists" if isinstance(filled[0], list) else "other values"
        raise ValueError(f"{what} contains {kind}, not text; set text_column")


def _may_be_a_text(head: str, table: Table) -> bool:
    return head not in PREFERRED and (len(table.names) == 1 or len(head.split()) > 3)


def _column(table: Table, wanted: str, file: Path) -> str:
    """The text column, by the rule of the setting text_column."""
    there = ", ".join(table.names) or "none"
    if wanted != AUTO:
        if wanted not in table.names:
            raise ValueError(f"{file.name} has no column {wanted}; set text_column to one of: {there}")
        return wanted
    chosen = [name for name in PREFERRED if name in table.names][:1] or table.text_names()
    if len(chosen) != 1:
        found = f"{len(chosen)} columns of text" if chosen else "no column of text"
        raise ValueError(
            f"{file.name} has no column text or review, and {found}; set text_column to one of: {there}"
        )
    return chosen[0]


def _by_split(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of the train split and any test split, and remarks on other data files."""
    files = [path for path in _files(folder) if _is_data(path)]
    if not files:
        raise ValueError(f"the folder has no data files; {KNOWN}")
    found, remarks = _by_card(folder, files)
    found = found or _by_name(folder, files)
    if "train" not in found:
        raise ValueError(
            f"it has no train split, only {', '.join(sorted(found))}; specify a single file instead"
        )
    splits: dict[str, list[Path]] = {split: found[split] for split in ("train", "test") if split in found}
    read = {path for those in splits.values() for path in those}
    if left_out := [path.relative_to(folder).as_posix() for path in files if path not in read]:
        remarks.append(f"Data files not used: {_listed(left_out)}.")
    return splits, remarks


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(name[:100] for name in names[:_MOST_NAMED]) + more


def _files(folder: Path) -> Iterator[Path]:
    """All files under the folder, in order, except hidden ones. Raises `ValueError` past the limit."""
    count = 0
    for inside, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        count += len(folders) + len(names)
        if count > MOST_ENTRIES:
            raise ValueError(
                f"the folder has more than {MOST_ENTRIES:,} files and subfolders; choose the one with the "
                "reviews, or a single file"
            )
        yield from (Path(inside) / name for name in sorted(names) if not name.startswith((".", "__")))


def _is_data(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    # what the library `datasets` leaves beside its own
    cached = name.startswith("cache-") and name.endswith(".arrow")
    paper = name.endswith(".txt") and _PAPERS.match(name)
    return name.endswith(DATA_SUFFIXES) and name not in NOT_DATA and not cached and not paper


def _by_card(folder: Path, files: list[Path]) -> tuple[dict[str, list[Path]], list[str]]:
    """The files that the card lists for each split, and remarks; empty without a list."""
    try:
        patterns = card_patterns(folder / "README.md")
    except RefusedError as error:
        raise ValueError(str(error)) from error
    relative = {path: path.relative_to(folder).as_posix() for path in files}
    found = {
        split: [path for path, name in relative.items() if any(fnmatch(name, one) for one in those)]
        for split, those in patterns.items()
    }
    nowhere = {
        split: (
            f"card (README.md) lists {_listed(patterns[split])} for the split {split}, but no data file "
            "matches"
        )
        for split, those in found.items()
        if not those
    }
    if "train" in nowhere:
        raise ValueError(f"its {nowhere['train']}")
    return {split: those for split, those in found.items() if those}, (
        [f"Its {nowhere['test']}."] if "test" in nowhere else []
    )


def _by_name(folder: Path, files: list[Path]) -> dict[str, list[Path]]:
    """The files of the preferred kind, assigned to splits by their names, else their folders' names."""
    there = set(files)
    files = [path for path in files if path.suffix.lower() != ".gz" or path.with_suffix("") not in there]
    kind = min(map(_kind, files))
    found: dict[str, list[Path]] = {}
    for path in files:
        if _kind(path) == kind:
            found.setdefault(_split_of(path.relative_to(folder)), []).append(path)
    unnamed = found.pop("", [])
    return found if "train" in found or not unnamed else {**found, "train": unnamed}


def _kind(path: Path) -> int:
    """The rank of a file's kind in the order of preference."""
    return DATA_SUFFIXES.index(Path(path.name.lower().removesuffix(".gz")).suffix)


def _split_of(path: Path) -> str:
    for part in reversed(path.parts):
        for split, words in _SPLITS.items():
            if re.search(rf"(^|[^a-z0-9])({words})([^a-z]|$)", part.lower()):
                return split
    return ""


def _check_size(files: list[Path], limit_mb: int) -> None:
    """Raises `ValueError` for too much data, and for anything but regular files: a pipe has no end."""
    total = 0
    for path in files:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is not a regular file")
        total += found.st_size
    if total > limit_mb * 1_000_000:
        raise ValueError(
            f"its data files total {total / 1e6:,.0f} MB, above size_limit_mb = {limit_mb:,}; raise the "
            "limit or choose a single file"
        )
