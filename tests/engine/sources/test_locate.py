"""Where models and reviews come from: a folder, the built-in world, or the Hub, and what is said when they do
not come.

The Hub is a server of this machine's (hub.py) that the real clients download from, each time in a process of
its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from ppo_engine import builtin
from ppo_engine.errors import AssetError, CanaryError, SourceError
from ppo_engine.rewards.classifier import load_classifier
from ppo_engine.sources.locate import loading, locate
from ppo_engine.training.models import load_language_model
from ppo_engine.training.prompts import read_reviews
from tests.engine.checkpoints import make_policy, make_tokenizer, write_model
from tests.engine.hub import Hub, serving

ROOT = Path(__file__).parents[3]
LOADERS: dict[str, Any] = {
    "model_name": load_language_model,
    "reward_model": lambda source: load_classifier(source, "POSITIVE", torch.device("cpu")),
    "query_dataset": lambda source: read_reviews(source, 200),
}
FOLDERS = {"model_name": "policy", "reward_model": "classifier", "query_dataset": "reviews"}
OFFER = "tiny-reviews"


def refusal(field: str, source: str) -> str:
    with pytest.raises(SourceError) as caught:
        LOADERS[field](source)
    assert str(caught.value).startswith(f"{field} = {source}: ")
    return str(caught.value)


# Folders


def test_a_source_is_a_folder_a_built_in_name_or_else_a_name_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "policy").mkdir(parents=True)
    (tmp_path / "reviews.csv").write_text("text\nfine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(
        "ppo_engine.sources.download.download", lambda kind, name, *_: Path(f"/cache/{kind}/{name}")
    )
    assert locate("model_name", str(tmp_path)) == str(tmp_path)
    assert locate("model_name", "mine/policy") == "mine/policy"  # a folder here goes before a name on the Hub
    assert locate("model_name", "~/mine") == str(tmp_path / "mine")
    assert locate("model_name", "builtin:policy").endswith("assets/policy")
    assert locate("model_name", "lvwerra/gpt2-imdb") == "/cache/models/lvwerra/gpt2-imdb"
    assert locate("query_dataset", "imdb") == "/cache/datasets/imdb"
    assert locate("query_dataset", "reviews.csv") == "reviews.csv"
    with pytest.raises(SourceError, match=r"a file, not a folder; use the model's folder"):
        locate("model_name", "reviews.csv")


@pytest.mark.parametrize(
    "source", ["/no/such/folder", "./missing", "~/missing", "~nobody-of-this-name/x", "a/b/c"]
)
@pytest.mark.parametrize(("field", "what"), [("model_name", "folder"), ("query_dataset", "folder or file")])
def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_hub(source: str, field: str, what: str) -> None:
    with pytest.raises(
        SourceError,
        match=f"no such {what}; enter an existing {what} or a Hugging Face Hub name",
    ):
        locate(field, source)


def test_built_in_files_are_verified_before_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a changed file is found is tested with the built-in world; here, that nothing
    is loaded unverified.
    """

    def find_fault() -> None:
        raise AssetError("changed")

    monkeypatch.setattr(builtin, "verify", find_fault)
    for field, folder in FOLDERS.items():
        with pytest.raises(AssetError, match="changed"):
            LOADERS[field](f"builtin:{folder}")


def test_an_unknown_built_in_is_refused_with_those_there_are() -> None:
    with pytest.raises(SourceError, match=r"allowed: builtin:policy, builtin:classifier, builtin:reviews"):
        locate("model_name", "builtin:gpt5")


@pytest.mark.parametrize(("field", "cause"), [
    ("model_name", "not a model folder: no config.json (it is empty)"),
    ("reward_model", "not a model folder: no config.json (it is empty)"),
    ("query_dataset", "the folder has no data files"),
])  # fmt: skip
def test_an_empty_folder_is_refused(tmp_path: Path, field: str, cause: str) -> None:
    message = refusal(field, str(tmp_path))
    assert cause in message and OFFER not in message and "is damaged" not in message


@pytest.mark.parametrize("field", ["model_name", "reward_model"])
@pytest.mark.parametrize(("damage", "cause"), [
    ("cut short", "its file model.safetensors is damaged ("),
    ("overwritten", "its file model.safetensors is damaged ("),
    ("gone", "it has no weights (model.safetensors or pytorch_model.bin)"),
    ("incomplete", "its weights lack"),
])  # fmt: skip
def test_a_damaged_weight_file_is_refused(
    world: Path, tmp_path: Path, field: str, damage: str, cause: str
) -> None:
    folder = copy_of(world / FOLDERS[field], tmp_path)
    weights = folder / "model.safetensors"
    if damage == "cut short":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif damage == "overwritten":
        weights.write_bytes(b"\xff" * weights.stat().st_size)
    elif damage == "gone":
        weights.unlink()
    else:  # readable, but a layer's tensors are not in it: transformers would draw them at random
        tensors = load_file(weights)
        save_file(
            {
                name: tensor
                for name, tensor in tensors.items()
                if "attn" not in name and "attention" not in name
            },
            weights,
        )
    message = refusal(field, str(folder))
    assert cause in message and OFFER not in message, "the network has no part in it"
    assert ("is damaged" in message) == ("is damaged" in cause), "only what is damaged is called so"


def copy_of(folder: Path, home: Path) -> Path:
    shutil.copytree(folder, home / "copy")
    return home / "copy"


@pytest.mark.parametrize(("field", "file"), [
    ("model_name", "config.json"), ("model_name", "tokenizer.json"), ("reward_model", "tokenizer.json"),
    ("query_dataset", "train.parquet"),
])  # fmt: skip
def test_any_other_damaged_file_is_refused(world: Path, tmp_path: Path, field: str, file: str) -> None:
    folder = copy_of(world / FOLDERS[field], tmp_path)
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    assert f"{file} is damaged (" in refusal(field, str(folder))


@pytest.mark.parametrize("field", ["model_name", "reward_model"])
def test_a_tokenizer_file_that_holds_none_is_damaged(world: Path, tmp_path: Path, field: str) -> None:
    folder = copy_of(world / FOLDERS[field], tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    assert "its file tokenizer.json is damaged (no tokenizer inside)" in refusal(field, str(folder))


@pytest.mark.parametrize(("field", "cause"), [
    ("model_name", "not a causal language model (type distilbert, DistilBertForSequence"),
    ("reward_model", "not a sequence classifier (type mamba, MambaForCausalLM); choose another"),
])  # fmt: skip
def test_a_model_of_a_type_without_the_kind_is_called_what_it_is(
    world: Path, tmp_path: Path, field: str, cause: str
) -> None:
    folder = copy_of(world / "classifier", tmp_path)
    if field == "reward_model":
        config = {
            "model_type": "mamba",
            "architectures": ["MambaForCausalLM"],
            "hidden_size": 8,
            "num_hidden_layers": 1,
        }
        (folder / "config.json").write_text(json.dumps(config))
    assert cause in refusal(field, str(folder))


def test_an_encoder_is_no_policy(tmp_path: Path) -> None:
    """transformers would load BERT as a causal language model, one that sees what comes after."""
    tokenizer = make_tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    write_model(tmp_path, BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes)), tokenizer)
    assert "an encoder (BertForMaskedLM), not a causal language model" in refusal("model_name", str(tmp_path))


def test_a_language_model_as_a_classifier_is_called_what_it_is(world: Path) -> None:
    message = refusal("reward_model", str(world / "policy"))
    assert "not a sequence classifier (type gpt2, GPT2LMHeadModel); choose another model" in message


@pytest.mark.parametrize("field", ["model_name", "reward_model"])
@pytest.mark.parametrize(("keep", "cause"), [
    (["model.safetensors", "tokenizer.json"], "no config.json (it contains model.safetensors, "
     "tokenizer.json)"),
    (["config.json", "tokenizer.json", "tokenizer_config.json"], "it has no weights"),
    (["config.json", "model.safetensors"], "it has no tokenizer; save the model's tokenizer there"),
])  # fmt: skip
def test_a_folder_that_lacks_files_is_told_which(
    world: Path, tmp_path: Path, field: str, keep: list[str], cause: str
) -> None:
    folder = copy_of(world / FOLDERS[field], tmp_path)
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()
    message = refusal(field, str(folder))
    assert cause in message and "is damaged" not in message


def test_the_true_cause_of_other_folders_is_named(world: Path, tmp_path: Path) -> None:
    above = copy_of(world / "policy", tmp_path / "run")
    assert f"a subfolder has: use {above}" in refusal("model_name", str(above.parent))
    pointer = copy_of(world / "policy", tmp_path / "cloned")
    (pointer / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    )
    assert "its file model.safetensors is only a Git LFS pointer" in refusal("model_name", str(pointer))
    sharded = copy_of(world / "policy", tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "it lacks model-00001-of-00002.safetensors" in refusal("model_name", str(sharded))


@pytest.mark.parametrize("field", ["model_name", "reward_model"])
def test_a_peft_adapter_is_called_one_and_its_base_is_named(tmp_path: Path, field: str) -> None:
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "someone/base", "peft_type": "LORA"})
    )
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    message = refusal(field, str(tmp_path))
    assert "a PEFT adapter of someone/base" in message and "merge_and_unload()" in message


def test_a_tokenizer_without_end_of_text_is_refused(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    model = make_policy(tokenizer)
    tokenizer.eos_token = None
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    write_model(tmp_path, model, tokenizer)
    assert "end-of-text token" in refusal("model_name", str(tmp_path))


@pytest.mark.parametrize("error", [AssetError("not this one"), CanaryError("nor this")])
def test_an_error_that_says_what_to_do_is_passed_on_as_it_is(error: SourceError) -> None:
    with pytest.raises(SourceError) as caught, loading("model_name", "here"):
        raise error
    assert caught.value is error


def test_an_error_without_words_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceError, match=r"\(KeyError\)|\(AssertionError\)"),
        loading("model_name", str(tmp_path)),
    ):
        raise AssertionError


# The Hub


@pytest.fixture(scope="module")
def hub(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The three names of the preset gpt2-imdb, with tiny random contents."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(world / "policy", folder / "models" / "lvwerra" / "gpt2-imdb")
    shutil.copytree(world / "classifier", folder / "models" / "lvwerra" / "distilbert-imdb")
    shutil.copytree(world / "reviews", folder / "datasets" / "stanfordnlp" / "imdb")
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def home(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A cache that was filled by a first step of gpt2-imdb, and what that process said."""
    folder = tmp_path_factory.mktemp("home")
    return folder, in_a_process(STEP, endpoint=hub.url, home=folder)


STEP = """
from ppo_engine import Config, Trainer
sizes = dict(batch_size=8, mini_batch_size=4, eval_batch_size=4)
config = Config.preset("gpt2-imdb", steps=1, threads=1, device="cpu", **sizes)
records = list(Trainer(config))
answer = {"steps": [record.step for record in records], "score": records[1].metrics["env/reward_mean"],
          "queries": [sample.query for sample in records[1].samples]}
"""

LOAD = """
import torch
from ppo_engine import PPOEngineError
from ppo_engine.sources import download
from ppo_engine.training.models import load_language_model
from ppo_engine.training.prompts import read_reviews
from ppo_engine.rewards.classifier import load_classifier
import transformers
download.PATIENCE_S = patience
answer = {}
for field, load in (("model_name", lambda: load_language_model(name)),
    ("query_dataset", lambda: read_reviews(name, 200)),
                    ("reward_model", lambda: load_classifier(name, "POSITIVE", torch.device("cpu")))):
    started = time.monotonic()
    try:
        load()
        answer[field] = "loaded", time.monotonic() - started
    except PPOEngineError as error:
        answer[field] = f"{type(error).__name__}: {error}", time.monotonic() - started
"""


def in_a_process(code: str, *, endpoint: str, home: Path, **variables: Any) -> dict[str, Any]:
    """Runs `code` in a new interpreter and gives its `answer`. Upper-case variables are the environment's."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_HOME")
    }
    environment |= {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    environment |= {name: value for name, value in variables.items() if name.isupper()}
    lines = [f"{name} = {value!r}" for name, value in variables.items() if not name.isupper()]
    script = "\n".join(["import json, time", *lines, code, "print(json.dumps(answer))"])
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_notebooks_own_names_are_downloaded_and_train(
    hub: Hub, home: tuple[Path, dict[str, Any]]
) -> None:
    _, answer = home
    assert answer["steps"] == [0, 1] and all(query.startswith("T") for query in answer["queries"])
    for path in (
        "lvwerra/gpt2-imdb/resolve",
        "lvwerra/distilbert-imdb/resolve",
        "datasets/stanfordnlp/imdb/resolve",
    ):
        assert any(request.startswith(f"GET /{path}") for request in hub.requests), path


def test_what_was_downloaded_once_needs_no_network(home: tuple[Path, dict[str, Any]]) -> None:
    """The same step, bit for bit, and without a minute of retries."""
    folder, first = home
    assert in_a_process(STEP, endpoint=f"http://127.0.0.1:{closed_port()}", home=folder) == first


def test_without_a_network_each_source_says_so_at_once(tmp_path: Path) -> None:
    """Nobody listens at the Hub's address: no retries, and the way out is named."""
    answer = in_a_process(
        LOAD,
        endpoint=f"http://127.0.0.1:{closed_port()}",
        home=tmp_path,
        name="lvwerra/gpt2-imdb",
        patience=5.0,
    )
    assert_refused(answer, within_s=30)


def test_a_hub_that_never_answers_is_given_up_after_a_while(tmp_path: Path) -> None:
    """It takes the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answer = in_a_process(LOAD, endpoint=endpoint, home=tmp_path, name="lvwerra/gpt2-imdb", patience=0.5)
    assert_refused(answer, within_s=30)


def test_offline_mode_is_heeded(tmp_path: Path, hub: Hub) -> None:
    """With HF_HUB_OFFLINE=1 the Hub is not asked, though it is there."""
    before = len(hub.requests)
    answer = in_a_process(
        LOAD, endpoint=hub.url, home=tmp_path, name="lvwerra/gpt2-imdb", patience=5.0, HF_HUB_OFFLINE="1"
    )
    assert_refused(answer, within_s=30)
    assert len(hub.requests) == before


def test_a_name_that_is_not_on_the_hub(tmp_path: Path, hub: Hub) -> None:
    answer = in_a_process(LOAD, endpoint=hub.url, home=tmp_path, name="someone/nothing", patience=5.0)
    assert_refused(answer, within_s=30, name="someone/nothing")


def assert_refused(answer: dict[str, Any], within_s: float, name: str = "lvwerra/gpt2-imdb") -> None:
    assert set(answer) == set(LOADERS)
    for field, (message, seconds) in answer.items():
        assert message.startswith(f"SourceError: {field} = {name}: not a built-in source or a local folder")
        assert OFFER in message
        assert seconds < within_s, field
