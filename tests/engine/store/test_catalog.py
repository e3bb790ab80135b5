"""All runs at a glance, compared, exported whole, and thrown away."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ppo_engine import Config, RunReader, session
from ppo_engine.errors import ConfigError, StoreError
from ppo_engine.export.policy import export_policy
from ppo_engine.export.report import html_report
from ppo_engine.export.tables import table_bytes
from ppo_engine.store import add_note, describe, list_runs
from ppo_engine.store.catalog import (
    differences,
    list_trash,
    move_to_trash,
    restore_from_trash,
    same_prompts,
    summaries,
)
from ppo_engine.store.checkpoint_files import path_of
from tests.engine.checkpoints import make_policy, make_tokenizer, write_model
from tests.engine.runs import Run

HOSTILE = "<script>alert(1)</script> $x$ **b** :red[c]"


@pytest.fixture(scope="module")
def runs(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs that differ in seed and lam."""
    home = tmp_path_factory.mktemp("runs")
    for changes in ({"seed": 1}, {"seed": 2, "lam": 0.5}):
        _, owner = session.create(tiny(steps=3, checkpoint_every=2, **changes), "tiny-reviews", home)
        owner.run()
    return home


def test_a_summary_is_what_the_metrics_say(runs: Path) -> None:
    for one in summaries(runs):
        rows = RunReader(one.folder).steps()
        scores = [row.metrics["env/reward_mean"] for row in rows[1:]]
        assert (one.best_score, one.last_score) == (max(scores), scores[-1])
        assert (
            one.held_out == rows[-1].metrics["eval/reward_mean"]
            and one.last_kl == rows[-1].metrics["objective/kl"]
        )
        assert (one.steps, one.planned, one.state) == (3, 3, "finished")
        assert one.size > (one.folder / "checkpoints" / "step-000003" / "model.safetensors").stat().st_size
    assert [one.folder for one in summaries(runs)] == list_runs(runs)


def test_a_run_that_cannot_be_read_does_not_hide_the_others(runs: Path, tmp_path: Path) -> None:
    broken = runs / "20000101-broken"
    broken.mkdir()
    (broken / "run.sqlite").write_bytes(b"no database" * 500)
    try:
        assert len(summaries(runs)) == 2
    finally:
        (broken / "run.sqlite").unlink()
        broken.rmdir()


def test_comparing_lists_what_differs_and_only_that(runs: Path) -> None:
    folders = [one.folder for one in summaries(runs)]
    assert differences(folders) == {"seed": ["2", "1"], "lam": ["0.5", "0.95"]}
    table = same_prompts(folders)
    assert len(table) > 0 and list(table.columns) == [
        "query",
        "response 0",
        "score 0",
        "response 1",
        "score 1",
    ]
    assert not (table["response 0"] == table["response 1"]).all()


def test_comparing_says_after_which_step_a_setting_was_changed(begin: Callable[..., Run]) -> None:
    plain, edited = begin(steps=3), begin(steps=3)
    plain.thread.start()
    plain.join()
    edited.hold_at(2)
    edited.tell("edit", changes={"lam": 0.5})
    edited.let_go()
    edited.join()
    assert differences([plain.folder, edited.folder]) == {"lam": ["0.95", "0.95, after step 2: 0.5"]}


def test_a_deleted_run_is_in_the_trash_whole(tiny: Callable[..., Config], tmp_path: Path) -> None:
    folder, owner = session.create(tiny(steps=1), "tiny-reviews", tmp_path)
    with pytest.raises(StoreError, match="is running; stop it first"):
        move_to_trash(folder)
    owner.run()
    describe(folder, name="../../up")
    there = move_to_trash(folder)
    assert there == tmp_path / ".trash" / folder.name and RunReader(there).info().last_step == 1
    assert list_runs(tmp_path) == [] and summaries(tmp_path) == [] and list_trash(tmp_path) == [there]
    assert (
        restore_from_trash(there) == folder and list_runs(tmp_path) == [folder] and list_trash(tmp_path) == []
    )
    with pytest.raises(StoreError, match="could not be moved"):
        restore_from_trash(there)


def test_the_report_is_one_file_in_which_no_text_is_markup(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    folder, owner = session.create(tiny(steps=2), "tiny-reviews", tmp_path)
    owner.run()
    describe(folder, name=HOSTILE, tags=[HOSTILE[:40]], remark=HOSTILE)
    add_note(folder, 1, HOSTILE)
    report = html_report(folder)
    own = report[report.rindex("</script></head>") :]
    assert "<script>alert" not in own and "&lt;script&gt;alert(1)&lt;/script&gt;" in own
    assert not re.search(
        r"""(src|href)\s*=\s*["']?(https?:)?//""", report[: report.index("<script>")] + own
    ), "it opens offline"
    assert RunReader(folder).samples(2)[0].query in own or "&" in RunReader(folder).samples(2)[0].query
    assert "Plotly.newPlot" in own


def test_the_exported_policy_is_the_checkpoints(runs: Path, tmp_path: Path) -> None:
    folder = summaries(runs)[0].folder
    target = export_policy(folder, tmp_path / "policy", step=2)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(target), AutoTokenizer.from_pretrained(target)
    from ppo_engine.session.checkpoints import restore
    from ppo_engine.store.checkpoint_files import list_checkpoints
    from ppo_engine.training.trainer import Trainer

    trainer = Trainer(RunReader(folder).info().config)
    trainer.load()
    ids = tokenizer("the film was", return_tensors="pt").input_ids
    untrained = trainer.policy.language_model(ids).logits
    restore(trainer, next(one for one in list_checkpoints(folder) if one.step == 2))
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, trainer.policy.language_model(ids).logits)
        assert not torch.allclose(model(ids).logits, untrained)
    card = (target / "README.md").read_text()
    assert folder.name in card and "to step 2" in card and '"seed": 2' in card
    with pytest.raises(ConfigError, match="already exists"):
        export_policy(folder, target)
    with pytest.raises(ConfigError, match="step = 1: no checkpoint at this step; available: 2, 3"):
        export_policy(folder, tmp_path / "other", step=1)


def test_a_head_that_is_called_tied_and_is_not_is_exported_as_it_is(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    """transformers loads it untied, since its file has a head of its own; tying it at the export would be
    another model.
    """
    tokenizer = make_tokenizer()
    policy = make_policy(tokenizer, tie_word_embeddings=False)
    with torch.no_grad():
        policy.lm_head.weight.copy_(policy.transformer.wte.weight + 0.1)
    write_model(tmp_path / "policy", policy, tokenizer)
    settings = json.loads((tmp_path / "policy" / "config.json").read_text())
    (tmp_path / "policy" / "config.json").write_text(json.dumps({**settings, "tie_word_embeddings": True}))
    run, owner = session.create(tiny(steps=1, model_name=str(tmp_path / "policy")), "tiny-reviews", tmp_path)
    owner.run()
    exported = AutoModelForCausalLM.from_pretrained(export_policy(run, tmp_path / "exported"))
    weights = load_file(path_of(run, 1) / "model.safetensors")
    assert torch.equal(exported.lm_head.weight, weights["language_model.lm_head.weight"])
    assert not torch.equal(exported.lm_head.weight, exported.transformer.wte.weight)


@pytest.mark.parametrize(("what", "produces"), [("policy", "model.safetensors"), ("report", None)])
def test_the_command_line_exports_them_too(
    runs: Path, tmp_path: Path, what: str, produces: str | None
) -> None:
    folder, target = summaries(runs)[0].folder, tmp_path / "out"
    command = [sys.executable, "-m", "ppo_engine", "export", str(folder), "--what", what, "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    assert (target / produces).is_file() if produces else target.read_text().startswith("<!doctype html>")


def test_no_csv_cell_begins_like_a_formula(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spreadsheet runs what begins with =, +, - or @."""
    from ppo_engine.export import tables

    folder = summaries(runs)[0].folder
    samples = tables.samples_table(RunReader(folder)).head(4)
    samples["query"], samples["response"] = ["=1+1", "@cmd", "+2", "-3"], ["fine", "= 5", "-", "–"]
    monkeypatch.setattr(tables, "samples_table", lambda reader: samples)
    rows = list(csv.DictReader(io.StringIO(table_bytes(folder, "samples", "csv").decode())))
    assert [row["query"] for row in rows] == ["'=1+1", "'@cmd", "'+2", "'-3"]
    assert [row["response"] for row in rows] == ["fine", "'= 5", "-", "–"]
    assert all(float(row["score"]) == score for row, score in zip(rows, samples["score"], strict=True)), (
        "numbers stay numbers"
    )
