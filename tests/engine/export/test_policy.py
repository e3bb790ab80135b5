"""The policy as a folder: it is the checkpoint's, and the command line writes it too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ppo_engine import Config, RunReader, session
from ppo_engine.errors import ConfigError
from ppo_engine.export.policy import export_policy
from ppo_engine.session.checkpoints import restore
from ppo_engine.store.catalog import survey
from ppo_engine.store.checkpoint_files import list_checkpoints, path_of
from ppo_engine.training.trainer import Trainer
from tests.engine.checkpoints import make_policy, make_tokenizer, write_model


def test_the_exported_policy_is_the_checkpoints(runs: Path, tmp_path: Path) -> None:
    folder = survey(runs)[0][0].folder
    target = export_policy(folder, tmp_path / "policy", step=2)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(target), AutoTokenizer.from_pretrained(target)
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
    folder, target = survey(runs)[0][0].folder, tmp_path / "out"
    command = [sys.executable, "-m", "ppo_engine", "export", str(folder), "--what", what, "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    assert (target / produces).is_file() if produces else target.read_text().startswith("<!doctype html>")
