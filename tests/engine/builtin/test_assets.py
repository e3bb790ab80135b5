"""The committed assets: they are what the manifest says, small, and good enough to learn on."""

import shutil

import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from ppo_engine.builtin import ASSETS, CANARIES, read_manifest, verify
from ppo_engine.errors import AssetError
from ppo_engine.world.build import PARTS
from ppo_engine.world.figures import measure, score_texts
from ppo_engine.world.grammar import vocabulary


@pytest.fixture(scope="module")
def figures():
    return measure(ASSETS, samples=256, held_out=400, seed=1)


def test_assets_match_their_manifest():
    verify()


def test_assets_are_small():
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) <= 6_000_000


def test_every_file_is_in_the_manifest():
    found = {
        path.relative_to(ASSETS).as_posix()
        for part in PARTS
        for path in (ASSETS / part).rglob("*")
        if path.is_file()
    }
    assert found == set(read_manifest()["files"])


@pytest.mark.parametrize("name", sorted(read_manifest()["files"]))
def test_verify_refuses_a_flipped_byte(tmp_path, name):
    copy = shutil.copytree(ASSETS, tmp_path / "assets")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(AssetError, match="does not match the manifest") as caught:
        verify(copy)
    assert name in str(caught.value)
    assert "git checkout" in str(caught.value) and "ppo_engine.world.build" in str(caught.value)


def test_verify_refuses_a_missing_file_and_a_missing_manifest(tmp_path):
    copy = shutil.copytree(ASSETS, tmp_path / "assets")
    (copy / "policy" / "model.safetensors").unlink()
    with pytest.raises(AssetError, match="missing"):
        verify(copy)
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(AssetError, match="manifest"):
        verify(copy)


def test_continuations_are_sound_and_varied(figures):
    assert figures["grammatical"] >= 0.9
    assert figures["distinct"] >= 0.8
    assert figures["top_trigram_share"] <= 0.15


def test_classifier_is_right_and_spreads_its_scores(figures):
    assert figures["accuracy"] >= 0.97
    assert figures["accuracy_negated"] >= 0.97
    assert -3.5 < figures["logit_5_percent"] < -2.2
    assert 2.2 < figures["logit_95_percent"] < 3.5


def test_untrained_policy_scores_near_zero(figures):
    assert abs(figures["fragment_score_mean"]) <= 0.4
    assert figures["fragment_score_error"] <= 0.4


def test_canaries_lie_on_their_sides(figures):
    assert figures["canary_positive"] > 1.5
    assert figures["canary_negative"] < -1.5


def test_reviews_have_the_columns_of_imdb_and_share_no_text():
    tables = [pq.read_table(ASSETS / "reviews" / f"{name}.parquet") for name in ("train", "test")]
    texts = [table["text"].to_pylist() for table in tables]
    assert all(table.column_names == ["text", "label"] for table in tables)
    assert all(set(table["label"].to_pylist()) == {0, 1} for table in tables)
    assert len(texts[0]) >= 2000 and len(texts[1]) >= 400
    assert not set(texts[0]) & set(texts[1])


def test_models_load_plainly_without_dropout():
    policy = AutoModelForCausalLM.from_pretrained(ASSETS / "policy")
    classifier = AutoModelForSequenceClassification.from_pretrained(ASSETS / "classifier")
    assert str(policy.dtype) == str(classifier.dtype) == "torch.float32"
    assert classifier.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    settings = {**policy.config.to_dict(), **classifier.config.to_dict()}
    assert all(value == 0 for name, value in settings.items() if "drop" in name)


def test_tokenizers_encode_anything_and_words_mostly_as_one_token():
    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "policy")
    typed = "Ünïcode ☃ and a\nnew line, twice  spaced"
    assert tokenizer.decode(tokenizer(typed).input_ids) == typed
    assert tokenizer.eos_token == tokenizer.pad_token == "<|endoftext|>"
    single = [len(tokenizer(" " + word).input_ids) == 1 for word in vocabulary()]
    assert sum(single) >= 0.6 * len(single)


def test_padding_does_not_change_a_score():
    classifier = AutoModelForSequenceClassification.from_pretrained(ASSETS / "classifier").eval()
    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "classifier")
    alone = score_texts(classifier, tokenizer, CANARIES[:1])
    padded = score_texts(classifier, tokenizer, [CANARIES[0], CANARIES[1] * 4])
    assert alone[0].item() == pytest.approx(padded[0].item(), abs=1e-4)
