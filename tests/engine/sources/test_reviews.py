"""Texts out of data files: every format and layout, the column that is meant, what is left out and said, what
is refused and why.
"""

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

from ppo_engine.errors import SourceError
from ppo_engine.sources import reviews as module
from ppo_engine.sources.locate import Watch, _watch
from ppo_engine.training.prompts import read_reviews
from tests.engine.checkpoints import reviews

TEXTS = reviews("train", 20)


def write_csv(path: Path, rows: list[list[object]], comma: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=comma).writerows(rows)


WRITERS: dict[str, Callable[[Path], object]] = {
    "x.csv": lambda path: write_csv(path, [["text", "label"], *([text, 1] for text in TEXTS)]),
    "semicolons.csv": lambda path: write_csv(path, [["label", "text"], *([1, text] for text in TEXTS)], ";"),
    "x.tsv": lambda path: write_csv(path, [["text", "label"], *([text, 1] for text in TEXTS)], "\t"),
    "x.csv.gz": lambda path: path.write_bytes(
        gzip.compress(b"text\n" + b"".join(f'"{text}"\n'.encode() for text in TEXTS))
    ),
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
    return [
        found.held_out[i // 10] if i % 10 == 0 else next(train)
        for i in range(len(found.train) + len(found.held_out))
    ]


def refusal(place: Path, column: str = "auto") -> str:
    with pytest.raises(SourceError) as caught:
        read_reviews(str(place), 0, column)
    assert str(caught.value).startswith(f"query_dataset = {place}: ")
    return str(caught.value)


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_a_data_file_of_each_kind_is_read_by_itself_and_in_a_folder(
    tmp_path: Path, name: str, as_folder: bool
) -> None:
    WRITERS[name](tmp_path / name)
    assert read(tmp_path if as_folder else tmp_path / name) == TEXTS


def test_what_save_to_disk_writes_is_read(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": [0] * 20})
    rows.select(range(19, -1, -1)).save_to_disk(tmp_path / "one")
    assert read(tmp_path / "one") == TEXTS[::-1]
    datasets.DatasetDict(train=rows.select(range(12)), test=rows.select(range(12, 20))).save_to_disk(
        tmp_path / "splits"
    )
    found = read_reviews(str(tmp_path / "splits"), 0)
    assert (found.train, found.held_out) == (TEXTS[:12], TEXTS[12:])


@pytest.mark.parametrize("layout", [
    ("train.csv", "test.csv"), ("data/train-00000-of-00001.csv", "data/test-00000-of-00001.csv"),
    ("train/0.csv", "test/0.csv"),
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
    (tmp_path / "README.md").write_text(
        f"---\nconfigs:\n- config_name: plain\n  data_files:\n{splits}\n---\n# Reviews\n"
    )
    found = read_reviews(str(tmp_path), 0)
    assert (found.train, found.held_out) == (TEXTS[:12], TEXTS[12:])
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- {config_name: one, data_files: a.csv}\n- {config_name: two, data_files: "
        "b.csv}\n---\n"
    )
    assert "several configurations (one, two)" in refusal(tmp_path)


# Rows without a text, and columns


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_rows_without_a_text_are_left_out_and_counted(tmp_path: Path, name: str) -> None:
    rows: list[object] = [*TEXTS[:10], "", None, " \n", *TEXTS[10:]]
    if name == "x.csv":
        write_csv(tmp_path / name, [["text", "label"], *([row, 1] for row in rows)])
    elif name == "x.jsonl":
        (tmp_path / name).write_text(
            "".join(json.dumps({"text": row}) + "\n" for row in [*rows, 5, ["a list"]])
        )
    else:
        pyarrow.parquet.write_table(pa.table({"text": rows}), tmp_path / name)
    assert read(tmp_path / name) == TEXTS
    missing, all_rows = (5, 25) if name == "x.jsonl" else (3, 23)
    expected = f"Reviews: {missing} of {all_rows} train rows have no text and were skipped."
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
    cells = [
        [text if i == index else other.get(head, str(number)) for i, head in enumerate(heads)]
        for number, text in enumerate(TEXTS)
    ]
    write_csv(tmp_path / "x.csv", [heads, *cells])
    assert read(tmp_path / "x.csv", column) == TEXTS


@pytest.mark.parametrize(("column", "cause"), [
    ("auto", "x.csv has no column text or review, "
     "and 2 columns of text; set text_column to one of: title, comment"),
    ("texts", "x.csv has no column texts; set text_column to one of: title, comment"),
])  # fmt: skip
def test_a_column_that_is_not_there_or_not_plain_is_refused_with_those_there_are(
    tmp_path: Path, column: str, cause: str
) -> None:
    write_csv(tmp_path / "x.csv", [["title", "comment"], *(["A film", text] for text in TEXTS)])
    assert cause in refusal(tmp_path / "x.csv", column)


# What is wrong with a file


@pytest.mark.parametrize(("name", "content", "cause"), [
    ("x.csv", "text\nfine\nÉté\n".encode("latin-1"), "x.csv is not UTF-8 (byte 0xc9 in line 3; perhaps "
     "Latin-1); convert it"),
    ("x.csv", "text\nfine\n".encode("utf-16"), "x.csv is UTF-16, not UTF-8"),
    ("x.csv", b"text,label\nfine, this is a long one,1\n",
    "x.csv has 3 cells in line 2 but 2 columns; quote texts that contain commas"),
    ("x.csv", b'text,label\n"never closed,1\n', "x.csv is damaged near line 2 (unexpected end of data)"),
    ("x.json", b'[{"text": "fine"}', "x.json is damaged: invalid JSON"),
    ("x.jsonl", b'{"text": "fine"}\n{"text"', "x.jsonl is damaged: invalid JSON"),
    ("x.parquet", b"PAR1 and no more", "x.parquet is damaged"),
    ("x.csv.gz", b"no gzip", "x.csv.gz is damaged"),
    ("x.csv", b"", "set text_column to one of: none"),
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
        assert "its data files total 3 MB, above size_limit_mb = 2" in refusal(tmp_path / "x.csv")
    finally:
        _watch.reset(token)


def test_a_home_folder_is_given_up_after_so_many_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert "more than 30 files and subfolders" in refusal(tmp_path)
    assert len(seen) < 20


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert "x.csv is not a regular file" in refusal(tmp_path)


def test_code_that_lies_in_a_data_sets_folder_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    code = f"open({str(tmp_path / 'marker')!r}, 'w')\n"
    for name in ("reviews.py", "dataset.py", "__init__.py", "conftest.py"):
        (folder / name).write_text(code)
    write_csv(folder / "train.csv", [["text"], *([text] for text in TEXTS)])
    assert read(folder) == TEXTS
    assert not (tmp_path / "marker").exists()


# Which files of a folder are read, and what is said of the others


def write(folder: Path, *names: str) -> None:
    """Each file's texts name the file, but those of `train.csv` and `reviews.csv`, which are the reviews."""
    for name in names:
        texts = (
            TEXTS
            if Path(name).name.removesuffix(".gz") in ("reviews.csv", "train.csv")
            else [f"{name} {i}" for i in range(30)]
        )
        if name.endswith(".txt"):
            (folder / name).write_text("\n".join(texts))
        elif name.endswith(".json"):
            (folder / name).write_text(json.dumps([{"text": text} for text in texts]))
        else:
            write_csv(folder / name.removesuffix(".gz"), [["text"], *([text] for text in texts)])
            if name.endswith(".gz"):
                (folder / name).write_bytes(gzip.compress((folder / name.removesuffix(".gz")).read_bytes()))


@pytest.mark.parametrize(("names", "left_out"), [
    (["reviews.csv", "LICENSE.txt"], ""),
    (["reviews.csv", "one.txt", "two.txt"], "one.txt, two.txt"),
    (["train.csv", "labels.json"], "labels.json"),
    (["train.csv", "train.csv.gz"], "train.csv.gz"),
    (["train.csv", "extra.csv"], "extra.csv"),
])  # fmt: skip
def test_of_several_forms_the_reviews_are_read_and_what_is_left_out_is_named(
    tmp_path: Path, names: list[str], left_out: str
) -> None:
    write(tmp_path, *names)
    assert read(tmp_path) == TEXTS
    expected = [f"Reviews: Data files not used: {left_out}."] if left_out else []
    assert read_reviews(str(tmp_path), 0).remarks == expected


def test_papers_about_the_data_are_never_the_data(tmp_path: Path) -> None:
    papers = (
        "LICENSE.txt",
        "README.txt",
        "NOTICE.txt",
        "requirements.txt",
        "requirements-dev.txt",
        "CHANGELOG.txt",
    )
    write(tmp_path, *papers)
    assert "the folder has no data files" in refusal(tmp_path)
    (tmp_path / "reviews.txt").write_text("\n".join(TEXTS))
    assert read(tmp_path) == TEXTS and read_reviews(str(tmp_path), 0).remarks == []


def test_a_file_whose_name_says_no_split_is_the_train_split_beside_a_test_split(tmp_path: Path) -> None:
    write(tmp_path, "reviews.csv", "test.csv")
    assert read_reviews(str(tmp_path), 0).train == TEXTS


# Cards


@pytest.mark.parametrize(("configs", "cause"), [
    ("- data_files:\n  - {split: train}",
    "in its card (README.md), each of data_files needs a `split` and a `path`"),
    ("- data_files:\n  - {path: train.csv}",
    "in its card (README.md), each of data_files needs a `split` and a `path`"),
    ("- data_files: {train: train.csv}",
    "in its card (README.md), each of data_files needs a `split` and a `path`"),
    ("- data_dir: 5", "in its card (README.md), data_dir = 5 is not a folder name"),
    ("  5", "in its card (README.md), configs is not a list"),
    ("- data_files: gone/*.csv", "its card (README.md) lists gone/*.csv for the split train, "
     "but no data file matches"),
])  # fmt: skip
def test_a_card_that_cannot_be_followed_is_said_to_be_so(tmp_path: Path, configs: str, cause: str) -> None:
    write(tmp_path, "train.csv")
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}\n---\n")
    assert cause in refusal(tmp_path)


def test_a_test_split_of_the_card_that_is_not_there_is_remarked_on(tmp_path: Path) -> None:
    write(tmp_path, "train.csv")
    splits = "  - {split: train, path: '**/train*'}\n  - {split: test, path: ./test.csv}"
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- data_files:\n{splits}\n---\n")
    assert read(tmp_path) == TEXTS
    expected = "Reviews: Its card (README.md) lists test.csv for the split test, but no data file matches."
    assert read_reviews(str(tmp_path), 0).remarks == [expected]


# Shapes of tables


@pytest.mark.parametrize("comma", ["\t", "|", ";"])
def test_what_separates_the_cells_of_a_csv_is_seen_in_its_heads(tmp_path: Path, comma: str) -> None:
    write_csv(tmp_path / "x.csv", [["label", "text"], *([1, text] for text in TEXTS)], comma)
    assert read(tmp_path / "x.csv") == TEXTS
    write_csv(tmp_path / "x.csv", [["text, of it", "label"], *([text, 1] for text in TEXTS)], comma)
    (tmp_path / "x.csv").write_text(
        (tmp_path / "x.csv").read_text().replace("text, of it", '"text, of it"', 1)
    )
    assert read(tmp_path / "x.csv") == TEXTS


def test_blank_rows_before_the_heads_are_passed_over(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [[], ["", ""], ["text", "label"], *([text, 1] for text in TEXTS)])
    assert read(tmp_path / "x.csv") == TEXTS


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, name: str) -> None:
    if name == "x.csv":
        write_csv(tmp_path / name, [["text", "text"], *([text, "other"] for text in TEXTS)])
    else:
        pyarrow.parquet.write_table(
            pa.Table.from_arrays([pa.array(TEXTS)] * 2, ["text", "text"]), tmp_path / name
        )
    assert f"{name} has several columns named text; rename all but one" in refusal(tmp_path / name)


def test_a_first_row_that_is_taken_for_heads_is_said_to_be(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [[text] for text in TEXTS])
    assert read(tmp_path / "x.csv") == TEXTS[1:]
    (remark,) = read_reviews(str(tmp_path / "x.csv"), 0).remarks
    assert remark.startswith(f"Reviews: The first row of x.csv was read as column names: {TEXTS[0][:20]}")


def test_quotes_that_are_not_closed_swallow_no_rows_of_a_tsv(tmp_path: Path) -> None:
    texts = ['" a fine film', "an actor's \"actor", *TEXTS, 'and it ends so "']
    (tmp_path / "x.tsv").write_text("sentence\tlabel\n" + "".join(f"{text}\t1\n" for text in texts))
    assert read(tmp_path / "x.tsv") == texts
    quoted = ['He said "fine"', "two\nlines", *TEXTS]
    write_csv(tmp_path / "x.tsv", [["text", "label"], *([text, 1] for text in quoted)], "\t")
    assert read(tmp_path / "x.tsv") == quoted


def test_lists_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"text": TEXTS[:12], "label": [0, 1, 0]}))
    message = refusal(tmp_path / "x.json")
    assert "x.json has columns of unequal length (text 12, label 3)" in message and "damaged" not in message


@pytest.mark.parametrize(("name", "content"), [
    ("x.json", json.dumps(TEXTS)), ("x.jsonl", "\n".join(map(json.dumps, TEXTS))), ("x.json",
    "\n".join(map(json.dumps, TEXTS))),
    ("x.jsonl", json.dumps([{"text": text} for text in TEXTS], indent=1)), ("x.jsonl", json.dumps(TEXTS)),
])  # fmt: skip
def test_texts_alone_and_lists_in_json_lines_are_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read(tmp_path / name) == TEXTS


def test_an_arrow_file_is_read_as_a_stream_is(tmp_path: Path) -> None:
    table = pa.table({"text": TEXTS})
    for opened in (pa.ipc.new_file, pa.ipc.new_stream):
        with opened(tmp_path / "x.arrow", table.schema) as writer:
            writer.write_table(table)
        assert read(tmp_path / "x.arrow") == TEXTS


# Columns without words


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
@pytest.mark.parametrize(("column", "cause"), [
    ("label", "its column label contains numbers, not text"), ("nothing", "its column nothing is empty"),
])  # fmt: skip
def test_a_column_without_words_is_refused(tmp_path: Path, name: str, column: str, cause: str) -> None:
    rows = [{"text": text, "label": i % 2, "nothing": None} for i, text in enumerate(TEXTS)]
    if name == "x.csv":
        write_csv(tmp_path / name, [list(rows[0]), *(list(row.values()) for row in rows)])
    elif name == "x.jsonl":
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    assert cause in refusal(tmp_path / name, column)


def test_lists_are_no_texts(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"text": text.split()}) + "\n" for text in TEXTS))
    assert "its column text contains lists, not text" in refusal(tmp_path / "x.jsonl", "text")


# Other formats


@pytest.mark.parametrize(("name", "content", "cause"), [
    ("x.csv", b"PK\x03\x04" + bytes(40), "x.csv is a ZIP archive or an Excel workbook"),
    ("x.xlsx", b"PK\x03\x04" + bytes(40), "x.xlsx is a ZIP archive or an Excel workbook"),
    ("x.csv", gzip.compress(b"text\nfine\n", mtime=0), "x.csv is compressed with gzip"),
    ("x.feather", b"ARROW1\0\0" + bytes(40),
    "x.feather is an Arrow or Feather file; rename it to end in .arrow"),
    ("x.csv", b"PAR1" + bytes(40), "x.csv is a Parquet file; rename it to end in .parquet"),
    ("x.parquet.gz", gzip.compress(b"PAR1", mtime=0), "x.parquet.gz is compressed with gzip; unpack it"),
    ("x.pdf", b"%PDF-1.7", "x.pdf has an unsupported format; supported: .parquet, .arrow, .csv"),
])  # fmt: skip
def test_a_file_of_another_format_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, cause: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert cause in refusal(tmp_path / name)
