"""Builds the world `tiny-reviews` from its grammar: tokenizer, policy, classifier, reviews, manifest.

    python -m ppo_engine.world.build [--out DIR] [--scale full|small] [--seed N] [--threads N]

Everything is made in a folder beside the target, measured there, and moved into place at the end.
"""

import argparse
import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ppo_engine.builtin import ASSETS, MANIFEST
from ppo_engine.files import sha256
from ppo_engine.world.corpus import (
    classifier_tokenizer,
    policy_tokenizer,
    save_reviews,
    train_bpe,
    write_reviews,
)
from ppo_engine.world.drift import drifted_texts
from ppo_engine.world.example import record_example
from ppo_engine.world.figures import measure
from ppo_engine.world.grammar import Review
from ppo_engine.world.train_classifier import ClassifierScale, train_classifier
from ppo_engine.world.train_policy import PolicyScale, train_policy

PARTS = ("policy", "classifier", "reviews", "example", MANIFEST)


@dataclass(frozen=True)
class Scale:
    """Sizes of a build."""

    vocabulary: int
    training_reviews: int  # seen by the models
    train_rows: int  # kept in train.parquet
    test_rows: int  # kept in test.parquet, never trained on
    policy: PolicyScale
    classifier: ClassifierScale
    samples: int = 256  # continuations that are measured
    example: bool = True  # whether to record the example run


SCALES = {
    "full": Scale(2432, 60_000, 2500, 500, PolicyScale(), ClassifierScale()),
    "small": Scale(
        512,
        600,
        100,
        50,
        PolicyScale(width=32, layers=2, heads=2, steps=30, batch=16),
        ClassifierScale(width=32, layers=1, heads=2, steps=30, batch=16, drifted=8, drifted_texts=256),
        samples=32,
        example=False,  # a toy classifier need not pass the canaries
    ),
}


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """A folder that the Auto classes load. Weights are stored as float16; the config has them read as
    float32.
    """
    model.save_pretrained(folder)
    tied = set(model.all_tied_weights_keys)
    weights = {
        name: value.half().contiguous() for name, value in model.state_dict().items() if name not in tied
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)


def split_reviews(scale: Scale, seed: int) -> tuple[list[Review], list[Review]]:
    """(training, test) reviews, no text in both."""
    reviews = write_reviews(scale.training_reviews + scale.test_rows, seed)
    return reviews[scale.test_rows :], reviews[: scale.test_rows]


def build_into(folder: Path, scale: Scale, seed: int) -> None:
    """Train both models and write all files but the manifest."""
    training, test = split_reviews(scale, seed)
    (folder / "reviews").mkdir(parents=True)
    save_reviews(training[: scale.train_rows], folder / "reviews" / "train.parquet")
    save_reviews(test, folder / "reviews" / "test.parquet")
    bpe: Tokenizer = train_bpe(training, scale.vocabulary)
    policy, reader = train_policy(scale.policy, bpe, training, seed), policy_tokenizer(bpe)
    save_model(policy, reader, folder / "policy")
    drifted = drifted_texts(policy, reader, training, scale.classifier.drifted_texts, seed)
    classifier = train_classifier(scale.classifier, bpe, training, drifted, seed)
    save_model(classifier, classifier_tokenizer(bpe), folder / "classifier")
    if scale.example:
        record_example(folder / "example", folder)


def entry(path: Path) -> dict[str, object]:
    """What the manifest says of one file."""
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def manifest(folder: Path, scale: Scale, seed: int, seconds: float) -> dict[str, object]:
    """What was built, from what, with what, and how good it is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    versions = {one.__name__: one.__version__ for one in (torch, transformers, tokenizers)}
    return {
        "files": {path.relative_to(folder).as_posix(): entry(path) for path in files},
        "settings": {"seed": seed, "threads": torch.get_num_threads(), **asdict(scale)},
        "versions": {"python": platform.python_version(), **versions},
        "figures": {"seconds": round(seconds), **measure(folder, scale.samples)},
    }


def move_into_place(built: Path, out: Path) -> None:
    """Put each finished part where the old one was; what the build does not make stays."""
    out.mkdir(parents=True, exist_ok=True)
    replaced = built / "replaced"
    replaced.mkdir()
    for part in PARTS:
        if (out / part).exists():
            (out / part).rename(replaced / part)
        if (built / part).exists():
            (built / part).rename(out / part)


def build(out: Path, scale: Scale, seed: int = 0) -> dict[str, object]:
    """Build a world in `out` and return its manifest. Nothing at `out` changes before all is done."""
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out.parent) as aside:
        folder = Path(aside) / out.name
        build_into(folder, scale, seed)
        made = manifest(folder, scale, seed, time.monotonic() - started)
        (folder / MANIFEST).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        move_into_place(folder, out)
    return made


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ppo_engine.world.build", description="Build tiny-reviews."
    )
    parser.add_argument("--out", type=Path, default=ASSETS, help="where to (default: the package's assets)")
    parser.add_argument(
        "--scale", choices=sorted(SCALES), default="full", help="small: a toy for tests, in seconds"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    made = build(options.out, SCALES[options.scale], options.seed)
    print(json.dumps(made["figures"], indent=1))


if __name__ == "__main__":
    main()
