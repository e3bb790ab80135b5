"""What a run was trained on is recorded; with other models or data it goes on only if somebody says so, and
its journal tells.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from safetensors.torch import load_file, save_file

from ppo_engine import Config, RunReader, session
from ppo_engine.__main__ import main
from ppo_engine.charts.timeline import timeline_entries
from ppo_engine.errors import ChangedSourcesError, ConfigError, StoreError
from ppo_engine.export.policy import export_policy
from ppo_engine.session.replay import replay
from ppo_engine.store import DATABASE
from ppo_engine.store.checkpoint_files import path_of
from ppo_engine.store.checks import seal_step
from tests.engine.checkpoints import reviews

KEYS = {
    f"{name}.{part}"
    for name in ("policy", "classifier")
    for part in ("weights", "configuration", "tokenizer")
} | {"reviews.texts"}


@pytest.fixture(scope="module")
def home(world: Path, tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of its own, and in `run` a run in it that stopped after 2 of 3 steps."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(world, folder / "world")
    sources = {name: str(folder / "world" / what) for name, what in SOURCES.items()}
    made, owner = session.create(
        tiny(steps=3, checkpoint_every=1, **sources),
        "tiny-reviews",
        folder / "runs",
        lambda record: record.step == 2 and owner.quit(60),
    )
    owner.run()
    assert owner.state == "stopped"
    shutil.move(made, folder / "run")
    with closing(sqlite3.connect(folder / "run" / DATABASE)) as connection, connection:
        connection.execute("update run set id = 'run', digest = ''")
    return folder


SOURCES = {"model_name": "policy", "reward_model": "classifier", "query_dataset": "reviews"}


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    """That run, to do with as one likes."""
    shutil.copytree(home / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def sources(home: Path, tmp_path: Path) -> Path:
    """What the run was trained on; put back after the test."""
    shutil.copytree(home / "world", tmp_path / "before")
    yield home / "world"
    shutil.rmtree(home / "world")
    shutil.copytree(tmp_path / "before", home / "world")


def scale_weights(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor * 1.05 for name, tensor in tensors.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_rows(folder: Path) -> None:
    texts = reviews("train", 60)
    pyarrow.parquet.write_table(
        pa.table({"text": [*texts[:30], texts[30] + " Indeed.", *texts[31:]]}), folder / "train.parquet"
    )


def lose_newest_checkpoint(run: Path) -> None:
    """As a kill leaves it that comes before the checkpoint."""
    shutil.rmtree(path_of(run, RunReader(run).info().last_step))


@pytest.mark.parametrize("attended", [False, True])
def test_accepted_changes_go_on_though_steps_taken_again_come_out_otherwise(
    run: Path, sources: Path, attended: bool
) -> None:
    """Paused, a run of the command line would wait for ever: nobody can resume it."""
    lose_newest_checkpoint(run)
    scale_weights(sources / "classifier")
    _, owner = session.reopen(run, attended=attended, accept_changed=True)
    thread = threading.Thread(target=owner.run, daemon=True)
    thread.start()
    thread.join(60)
    assert owner.state == "finished"
    assert "difference" in {event.kind for event in RunReader(run).events()}


def test_steps_that_the_record_has_lost_are_taken_anew(run: Path, sources: Path) -> None:
    """As a copy without the newest part of the store: its checkpoints are ahead of it. Once it went on with a
    hole.
    """
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        for table in ("steps", "samples", "token_blocks", "digests"):
            connection.execute(
                f"delete from {table} where step = 2"
                + (" and part != 'events'" if table == "digests" else "")
            )
    _, owner = session.reopen(run)
    owner.run()
    assert owner.state == "finished" and [row.step for row in RunReader(run).steps()] == [0, 1, 2, 3]
    assert any(
        "part of the run's files was lost" in event.payload.get("message", "")
        for event in RunReader(run).events()
    )
    assert (run / "checkpoints" / "lost-step-000002").is_dir() and replay(run) == ""


def test_a_replay_that_comes_to_a_hole_is_not_identical(run: Path, sources: Path) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        connection.execute("delete from steps where step = 1")
    assert replay(run) == "step 1: missing from the record, which continues to step 2"
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        connection.execute("delete from steps")
    with pytest.raises(ConfigError, match="there is nothing to replay"):
        replay(run)


def test_of_a_record_by_earlier_definitions_scores_and_kl_are_compared(run: Path, sources: Path) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        versions = json.loads(connection.execute("select versions from run").fetchone()[0])
        del versions["metrics"]
        connection.execute("update run set versions = ?, digest = ''", (json.dumps(versions),))
        connection.execute(
            "update steps set metrics = json_set(metrics, '$.\"ppo/val/var_explained\"', 0.5) where step = 2"
        )
        seal_step(connection, 2)
    remarks: list[str] = []
    assert replay(run, on_remark=remarks.append) == "" and any(
        "by score and KL only" in one for one in remarks
    )
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        connection.execute(
            "update steps set metrics = json_set(metrics, '$.\"objective/kl\"', 0.5) where step = 2"
        )
        seal_step(connection, 2)
    assert replay(run).startswith("step 2: objective/kl was 0.5")


CHANGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "ends of text": (
        lambda at: change_json(at / "policy" / "generation_config.json", eos_token_id=[0, 5, 9]),
        "policy",
        "its configuration",
    ),
    "policy weights": (
        lambda at: scale_weights(at / "policy"),
        "policy",
        "its weights changed since the run began",
    ),
    "policy configuration": (
        lambda at: change_json(at / "policy" / "config.json", layer_norm_epsilon=0.1),
        "policy",
        "its configuration changed since the run began",
    ),
    "classifier weights": (
        lambda at: scale_weights(at / "classifier"),
        "classifier",
        "its weights changed",
    ),
    "classifier tokenizer": (
        lambda at: change_json(at / "classifier" / "tokenizer_config.json", model_max_length=20),
        "classifier",
        "its tokenizer changed",
    ),
    "reviews": (lambda at: change_rows(at / "reviews"), "reviews", "its texts changed"),
}


def resumed(run: Path, **options: bool) -> session.RunOwner:
    _, owner = session.reopen(run, **options)
    owner.run()
    return owner


def test_a_run_records_what_it_is_trained_on_and_with(run: Path) -> None:
    info = RunReader(run).info()
    # one tokenizer for both models
    assert set(info.fingerprints) == KEYS and len(set(info.fingerprints.values())) == len(KEYS) - 1
    assert (
        info.threads == 1
        and info.machine["threads"] == "1"
        and {"torch", "cpu", "device"} < set(info.machine)
    )
    assert RunReader(run).changed_sources() == {}


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_goes_on_with_other_sources_only_when_that_is_accepted(
    run: Path, sources: Path, what: str
) -> None:
    change, name, words = CHANGES[what]
    change(sources)
    reader, before = RunReader(run), RunReader(run).steps()
    owner = resumed(run)
    assert owner.state == "failed" and owner.failure is ChangedSourcesError
    assert f"{name}: {words}" in reader.info().error and "accept" in reader.info().error
    assert list(reader.changed_sources()) == [name] and words in reader.changed_sources()[name]
    assert reader.steps() == before
    with pytest.raises(ChangedSourcesError, match=f"{name}: {words}"):
        replay(run)

    assert resumed(run, accept_changed=True).state == "finished"
    assert reader.changed_sources() == {} and reader.info().last_step == 3
    (told,) = [one for one in timeline_entries(reader.events()) if one.kind == "accepted"]
    assert (told.word, told.step) == ("accepted", 2) and f"{name}: {words}" in told.text
    assert set(
        reader.fingerprints()
    ) == KEYS and reader.fingerprints() != reader.info().fingerprints == reader.fingerprints(after=1)


def test_what_was_put_back_needs_no_leave(run: Path, sources: Path, tmp_path: Path) -> None:
    scale_weights(sources / "policy")
    assert resumed(run).state == "failed"
    shutil.copyfile(
        tmp_path / "before" / "policy" / "model.safetensors", sources / "policy" / "model.safetensors"
    )
    assert resumed(run).state == "finished" and RunReader(run).changed_sources() == {}
    assert replay(run) == ""


def test_the_same_weights_in_another_file_are_the_same(run: Path, sources: Path) -> None:
    tensors = load_file(sources / "policy" / "model.safetensors")
    save_file(
        dict(reversed(tensors.items())),
        sources / "policy" / "model.safetensors",
        {"format": "pt", "note": "written anew"},
    )
    assert resumed(run).state == "finished"


def test_a_branch_is_held_to_what_it_does_not_change(run: Path, sources: Path, tmp_path: Path) -> None:
    change_rows(sources / "reviews")
    shutil.copytree(sources / "classifier", tmp_path / "other")
    scale_weights(tmp_path / "other")
    folder, owner = session.fork(run, 1, {"reward_model": str(tmp_path / "other")}, tmp_path / "runs")
    owner.run()
    assert owner.state == "failed" and list(RunReader(folder).changed_sources()) == ["reviews"]
    assert resumed(folder, accept_changed=True).state == "finished"

    folder, owner = session.fork(
        run, 1, {"min_review_chars": 100, "reward_model": str(tmp_path / "other")}, tmp_path / "runs"
    )
    owner.run()
    assert owner.state == "finished" and set(RunReader(folder).info().fingerprints) == KEYS
    assert not [event for event in RunReader(folder).events() if event.kind == "accepted"]


def test_a_policy_is_not_exported_with_another_tokenizer_or_configuration(
    run: Path, sources: Path, tmp_path: Path
) -> None:
    scale_weights(sources / "policy")
    export_policy(run, tmp_path / "fine")  # its weights are the checkpoint's
    change_json(sources / "policy" / "config.json", layer_norm_epsilon=0.1)
    with pytest.raises(StoreError, match="was not exported: its configuration changed"):
        export_policy(run, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_run_of_before_fingerprints_is_taken_up_and_gets_them(run: Path, home: Path) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        connection.execute("update run set fingerprints = '{}', machine = '{}'")
    assert resumed(run).state == "finished"
    assert RunReader(run).info().fingerprints == RunReader(home / "run").info().fingerprints


def test_a_machine_that_is_another_than_at_the_beginning_is_said(run: Path) -> None:
    with closing(sqlite3.connect(run / DATABASE)) as connection, connection:
        machine = json.loads(connection.execute("select machine from run").fetchone()[0])
        connection.execute(
            "update run set machine = ?", (json.dumps({**machine, "threads": "7", "torch": "1.0"}),)
        )
    heard: list[str] = []
    assert replay(run, on_remark=heard.append) == ""
    assert len(heard) == 1 and "torch was 1.0, now 2." in heard[0] and "threads was 7, now 1" in heard[0]
    assert resumed(run).state == "finished"
    assert [event.payload["message"] for event in RunReader(run).events() if event.kind == "remark"] == heard


def test_the_command_line_asks_for_leave_and_takes_it(
    run: Path, sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scale_weights(sources / "policy")
    assert main(["resume", str(run)]) == 2
    assert "policy: its weights changed" in (said := capsys.readouterr().err) and "--accept-changed" in said
    assert main(["replay", str(run)]) == 2
    assert (
        main(["branch", str(run), "--step", "1", "--runs", str(tmp_path / "runs"), "--accept-changed"]) == 0
    )
    capsys.readouterr()
    assert main(["replay", str(run), "--accept-changed"]) == 1
    answer = capsys.readouterr()
    assert (
        answer.out.startswith("first difference at step 0: ") and "policy: its weights changed" in answer.err
    )
    assert main(["resume", str(run), "--accept-changed"]) == 0
