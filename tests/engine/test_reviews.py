"""Texts out of data files: every format and layout, the column that is meant, what is left out and said, what is refused and why."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest

from ppo_engine import reviews as module
from ppo_engine.errors import SourceError
from ppo_engine.prompts import read_reviews
from ppo_engine.sources import Watch, _watch
from tests.engine.checkpoints import reviews

TEXTS = reviews("train", 20)


def write_csv(path: Path, rows: list[list[object]], comma: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=comma).writerows(rows)


WRITERS: dict[str, Callable[[Path], object]] = {
    "x.csv": lambda path: write_csv(path, [["text", "label"], *([text, 1] for text in TEXTS)]),
    "semicolons.csv": lambda path: write_csv(path, [["label", "text"], *([1, text] for text in TEXTS)], ";"),
    "x.tsv": lambda path: write_csv(path, [["text", "label"], *([text, 1] for text in TEXTS)], "\t"),
    "x.csv.gz": lambda path: path.write_bytes(gzip.compress(b"text\n" + b"".join(f'"{text}"\n'.encode() for text in TEXTS))),
    "rows.json": lambda path: path.write_text(json.dumps([{"text": text} for text in TEXTS])),
    "columns.json": lambda path: path.write_text(json.dumps({"text": TEXTS, "label": [1] * 20})),
    "data.json": lambda path: path.write_text(json.dumps({"data": [{"text": text} for text in TEXTS]})),
    "lines.json": lambda path: path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS)),
    "x.jsonl": lambda path: path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS)),
    "x.parquet": lambda path: pyarrow.parquet.write_table(pa.table({"text": TEXTS}), path),
    "x.txt": lambda path: path.write_text("\n".join(TEXTS)),
}


def read(place: Path, column: str = "auto") -> list[str]:
    """All texts, in the order of the file: every tenth is held out."""
    found = read_reviews(str(place), 0, column)
    train = iter(found.train)
    return [found.held_out[i // 10] if i % 10 == 0 else next(train) for i in range(len(found.train) + len(found.held_out))]


def refusal(place: Path, column: str = "auto") -> str:
    with pytest.raises(SourceError) as caught:
        read_reviews(str(place), 0, column)
    assert str(caught.value).startswith(f"query_dataset = {place}: ")
    return str(caught.value)


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_a_data_file_of_each_kind_is_read_by_itself_and_in_a_folder(tmp_path: Path, name: str, as_folder: bool) -> None:
    WRITERS[name](tmp_path / name)
    assert read(tmp_path if as_folder else tmp_path / name) == TEXTS


def test_what_save_to_disk_writes_is_read(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": [0] * 20})
    rows.select(range(19, -1, -1)).save_to_disk(tmp_path / "one")
    assert read(tmp_path / "one") == TEXTS[::-1]
    datasets.DatasetDict(train=rows.select(range(12)), test=rows.select(range(12, 20))).save_to_disk(tmp_path / "splits")
    found = read_reviews(str(tmp_path / "splits"), 0)
    assert (found.train, found.held_out) == (TEXTS[:12], TEXTS[12:])


@pytest.mark.parametrize("layout", [
    ("train.csv", "test.csv"), ("data/train-00000-of-00001.csv", "data/test-00000-of-00001.csv"), ("train/0.csv", "test/0.csv"),
    ("my_training_set.csv", "my_testing_set.csv"),
])  # fmt: skip
def test_splits_are_found_by_the_names_of_files_and_folders(tmp_path: Path, layout: tuple[str, str]) -> None:
    for name, texts in zip(layout, (TEXTS[:12], TEXTS[12:]), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_csv(tmp_path / name, [["text"], *([text] for text in texts)])
    found = read_reviews(str(tmp_path), 0)
    assert (found.train, found.held_out) == (TEXTS[:12], TEXTS[12:])


def test_a_card_that_names_the_files_of_the_splits_goes_before_their_names(tmp_path: Path) -> None:
    for name, texts in (("a.csv", TEXTS[:12]), ("b.csv", TEXTS[12:]), ("train.csv", ["neither"])):
        write_csv(tmp_path / name, [["text"], *([text] for text in texts)])
    splits = "  - {split: train, path: a.csv}\n  - {split: test, path: 'b*'}"
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: plain\n  data_files:\n{splits}\n---\n# Reviews\n")
    found = read_reviews(str(tmp_path), 0)
    assert (found.train, found.held_out) == (TEXTS[:12], TEXTS[12:])
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- {config_name: one, data_files: a.csv}\n- {config_name: two, data_files: b.csv}\n---\n"
    )
    assert "several configurations (one, two)" in refusal(tmp_path)


# Rows without a text, and columns


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_rows_without_a_text_are_left_out_and_counted(tmp_path: Path, name: str) -> None:
    rows: list[object] = [*TEXTS[:10], "", None, " \n", *TEXTS[10:]]
    if name == "x.csv":
        write_csv(tmp_path / name, [["text", "label"], *([row, 1] for row in rows)])
    elif name == "x.jsonl":
        (tmp_path / name).write_text("".join(json.dumps({"text": row}) + "\n" for row in [*rows, 5, ["a list"]]))
    else:
        pyarrow.parquet.write_table(pa.table({"text": rows}), tmp_path / name)
    assert read(tmp_path / name) == TEXTS
    missing, all_rows = (5, 25) if name == "x.jsonl" else (3, 23)
    expected = f"Reviews: {missing} of the {all_rows} rows of train have no text and were left out."
    assert read_reviews(str(tmp_path / name), 0).remarks == [expected]


@pytest.mark.parametrize(("heads", "column", "index"), [
    (["review", "sentiment"], "auto", 0),  # the CSV of IMDB that everybody has
    (["review", "text"], "auto", 1),
    (["id", "comment"], "auto", 1),
    (["title", "comment"], "comment", 1),
    (["text", "comment"], "comment", 1),
])  # fmt: skip
def test_the_column_is_the_one_asked_for_else_the_one_that_is_plainly_meant(
    tmp_path: Path, heads: list[str], column: str, index: int
) -> None:
    other = {"sentiment": "positive", "review": "a review", "title": "a title", "text": "a text"}
    cells = [[text if i == index else other.get(head, str(number)) for i, head in enumerate(heads)] for number, text in enumerate(TEXTS)]
    write_csv(tmp_path / "x.csv", [heads, *cells])
    assert read(tmp_path / "x.csv", column) == TEXTS


@pytest.mark.parametrize(("column", "cause"), [
    ("auto", "x.csv has no column text or review, and 2 columns of text: name one in text_column; its columns are: title, comment"),
    ("texts", "x.csv has no column texts (text_column); its columns are: title, comment"),
])  # fmt: skip
def test_a_column_that_is_not_there_or_not_plain_is_refused_with_those_there_are(tmp_path: Path, column: str, cause: str) -> None:
    write_csv(tmp_path / "x.csv", [["title", "comment"], *(["A film", text] for text in TEXTS)])
    assert cause in refusal(tmp_path / "x.csv", column)


# What is wrong with a file


@pytest.mark.parametrize(("name", "content", "cause"), [
    ("x.csv", "text\nfine\nÉté\n".encode("latin-1"), "x.csv is not UTF-8 (byte 0xc9 in line 3; Latin-1, perhaps): save it as UTF-8"),
    ("x.csv", "text\nfine\n".encode("utf-16"), "x.csv is UTF-16, not UTF-8"),
    ("x.csv", b"text,label\nfine, this is a long one,1\n", "x.csv has 3 cells in line 2 and 2 heads: put texts with commas into quotes"),
    ("x.csv", b'text,label\n"never closed,1\n', "x.csv is damaged near line 2 (unexpected end of data)"),
    ("x.json", b'[{"text": "fine"}', "x.json is damaged: it is no JSON"),
    ("x.jsonl", b'{"text": "fine"}\n{"text"', "x.jsonl is damaged: it is no JSON"),
    ("x.parquet", b"PAR1 and no more", "x.parquet is damaged"),
    ("x.csv.gz", b"no gzip", "x.csv.gz is damaged"),
    ("x.csv", b"", "its columns are: none"),
])  # fmt: skip
def test_the_true_cause_is_said(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert cause in message and ("is damaged" in message) == ("is damaged" in cause)


# Bounds


def test_data_files_over_the_limit_are_refused_unread_with_their_size(tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("wb") as file:
        file.truncate(3_000_000)
    token = _watch.set(Watch(limit_mb=2))
    try:
        assert "its data files take 3 MB, and size_limit_mb allows 2" in refusal(tmp_path / "x.csv")
    finally:
        _watch.reset(token)


def test_a_home_folder_is_given_up_after_so_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 30)
    for i in range(8):
        (tmp_path / f"folder-{i}" / "deeper").mkdir(parents=True)
        (tmp_path / f"folder-{i}" / "notes.csv").write_text("text\nhello\n")
    seen: list[object] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *given: (seen.append(one) or one for one in walk(*given)))
    (tmp_path / "many").mkdir()
    for i in range(40):
        (tmp_path / "many" / f"{i}.bin").touch()
    assert "more than 30 files and folders in it" in refusal(tmp_path)
    assert len(seen) < 20


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert "x.csv is no plain file" in refusal(tmp_path)


def test_code_that_lies_in_a_data_sets_folder_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    code = f"open({str(tmp_path / 'marker')!r}, 'w')\n"
    for name in ("reviews.py", "dataset.py", "__init__.py", "conftest.py"):
        (folder / name).write_text(code)
    write_csv(folder / "train.csv", [["text"], *([text] for text in TEXTS)])
    assert read(folder) == TEXTS
    assert not (tmp_path / "marker").exists()
