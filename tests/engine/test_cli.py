"""The command line, as real processes: what it prints, what it leaves, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ppo_engine import METRICS, Config, RunReader
from ppo_engine.__main__ import main
from ppo_engine.store import list_runs

ROOT = Path(__file__).parents[2]


def ppo(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ppo_engine", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def settings(tiny: Callable[..., Config]) -> list[str]:
    """`--set` for the tiny world."""
    changes = tiny(steps=3).changes_from("tiny-reviews")
    return [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def trained(
    settings: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    runs = tmp_path_factory.mktemp("runs")
    done = ppo("train", *settings, "--runs", str(runs))
    return done, Path(done.stdout.strip().splitlines()[-1])


def test_train_prints_the_folder_last_and_shows_score_and_kl(
    trained: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = trained
    assert done.returncode == 0, done.stderr
    assert RunReader(folder).info().state == "finished"
    assert "3/3" in done.stderr and "score=" in done.stderr and "KL=" in done.stderr
    assert "Loading weights" not in done.stderr


def test_metrics_have_a_row_a_step_and_a_column_a_metric(
    trained: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    printed = ppo("export", str(trained[1]), "--what", "metrics", "--format", "csv", "-o", "-").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert printed.startswith("step,")
    assert [row["step"] for row in rows] == ["0", "1", "2", "3"]
    assert set(METRICS) <= set(rows[0])
    assert (
        rows[0]["env/reward_mean"] == ""
        and rows[0]["eval/reward_mean"] != ""
        and rows[3]["env/reward_mean"] != ""
    )
    stored = RunReader(trained[1]).steps()[2].metrics["objective/kl"]
    assert float(rows[2]["objective/kl"]) == stored


@pytest.mark.parametrize("what", ["metrics", "samples", "tokens", "config"])
def test_every_format_says_the_same(
    trained: tuple[subprocess.CompletedProcess[str], Path], what: str, tmp_path: Path
) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        assert (
            main(
                [
                    "export",
                    str(trained[1]),
                    "--what",
                    what,
                    "--format",
                    suffix,
                    "-o",
                    str(tmp_path / f"x.{suffix}"),
                ]
            )
            == 0
        )
    parquet = pd.read_parquet(tmp_path / "x.parquet")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().strip().split("\n")]
    table = pd.read_csv(tmp_path / "x.csv", keep_default_na=False)
    assert len(parquet) == len(lines) == len(table) > 0
    assert list(parquet.columns) == list(table.columns) == list(lines[0])
    if what == "tokens":
        assert list(parquet["ratio"][0]) == pytest.approx(json.loads(table["ratio"][0]))
        assert list(parquet["ratio"][0]) == pytest.approx(lines[0]["ratio"])
    if what == "samples":
        assert list(parquet["response"]) == [line["response"] for line in lines]


def test_a_pipe_closed_early_is_no_failure(trained: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    command = f"{sys.executable} -m ppo_engine export {trained[1]} --what tokens | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("step,sample") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge-reviews"], "preset = huge-reviews: must be one of tiny-reviews, gpt2-imdb"),
        (["--set", "lam=1.5"], "lam = 1.5: must be a number from 0 to 1"),
        (["--set", "batch_size=-4"], "batch_size = -4: must be a whole number from 1"),
        (["--set", "batch_size=0"], "batch_size = 0: must be a whole number from 1"),
        (["--set", "learning_rate=nan"], "learning_rate = nan: must be a number above 0"),
        (["--set", "mini_batch_size=600"], "mini_batch_size = 600: must be at most batch_size"),
        (["--set", "steps"], "--set steps: must be NAME=VALUE"),
        (["--set", "stepz=4"], "did you mean steps?"),
        (["--set", "device=tpu"], "device = tpu: must be one of auto, cpu, cuda, mps"),
    ],
)
def test_bad_input_returns_2_and_says_what_is_allowed(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments, "--runs", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lam=1.5", "lam = 1.5: must be a number from 0 to 1"),
        ("model_name=/no/such/folder", "model_name = /no/such/folder: no such folder"),
    ],
)
def test_bad_input_exits_2_without_a_traceback(setting: str, message: str, tmp_path: Path) -> None:
    done = ppo("train", "--set", setting, "--runs", str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_runs_folder_that_cannot_be_written_exits_1(settings: list[str], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = ppo("train", *settings, "--runs", str(tmp_path / "taken"))
    assert done.returncode == 1 and "choose another runs folder" in done.stderr


def test_exporting_what_is_no_run_exits_2_and_says_so(tmp_path: Path) -> None:
    done = ppo("export", str(tmp_path))
    assert done.returncode == 2 and "not a run folder" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_fails_the_run_and_keeps_what_was_stored(
    settings: list[str], tmp_path: Path
) -> None:
    """A real file system of 1 MB."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = ppo(
            "train",
            *settings,
            "--set",
            "steps=5000",
            "--set",
            "batch_size=256",
            "--set",
            "mini_batch_size=256",
            "--runs",
            str(tmp_path),
        )
        assert (
            done.returncode == 1 and "free some disk space" in done.stderr and "Traceback" not in done.stderr
        )
        info = RunReader(list_runs(tmp_path)[0]).info()
        assert info.state == "failed" and "full" in info.error and info.last_step > 0
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
