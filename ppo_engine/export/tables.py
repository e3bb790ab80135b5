"""A run's data as tables and files: metrics, samples, tokens, configuration; CSV, JSON lines or Parquet."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from ..columns import names
from ..errors import StoreError
from ..metrics import METRICS
from ..records import EVAL, TRAIN, Array, TokenTable
from ..store import RunReader

WHAT = ("metrics", "samples", "tokens", "config")
FORMATS = ("csv", "jsonl", "parquet")


def metrics_table(reader: RunReader) -> pd.DataFrame:
    """A row per step, a column per metric, `step` first; empty where a step lacks the metric."""
    rows = [
        {"step": row.step, "wall_time": row.wall_time.isoformat(), **row.metrics} for row in reader.steps()
    ]
    return pd.DataFrame(rows, columns=["step", "wall_time", *METRICS])


def samples_table(reader: RunReader) -> pd.DataFrame:
    """A row per sample, training and held-out, of every step whose samples are kept."""
    rows = [
        {
            "step": step,
            "split": split,
            "sample": sample.index,
            "query": sample.query,
            "response": sample.response,
            "score": sample.score,
            **{f"score_{name}": part for name, part in sample.score_parts.items()},
            "response_length": sample.response_length,
            "ended_by_eos": sample.ended_by_eos,
            "kl_sum": sample.kl_sum,
        }
        for split in (TRAIN, EVAL)
        for step in reader.steps_with_samples(split)
        for sample in reader.samples(step, split)
    ]
    return (
        pd.DataFrame(rows).sort_values(["step", "split", "sample"], ignore_index=True)
        if rows
        else pd.DataFrame()
    )


def tokens_table(reader: RunReader) -> pd.DataFrame:
    """A row per response token of every step whose tokens are kept; per-epoch columns hold lists."""
    kept = ((step, reader.tokens(step)) for step in reader.steps_with_tokens())
    frames = [_step_tokens(step, tokens) for step, tokens in kept if tokens is not None]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _seen(column: Array, epochs: Array) -> list[list[float]]:
    """A list per row: its entries in the epochs that reached it."""
    return [row[:count].tolist() for row, count in zip(column, epochs, strict=True)]


def _step_tokens(step: int, tokens: TokenTable) -> pd.DataFrame:
    flat = {name: tokens.column(name) for name in names(per_epoch=False)}
    lists = {name: _seen(tokens.column(name), tokens.epochs_seen) for name in names(per_epoch=True)}
    return pd.DataFrame({"step": step, **flat, **lists})


def config_table(reader: RunReader) -> pd.DataFrame:
    """A row per hyperparameter: name, and value as text."""
    values = reader.info().config.model_dump()
    return pd.DataFrame({"name": list(values), "value": [str(value) for value in values.values()]})


def export(run: Path, what: str, format: str, output: str) -> None:
    """Writes a table of the run in `run` to the file `output`, or to standard output for "-"."""
    frame = table(run, what)
    with _opened(output) as file:
        _write(frame, format, file)


def table(run: Path, what: str) -> pd.DataFrame:
    """One of the tables in `WHAT`, from a single snapshot of the run."""
    make = {
        "metrics": metrics_table,
        "samples": samples_table,
        "tokens": tokens_table,
        "config": config_table,
    }[what]
    with RunReader(run).snapshot() as reader:
        return make(reader)


def table_bytes(run: Path, what: str, format: str) -> bytes:
    """The same file as `export` writes, in memory."""
    file = io.BytesIO()
    _write(table(run, what), format, file)
    return file.getvalue()


def write_text(text: str, output: str) -> None:
    """Writes text to the file `output`, or to standard output for "-"."""
    with _opened(output) as file:
        file.write(text.encode())
        file.flush()


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    if output == "-":
        yield sys.stdout.buffer
        return
    try:
        with open(output, "wb") as file:
            yield file
    except OSError as error:
        raise StoreError(f"{output}: could not be written ({error.strerror})") from error


def _write(frame: pd.DataFrame, format: str, file: BinaryIO) -> None:
    if format == "parquet":
        frame.to_parquet(file, index=False)
        return
    if format == "csv":
        # With this line end, as RFC 4180 has it, a text with a carriage return is put into quotes too.
        file.write(_inert(_lists_as_json(frame)).to_csv(index=False, lineterminator="\r\n").encode())
    else:
        file.write(
            frame.to_json(orient="records", lines=True, force_ascii=False, double_precision=15).encode()
        )
    file.flush()


def _lists_as_json(frame: pd.DataFrame) -> pd.DataFrame:
    """Lists as JSON, since CSV has none."""
    there = [name for name in names(per_epoch=True) if name in frame]
    lists: dict[str, Any] = {name: frame[name].map(json.dumps) for name in there}
    return frame.assign(**lists)


def _inert(frame: pd.DataFrame) -> pd.DataFrame:
    """Prefixes text that a spreadsheet would run as a formula with an apostrophe. Numbers stay numbers."""
    guarded = {
        name: frame[name].map(lambda cell: guard(cell) if isinstance(cell, str) else cell)
        for name in frame.columns
        if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name])
    }
    return frame.assign(**guarded)


def guard(cell: str) -> str:
    """The text as a cell that no spreadsheet runs as a formula; `unguard` restores it exactly."""
    return f"'{cell}" if _runs(cell.lstrip("'")) else cell


def unguard(cell: str) -> str:
    """The inverse of `guard`."""
    return cell[1:] if cell.startswith("'") and _runs(cell.lstrip("'")) else cell


def _runs(text: str) -> bool:
    """Whether a spreadsheet may run the text as a formula, ignoring blanks; a lone sign is none."""
    inner = text.lstrip(_dropped(text))
    sign = unicodedata.normalize("NFKC", inner[:1])
    return text.startswith(("\t", "\r", "\n")) or (sign != "" and sign in "=+-@" and len(text) > 1)


def _dropped(text: str) -> str:
    """The invisible characters of the text: blanks, controls, direction marks, zero widths."""
    return "".join({one for one in text if unicodedata.category(one)[0] in "ZC"})
