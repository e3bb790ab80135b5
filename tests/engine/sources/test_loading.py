"""Loading says what it does, has limits, and never keeps a run from ending, whatever it waits for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ppo_engine import Config, session
from ppo_engine.__main__ import main
from ppo_engine.charts.timeline import timeline_entries
from ppo_engine.sources.locate import LOADER, locate
from ppo_engine.training import trainer
from tests.engine.checkpoints import reviews
from tests.engine.hub import Hub, serving
from tests.engine.runs import PATIENCE_S, Run

NAMES = {"model_name": "policy", "reward_model": "classifier", "query_dataset": "reviews"}


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Hub], None]:
    """Sends what asks the Hub to that server, with an empty cache."""

    def go_online(hub: Hub) -> None:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        for name, value in {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "cache"),
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)

    return go_online


@pytest.fixture
def repositories(world: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "hub"
    for name in ("policy", "classifier"):
        shutil.copytree(world / name, folder / "models" / "someone" / name)
    shutil.copytree(world / "reviews", folder / "datasets" / "someone" / "reviews")
    return folder


def downloads() -> list[psutil.Process]:
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "download_process.py" in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    ("field", "file"), [("model_name", "model.safetensors"), ("query_dataset", "train.parquet")]
)
def test_a_download_that_hangs_does_not_keep_a_run_from_stopping(
    begin: Callable[..., Run], repositories: Path, online: Callable[[Hub], None], field: str, file: str
) -> None:
    with serving(repositories, hangs_at=file) as hub:
        online(hub)
        run = begin(**{field: f"someone/{NAMES[field]}"})
        run.thread.start()
        assert hub.hanging.wait(PATIENCE_S)
        assert f"someone/{NAMES[field]}" in run.reader.info().stage
        run.tell("stop")
        assert run.join() == "stopped", "while the server still hangs"
    for thread in [one for one in threading.enumerate() if one.name == LOADER]:
        thread.join(PATIENCE_S)
    assert not downloads()


def test_what_is_too_large_is_not_downloaded(
    begin: Callable[..., Run], repositories: Path, online: Callable[[Hub], None]
) -> None:
    (repositories / "datasets" / "someone" / "reviews" / "train.csv").write_bytes(
        b"text\n" + b"a" * 3_000_000
    )
    with serving(repositories) as hub:
        online(hub)
        run = begin(query_dataset="someone/reviews", size_limit_mb=2)
        run.thread.start()
        assert run.join() == "failed"
        assert "it is 3 MB, above size_limit_mb = 2" in run.reader.info().error
        assert not [request for request in hub.requests if "/resolve/" in request]


@pytest.mark.parametrize(("names", "expected"), [
    (("reviews.csv", "LICENSE.txt", "notes.txt"), ["reviews.csv"]),
    (("reviews.txt", "dataset_infos.json"), ["reviews.txt"]),
])  # fmt: skip
def test_plain_text_is_downloaded_only_where_nothing_else_is_there(
    tmp_path: Path,
    online: Callable[[Hub], None],
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    expected: list[str],
) -> None:
    (tmp_path / "hub" / "datasets" / "someone" / "texts").mkdir(parents=True)
    for name in names:
        (tmp_path / "hub" / "datasets" / "someone" / "texts" / name).write_text("text\nfine\n")
    with serving(tmp_path / "hub") as hub:
        online(hub)
        folder = Path(locate("query_dataset", "someone/texts"))
    assert sorted(path.name for path in folder.iterdir()) == expected
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Path(locate("query_dataset", "someone/texts")) == folder


def test_an_adapter_on_the_hub_is_called_one_before_anything_is_downloaded(
    begin: Callable[..., Run], repositories: Path, online: Callable[[Hub], None]
) -> None:
    policy = repositories / "models" / "someone" / "policy"
    (policy / "config.json").rename(policy / "adapter_config.json")
    with serving(repositories) as hub:
        online(hub)
        run = begin(model_name="someone/policy")
        run.thread.start()
        assert run.join() == "failed"
        assert "it is a PEFT adapter" in run.reader.info().error
        assert not [request for request in hub.requests if "/resolve/" in request]


def test_a_load_that_never_returns_does_not_keep_a_run_from_stopping(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer holds the thread that asked it, and that one alone."""
    begun, let_go = threading.Event(), threading.Event()

    def stuck(*_: object) -> None:
        begun.set()
        let_go.wait(PATIENCE_S)

    monkeypatch.setattr(trainer, "load_reward", stuck)
    run = begin()
    run.thread.start()
    assert begun.wait(PATIENCE_S) and run.reader.info().stage == "loading classifier"
    run.tell("stop")
    assert run.join() == "stopped" and not let_go.is_set()
    let_go.set()


@pytest.fixture
def with_gaps(tmp_path: Path) -> Path:
    rows = "".join(f'"{text}"\n' for text in [*reviews("train", 20), "", ""])
    (tmp_path / "reviews.csv").write_text("review\n" + rows)
    return tmp_path / "reviews.csv"


REMARK = "Reviews: 2 of 22 train rows have no text and were skipped."


def test_remarks_on_the_data_are_journalled_once(begin: Callable[..., Run], with_gaps: Path) -> None:
    run = begin(query_dataset=str(with_gaps), steps=4)
    run.hold_at(1)
    run.tell("stop")
    run.let_go()
    run.join()
    again = begin(lambda seen: session.reopen(run.folder, seen))
    again.thread.start()
    assert again.join() == "finished"
    told = [one for one in timeline_entries(run.reader.events()) if one.kind == "remark"]
    assert [one.text for one in told] == [REMARK]
    assert told[0].word == ""


def test_the_command_line_prints_them(
    tiny: Callable[..., Config], with_gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = tiny(steps=1, query_dataset=str(with_gaps)).changes_from("tiny-reviews")
    arguments = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    assert main(["train", *arguments, "--runs", str(tmp_path / "runs")]) == 0
    assert f"ppo_engine: {REMARK}" in capsys.readouterr().err


def test_a_notebook_reads_them_of_the_trainer(tiny: Callable[..., Config], with_gaps: Path) -> None:
    made = trainer.Trainer(tiny(query_dataset=str(with_gaps)))
    made.load()
    assert made.remarks == [REMARK]
