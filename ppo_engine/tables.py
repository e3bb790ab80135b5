"""Data files as tables of columns, each format read by the plainest way there is. What is wrong with a file is said in words."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROWS_BETWEEN = 20_000
"""After so many rows the reader asks whether anybody still waits."""


@dataclass(frozen=True)
class Table:
    """A file's column names in order, how one is read, and which hold text."""

    names: list[str]
    read: Callable[[str], list[object]]
    text_names: Callable[[], list[str]]


def read_table(path: Path, between: Callable[[], None]) -> Table:
    """The table in a data file; `between` is called now and then, and may raise. Raises `ValueError` that names the file and its fault."""
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith((".parquet", ".arrow")):
            return _arrow(path, name.endswith(".parquet"))
        text = _text(path)
        if name.endswith((".json", ".jsonl")):
            return _of_rows(_json_rows(text, path, between))
        if name.endswith(".txt"):
            return _of_columns({"text": text.splitlines()})
        return _of_columns(_csv_columns(text, "\t" if name.endswith(".tsv") else ",", path, between))
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror or error})") from error


def _arrow(path: Path, parquet: bool) -> Table:
    """Parquet, or an Arrow stream as `save_to_disk` writes it."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        if parquet:
            schema = pyarrow.parquet.read_schema(path)
        else:
            whole = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
            schema = whole.schema
        text = [field.name for field in schema if _holds_text(field.type)]

        def read(column: str) -> list[object]:
            try:
                table = pyarrow.parquet.read_table(path, columns=[column]) if parquet else whole
                found: list[object] = table[column].to_pylist()
                return found
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{path.name} is damaged ({_first_line(error)})") from error

        return Table(schema.names, read, lambda: text)
    except pa.ArrowException as error:
        raise ValueError(f"{path.name} is damaged ({_first_line(error)})") from error


def _holds_text(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _text(path: Path) -> str:
    """A file's text. Raises `ValueError` where it is not UTF-8, and says where."""
    raw = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            raw = gzip.decompress(raw)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path.name} is damaged ({error})") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path.name} is UTF-16, not UTF-8: save it as UTF-8, for instance with `iconv -f utf-16 -t utf-8`")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path.name} is not UTF-8 (byte {raw[error.start]:#x} in line {line}; Latin-1, perhaps): save it as UTF-8, for instance "
            "with `iconv -f latin1 -t utf-8`"
        ) from error


def _csv_columns(text: str, comma: str, path: Path, between: Callable[[], None]) -> dict[str, list[object]]:
    """A CSV's columns by their heads. A row with fewer cells lacks the rest; one with more is a fault."""
    csv.field_size_limit(2**31 - 1)
    if comma == "," and "," not in text.partition("\n")[0] and ";" in text.partition("\n")[0]:
        comma = ";"  # what spreadsheets of half the world write
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
    try:
        heads = next(rows, [])
        columns: list[list[object]] = [[] for _ in heads]
        for count, row in enumerate(rows):
            if count % _ROWS_BETWEEN == 0:
                between()
            if len(row) > len(heads):
                raise ValueError(
                    f"{path.name} has {len(row)} cells in line {rows.line_num} and {len(heads)} heads: put texts with commas into quotes"
                )
            if row:
                for i, column in enumerate(columns):
                    column.append(row[i] if i < len(row) else None)
    except csv.Error as error:
        raise ValueError(f"{path.name} is damaged near line {rows.line_num} ({error})") from error
    return dict(zip(heads, columns, strict=True))


def _json_rows(text: str, path: Path, between: Callable[[], None]) -> Iterable[object]:
    """The rows of JSON: a list of objects, an object of lists, or an object a line."""
    try:
        if path.name.lower().removesuffix(".gz").endswith(".json"):
            try:
                return _rows_of(json.loads(text))
            except ValueError:
                if "\n" not in text.strip():
                    raise
        rows = []
        for count, line in enumerate(text.split("\n")):
            if count % _ROWS_BETWEEN == 0:
                between()
            if line.strip():
                rows.append(json.loads(line))
        return rows
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: it is no JSON ({_first_line(error)})") from error


def _rows_of(found: object) -> list[object]:
    if isinstance(found, list):
        return found
    lists = {name: column for name, column in found.items() if isinstance(column, list)} if isinstance(found, dict) else {}
    if len(lists) == 1 and isinstance(next(iter(*lists.values()), None), dict):
        return next(iter(lists.values()))  # {"data": [{...}, ...]}
    if not lists:
        return [found]
    return [dict(zip(lists, row, strict=False)) for row in zip(*lists.values(), strict=False)]


def _of_rows(rows: Iterable[object]) -> Table:
    plain = [row if isinstance(row, dict) else {} for row in rows]
    names = list(dict.fromkeys(str(name) for row in plain for name in row))
    return _of_columns({name: [row.get(name) for row in plain] for name in names})


def _of_columns(columns: dict[str, Any]) -> Table:
    def text_names() -> list[str]:
        return [name for name, column in columns.items() if _is_text(column)]

    return Table(list(columns), lambda name: list(columns[name]), text_names)


def _is_text(column: list[object]) -> bool:
    """Whether most cells that hold anything hold words and not numbers: CSV tells no types."""
    filled = [cell for cell in column if cell is not None and cell != ""]
    return bool(filled) and sum(isinstance(cell, str) and not _is_number(cell) for cell in filled) > len(filled) / 2


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
