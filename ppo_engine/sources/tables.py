"""Data files as tables of columns, one reader per format; faults are reported in words."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .download_process import DATA_SUFFIXES

KNOWN = f"supported: {', '.join(DATA_SUFFIXES)}, and .gz of the text formats"
_FORMATS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\x1f\x8b": "compressed with gzip; unpack it, or rename a text file to end in .gz",
    b"ARROW1\0\0": "an Arrow or Feather file; rename it to end in .arrow",
    b"PAR1": "a Parquet file; rename it to end in .parquet",
}
"""Magic numbers of other formats."""
_IN_TEXTS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_ROWS_BETWEEN = 20_000
"""Rows between two calls of `between`."""


@dataclass(frozen=True)
class Table:
    """A file's column names in order; a column's reader; the text columns; whether row 1 named them."""

    names: list[str]
    read: Callable[[str], list[object]]
    text_names: Callable[[], list[str]]
    first_row_is_heads: bool = False


def read_table(path: Path, between: Callable[[], None]) -> Table:
    """The table in a data file; `between` may raise. Raises `ValueError` with the file and its fault."""
    name = path.name.lower().removesuffix(".gz")
    try:
        _refuse_other_formats(path, name)
        if name.endswith((".parquet", ".arrow")):
            return _arrow(path, name.endswith(".parquet"))
        text = _text(path)
        if name.endswith((".json", ".jsonl")):
            return _of_rows(_json_rows(text, path, between))
        if name.endswith(".txt"):
            return _of_columns({"text": text.splitlines()})
        comma = "\t" if name.endswith(".tsv") else _comma(text)
        return replace(_of_columns(_csv_columns(text, comma, path, between)), first_row_is_heads=True)
    except OSError as error:
        raise ValueError(f"{path.name} could not be read ({error.strerror or error})") from error


def _refuse_other_formats(path: Path, name: str) -> None:
    """Raises `ValueError` for an unknown format, or for contents that do not match the file name."""
    expected = b"PAR1" if name.endswith(".parquet") else b"ARROW1\0\0" if name.endswith(".arrow") else b""
    packed = path.name.lower().endswith(".gz")
    with path.open("rb") as file:
        first = file.read(8)
    for magic, words in _FORMATS.items():
        if first.startswith(magic) and magic != (b"\x1f\x8b" if packed and not expected else expected):
            raise ValueError(f"{path.name} is {words}")
    if not name.endswith(DATA_SUFFIXES):
        raise ValueError(f"{path.name} has an unsupported format; {KNOWN}")


def _arrow(path: Path, parquet: bool) -> Table:
    """Parquet, an Arrow stream as `save_to_disk` writes it, or an Arrow file."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        if parquet:
            schema = pyarrow.parquet.read_schema(path)
        else:
            with path.open("rb") as file:
                opened = pa.ipc.open_file if file.read(6) == b"ARROW1" else pa.ipc.open_stream
            whole = opened(pa.memory_map(str(path))).read_all()
            schema = whole.schema
        _refuse_doubles(schema.names, path)
        text = [field.name for field in schema if _holds_text(field.type)]

        def read(column: str) -> list[object]:
            try:
                table = pyarrow.parquet.read_table(path, columns=[column]) if parquet else whole
                return list(table[column].to_pylist())
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
    """A file's text. Raises `ValueError` with the position if it is not UTF-8."""
    raw = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            raw = gzip.decompress(raw)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path.name} is damaged ({error})") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path.name} is UTF-16, not UTF-8; convert it with `iconv -f utf-16 -t utf-8`")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path.name} is not UTF-8 (byte {raw[error.start]:#x} in line {line}; perhaps Latin-1); "
            "convert it, for example with `iconv -f latin1 -t utf-8`"
        ) from error


def _refuse_doubles(heads: list[str], path: Path) -> None:
    doubles = [head for head, count in Counter(heads).items() if count > 1 and head]
    if doubles:
        raise ValueError(f"{path.name} has several columns named {doubles[0]}; rename all but one")


def _comma(text: str) -> str:
    """The separator in the header, outside quotes: a comma, else another common one."""
    start = re.sub(r'"[^"]*"', "", text[:100_000].lstrip()).partition("\n")[0]
    return "," if "," in start else max(",;\t|", key=start.count)


def _quotes_are_letters(text: str) -> bool:
    """Whether quotes are literal in a tab-separated table, as in GLUE, where they would swallow rows."""
    if '"' not in text:
        return False
    lines = [line for line in text.split("\n") if line.strip("\r")]
    if len({line.count("\t") for line in lines}) != 1 or "\t" not in lines[0]:
        return False
    try:
        return sum(
            1 for row in csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True) if row
        ) < len(lines)
    except csv.Error:
        return True


def _csv_columns(text: str, comma: str, path: Path, between: Callable[[], None]) -> dict[str, list[object]]:
    """A CSV file's columns by header. A row with fewer cells lacks the rest; one with more is a fault."""
    csv.field_size_limit(2**31 - 1)
    as_letters = comma == "\t" and _quotes_are_letters(text)
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=comma,
        strict=True,
        quoting=csv.QUOTE_NONE if as_letters else csv.QUOTE_MINIMAL,
    )
    try:
        heads = next((row for row in rows if any(cell.strip() for cell in row)), [])
        _refuse_doubles(heads, path)
        columns: list[list[object]] = [[] for _ in heads]
        for count, row in enumerate(rows):
            if count % _ROWS_BETWEEN == 0:
                between()
            if len(row) > len(heads):
                raise ValueError(
                    f"{path.name} has {len(row)} cells in line {rows.line_num} but {len(heads)} columns; "
                    f"quote texts that contain {_IN_TEXTS[comma]}"
                )
            if row:
                for i, column in enumerate(columns):
                    column.append(row[i] if i < len(row) else None)
    except csv.Error as error:
        raise ValueError(f"{path.name} is damaged near line {rows.line_num} ({error})") from error
    return dict(zip(heads, columns, strict=True))


def _json_rows(text: str, path: Path, between: Callable[[], None]) -> list[object]:
    """The rows of JSON: a list of objects or texts, an object of lists, or an object or text per line."""
    lines = path.name.lower().removesuffix(".gz").endswith(".jsonl")
    try:
        try:
            whole = json.loads(text)
        except ValueError:
            if "\n" not in text.strip():
                raise
            lines, whole = True, None
        if lines and not isinstance(whole, list):
            return list(_json_lines(text, between))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: invalid JSON ({_first_line(error)})") from error
    return _rows_of(whole, path)


def _json_lines(text: str, between: Callable[[], None]) -> Iterator[object]:
    for count, line in enumerate(text.split("\n")):
        if count % _ROWS_BETWEEN == 0:
            between()
        if line.strip():
            yield json.loads(line)


def _rows_of(found: object, path: Path) -> list[object]:
    if isinstance(found, list):
        return found
    lists = (
        {name: column for name, column in found.items() if isinstance(column, list)}
        if isinstance(found, dict)
        else {}
    )
    if len(lists) == 1 and isinstance(next(iter(*lists.values()), None), dict):
        return next(iter(lists.values()))  # {"data": [{...}, ...]}
    if not lists:
        return [found]
    if len(set(map(len, lists.values()))) > 1:
        lengths = ", ".join(f"{name} {len(column):,}" for name, column in lists.items())
        raise ValueError(f"{path.name} has columns of unequal length ({lengths})")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _of_rows(rows: Iterable[object]) -> Table:
    plain = [row if isinstance(row, dict) else {"text": row} if isinstance(row, str) else {} for row in rows]
    names = list(dict.fromkeys(str(name) for row in plain for name in row))
    return _of_columns({name: [row.get(name) for row in plain] for name in names})


def _of_columns(columns: dict[str, Any]) -> Table:
    def text_names() -> list[str]:
        return [name for name, column in columns.items() if _is_text(column)]

    return Table(list(columns), lambda name: list(columns[name]), text_names)


def _is_text(column: list[object]) -> bool:
    """Whether most non-empty cells contain words, not numbers: CSV has no types."""
    filled = [cell for cell in column if cell is not None and cell != ""]
    words = sum(isinstance(cell, str) and not is_number(cell) for cell in filled)
    return bool(filled) and words > len(filled) / 2


def is_number(cell: object) -> bool:
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
