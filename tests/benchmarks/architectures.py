"""Every architecture of the installed transformers that can be made small, through our own loaders: does it
work, or say why not?

    python -m tests.benchmarks.architectures policies [TYPE ...]
    python -m tests.benchmarks.architectures classifiers [TYPE ...]

A tiny model of random weights is made from each configuration, saved, and loaded as a user's own would be. A
policy takes one step; it works if the KL is 0 within 1e-4 and the ratio 1 at first, and the log-probabilities
are those of the model's own `forward` on each text alone. A classifier scores a batch; it works if each score
is that of the model's own `forward` on that text alone. Prints a table, and at the end how many of each;
exits 1 where one is wrong or fails with an error of another library.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from ppo_engine import Config, Trainer
from ppo_engine.errors import CanaryError, PPOEngineError
from ppo_engine.rewards.classifier import load_classifier
from tests.engine.checkpoints import make_tokenizer, write_world

WORKS, REFUSED, WRONG, ERROR, UNMADE = "works", "refused", "WRONG", "RAW ERROR", "not made"
PATIENCE_S = 60
CLOSE = 1e-4

SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim", "embed_dim", "emb_dim", "embedding_size",
    "dim_model"), 64),
    **dict.fromkeys(("word_embed_proj_dim", "hidden_dim", "d_embed", "lru_width", "kv_n_heads_dim",
    "mamba_d_ssm"), 64),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim",
    "ffn_hidden_size"), 96),
    **dict.fromkeys(("dim_ff", "moe_intermediate_size", "shared_expert_intermediate_size",
    "shared_intermediate_size"), 96),
    **dict.fromkeys(("block_ff_dim", "mlp_dim", "feed_forward_size", "expert_ffn_hidden_size",
    "dense_intermediate_size"), 96),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers",
    "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads",
    "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "kv_n_heads", "n_head_kv",
    "multi_query_group_num"), 2),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
    "expert_num"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts"),
    2),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim", "head_dim", "d_head",
    "d_kv"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "index_head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_seq_length",
    "seq_length"), 128),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    "initializer_range": 0.1, "init_std": 0.1, "first_k_dense_replace": 1, "mamba_n_heads": 4,
    "mamba_d_head": 32, "mamba_expand": 2,
    "vocab_size_per_layer_input": 330, "hidden_size_per_layer_input": 16, "num_kv_shared_layers": 0,
    "sliding_window": 8,
    "attn_layer_period": 2, "attn_layer_offset": 1, "attn_layer_indices": [1], "block_types": ["recurrent",
    "attention"],
    "attention_window": [8, 8], "axial_pos_embds_dim": [32, 32], "axial_pos_shape": [8, 16], "num_labels": 3,
}  # fmt: skip
"""What is made small, by the names that configurations have for it."""

OWN: dict[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_layers": 2},
    "rwkv": {"attention_hidden_size": 64},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 2},
    "bamba": {"attn_layer_indices": [1], "num_hidden_layers": 2},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "num_hidden_layers": 2},
    "reformer": {"is_decoder": True},
    "zaya": {"num_experts_per_tok": 1},
    "laguna": {"num_hidden_layers": 2, "num_attention_heads_per_layer": [4, 4]},
    "falcon_h1": {
        "hidden_size": 64,
        "mamba_d_ssm": 64,
        "mamba_n_heads": 4,
        "mamba_d_head": 16,
        "mamba_n_groups": 1,
    },
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "nemotron_h": {"hybrid_override_pattern": "M*", "num_hidden_layers": 2},
    **{
        kind: {"is_decoder": True}
        for kind in ("bert", "roberta", "electra", "megatron-bert", "rembert", "roformer")
    },
}
"""What a type needs of its own to be made small, or to be a causal language model at all."""

UNUSED = 1
"""A token that is in no text, for all those of images and sounds."""


def main() -> int:
    """Sweeps, prints, and returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("policies", "classifiers"))
    parser.add_argument("types", nargs="*", help="model types; all by default")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    faulthandler.enable()
    policies = options.what == "policies"
    names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if policies else MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    auto = transformers.AutoModelForCausalLM if policies else transformers.AutoModelForSequenceClassification
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as home:
        write_world(Path(home))
        for kind in options.types or sorted(names):
            verdict, detail = judged(kind, auto, Path(home), one_step if policies else one_scoring)
            counts[verdict] += 1
            print(f"| {kind} | {verdict} | {detail} |", flush=True)
    print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return 1 if counts[WRONG] or counts[ERROR] else 0


def judged(
    kind: str, auto: Any, home: Path, judge: Callable[[Path, Any], tuple[str, str]]
) -> tuple[str, str]:
    """The verdict on one architecture, and a few words."""
    folder = home / "models" / kind
    try:
        with at_most(PATIENCE_S):
            model = made(kind, auto)
            model.save_pretrained(folder)
            make_tokenizer().save_pretrained(folder)
            auto.from_pretrained(folder)
    except Exception as error:
        return UNMADE, shortly(error)
    try:
        with at_most(PATIENCE_S):
            return judge(folder, model)
    except PPOEngineError as error:
        return REFUSED, shortly(error)
    except Exception as error:
        return ERROR, f"{type(error).__name__}: {shortly(error)}"


def made(kind: str, auto: Any) -> Any:
    """A tiny model of that type, with random weights."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    own = (
        OWN.get(kind, {})
        if auto is transformers.AutoModelForCausalLM or "is_decoder" not in OWN.get(kind, {})
        else {}
    )
    config = transformers.CONFIG_MAPPING[kind](**own)
    shrink(config, len(tokenizer))
    for name in own:
        with contextlib.suppress(Exception):
            setattr(config, name, own[name])
    config.pad_token_id, config.eos_token_id, config.bos_token_id = (
        tokenizer.pad_token_id,
        tokenizer.eos_token_id,
        tokenizer.eos_token_id,
    )
    model = auto.from_config(config, trust_remote_code=False).eval()
    with torch.no_grad():
        model(input_ids=torch.arange(5, 14)[None])  # what fails by itself was made too small here
    if sum(parameter.numel() for parameter in model.parameters()) > 60e6:
        raise ValueError("its configuration has no size that is known here")
    return model


def shrink(config: Any, vocabulary: int) -> None:
    """Sets what makes a model large, in the configuration and in those within it."""
    layers = SMALL["num_hidden_layers"]
    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig):
            shrink(value, vocabulary)
        elif name == "vocab_size":
            config.vocab_size = vocabulary
        elif name.endswith("_token_id") and isinstance(value, int) and value >= vocabulary:
            setattr(config, name, UNUSED)
        elif name in ("layer_types", "mlp_layer_types", "layers_block_type", "layer_type") and isinstance(
            value, list
        ):
            kinds = list(dict.fromkeys(value))[:layers]
            setattr(config, name, (kinds * layers)[:layers])
        elif name in SMALL and isinstance(value, type(SMALL[name])) and not isinstance(value, bool):
            with contextlib.suppress(Exception):
                setattr(config, name, SMALL[name])
    if getattr(config, "qk_rope_head_dim", None) and hasattr(config, "num_key_value_heads"):
        config.head_dim, config.num_key_value_heads = config.qk_rope_head_dim, SMALL["num_attention_heads"]


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises `TimeoutError` inside after that long."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def one_step(folder: Path, model: Any) -> tuple[str, str]:
    """One PPO step of the policy in `folder`, held against the model that was saved there."""
    home = folder.parents[1]
    config = Config(
        steps=1, batch_size=8, mini_batch_size=4, ppo_epochs=2, learning_rate=1e-4,
        eval_every=1, eval_batch_size=2,
        output_min_length=1, output_max_length=8, model_name=str(folder), 
        reward_model=str(home / "classifier"),
        query_dataset=str(home / "reviews"), device="cpu", threads=1,
    )  # fmt: skip
    trainer = Trainer(config)
    trainer.load()
    rollout = trainer.continue_openings(8, seed=1)
    worst = 0.0
    for row in range(8):
        query, response = (
            rollout.query_ids[row][rollout.query_mask[row]],
            rollout.response_ids[row][rollout.mask[row]],
        )
        with torch.no_grad():
            logits = (
                model(input_ids=torch.cat([query, response])[None]).logits[0, len(query) - 1 : -1].float()
            )
        own = torch.log_softmax(logits, -1).gather(-1, response[:, None])[:, 0]
        worst = max(worst, float((own - rollout.logprobs[row][rollout.mask[row]]).abs().max()))
    record = trainer.step()
    kl, first = abs(record.metrics["objective/kl"]), record.metrics["ppo/policy/first_ratio"]
    numbers = f"log-probabilities off by {worst:.0e}, KL {kl:.0e}, first ratio off by {first:.0e}"
    remark = " ".join(trainer.remarks)
    return (WORKS if max(worst, kl, first) < CLOSE else WRONG), f"{numbers}{'; ' + remark if remark else ''}"


TEXTS = [
    "I loved it.",
    "The film was dull and the actor was terrible, and so was the story.",
    "good " * 400,
    "It was",
]


def one_scoring(folder: Path, model: Any) -> tuple[str, str]:
    """A batch of texts, short and far too long, held against the model that was saved there."""
    label = str(model.config.id2label[model.config.num_labels - 1])
    try:
        scorer = load_classifier(str(folder), label, torch.device("cpu"))
    except CanaryError:  # random weights prefer either: the other sign is as good
        turned(model).save_pretrained(folder)
        scorer = load_classifier(str(folder), label, torch.device("cpu"))
    scores = scorer.score_texts(TEXTS)
    tokenizer, worst = make_tokenizer(), 0.0
    for row, text in enumerate(TEXTS):
        ids = tokenizer(text)["input_ids"][: scorer.longest]
        with torch.no_grad():
            own = model(input_ids=torch.tensor([ids])).logits[0, -1]
        worst = max(worst, abs(float(own - scores.total[row])))
    return (
        WORKS if worst < 1e-3 else WRONG
    ), f"scores off by {worst:.0e}, texts cut at {scorer.longest} tokens"


def turned(model: Any) -> Any:
    """The model with the signs of its last layer turned."""
    heads = ("classif", "score", "out_proj", "head")
    last = [parameter for name, parameter in model.named_parameters() if any(key in name for key in heads)]
    with torch.no_grad():
        for parameter in last[-2:] if last and last[-1].dim() == 1 else last[-1:]:
            parameter.neg_()
    return model


def shortly(error: Exception) -> str:
    return " ".join(str(error).split()).replace("|", "/").split(" Choose a")[0][-230:] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
