"""The build, at a toy scale: the same code makes a complete world, twice the same."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from ppo_engine.builtin import read_manifest, verify
from ppo_engine.world import build as builder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("world") / "assets"
    threads = torch.get_num_threads()
    builder.main(["--scale", "small", "--out", str(out), "--threads", "2"])
    torch.set_num_threads(threads)
    return out


def test_a_small_world_is_complete(world):
    verify(world)
    policy = AutoModelForCausalLM.from_pretrained(world / "policy")
    AutoModelForSequenceClassification.from_pretrained(world / "classifier")
    assert policy.config.vocab_size == len(AutoTokenizer.from_pretrained(world / "policy"))
    assert [path.name for path in world.parent.iterdir()] == ["assets"]


def test_the_manifest_says_how_it_was_made(world):
    manifest = read_manifest(world)
    assert manifest["settings"]["policy"]["width"] == 32
    assert {"grammatical", "distinct", "accuracy", "fragment_score_mean"} <= set(manifest["figures"])
    assert "torch" in manifest["versions"]
    json.dumps(manifest)


def test_the_same_seed_builds_the_same_world(world, tmp_path):
    before = torch.get_num_threads()
    builder.main(["--scale", "small", "--out", str(tmp_path / "again"), "--threads", "2"])
    torch.set_num_threads(before)
    assert read_manifest(tmp_path / "again")["files"] == read_manifest(world)["files"]


def test_a_failed_build_leaves_the_old_world_alone(world, monkeypatch):
    before = read_manifest(world)
    monkeypatch.setattr(builder, "measure", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        builder.build(world, builder.SCALES["small"])
    assert read_manifest(world) == before
    verify(world)
