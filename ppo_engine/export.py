"""A run's data as tables and files: metrics, samples, tokens, configuration; CSV, JSON lines or Parquet."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from .errors import StoreError
from .metrics import METRICS
from .records import EVAL, TRAIN, TokenTable
from .store import RunReader

WHAT = ("metrics", "samples", "tokens", "config")
FORMATS = ("csv", "jsonl", "parquet")

_STORED = ("sample", "position", "token_id", "text", "old_logprob", "ref_logprob", "value", "advantage", "whitened")
_FORMULA = re.compile(r"[=+\-@\t\r].")
_PER_EPOCH = ("new_logprob", "ratio", "new_value", "policy_clip", "value_clip")


def metrics_table(reader: RunReader) -> pd.DataFrame:
    """A row a step and a column a metric, `step` first; empty where a step has no such metric."""
    rows = [{"step": row.step, "wall_time": row.wall_time.isoformat(), **row.metrics} for row in reader.steps()]
    return pd.DataFrame(rows, columns=["step", "wall_time", *METRICS])


def samples_table(reader: RunReader) -> pd.DataFrame:
    """A row a sample of every step, training and held-out."""
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
    return pd.DataFrame(rows).sort_values(["step", "split", "sample"], ignore_index=True) if rows else pd.DataFrame()


def tokens_table(reader: RunReader) -> pd.DataFrame:
    """A row a response token of every step whose tokens are kept; per-epoch columns hold lists."""
    frames = [_step_tokens(step, tokens) for step in reader.steps_with_tokens() if (tokens := reader.tokens(step)) is not None]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _step_tokens(step: int, tokens: TokenTable) -> pd.DataFrame:
    flat = {name: tokens.column(name) for name in (*_STORED, *TokenTable.DERIVED)}
    lists = {name: [row[:seen].tolist() for row, seen in zip(tokens.column(name), tokens.epochs_seen, strict=True)] for name in _PER_EPOCH}
    return pd.DataFrame({"step": step, **flat, **lists})


def config_table(reader: RunReader) -> pd.DataFrame:
    """A row a hyperparameter: name and value, the value as text."""
    values = reader.info().config.model_dump()
    return pd.DataFrame({"name": list(values), "value": [str(value) for value in values.values()]})


def export(run: Path, what: str, format: str, output: str) -> None:
    """Writes one table of the run in `run` to the file `output`, or to standard output for "-"."""
    with _opened(output) as file:
        _write(table(run, what), format, file)


def table(run: Path, what: str) -> pd.DataFrame:
    """One of the tables in `WHAT`."""
    return {"metrics": metrics_table, "samples": samples_table, "tokens": tokens_table, "config": config_table}[what](RunReader(run))


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
        raise StoreError(f"{output}: cannot be written ({error.strerror})") from error


def _write(frame: pd.DataFrame, format: str, file: BinaryIO) -> None:
    if format == "parquet":
        frame.to_parquet(file, index=False)
        return
    if format == "csv":
        file.write(_inert(_lists_as_json(frame)).to_csv(index=False).encode())
    else:
        file.write(frame.to_json(orient="records", lines=True, force_ascii=False, double_precision=15).encode())
    file.flush()


def _lists_as_json(frame: pd.DataFrame) -> pd.DataFrame:
    """CSV has no lists: a cell that holds one gets its JSON."""
    lists: dict[str, Any] = {name: frame[name].map(json.dumps) for name in _PER_EPOCH if name in frame}
    return frame.assign(**lists)


def _inert(frame: pd.DataFrame) -> pd.DataFrame:
    """A spreadsheet runs a cell that begins like a formula, so such text gets an apostrophe before it."""
    guarded = {
        name: frame[name].map(lambda cell: f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell)
        for name in frame.columns
        if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name])
    }
    return frame.assign(**guarded)
