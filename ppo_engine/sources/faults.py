"""Why a model folder could not be loaded: the cause of a failure, from its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_VOCABULARIES = ("tokenizer.json", "vocab", "merges", ".model", ".spm", ".tiktoken", "bpe", "codes")
"""Parts of the file names of tokenizer vocabularies."""
_BYTES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
"""Tokenizers that need no vocabulary."""
_OTHERS_WEIGHTS = {
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".gguf": "GGUF",
    ".onnx": "ONNX",
    ".pt": "bare torch",
}
_MOST_NAMED = 5


def adapter_base(folder: Path) -> str:
    """The base model's name if the folder holds only a PEFT adapter, else ""."""
    if (folder / "config.json").exists() or not (folder / "adapter_config.json").is_file():
        return ""
    try:
        settings = _json(folder / "adapter_config.json")
    except ValueError:
        settings = {}
    return str(settings.get("base_model_name_or_path") or "another model")


def lacks_tokenizer(folder: Path) -> str:
    """The remedy for a missing tokenizer; "" if present. transformers would create an empty one."""
    names = [path.name.lower() for path in folder.iterdir()]
    if "config.json" not in names or any(part in name for name in names for part in _VOCABULARIES):
        return ""
    try:
        kind = _json(folder / "tokenizer_config.json").get("tokenizer_class")
    except (OSError, ValueError):
        kind = ""
    return (
        ""
        if kind in _BYTES
        else "it has no tokenizer; save the model's tokenizer there with its save_pretrained"
    )


def encoder(folder: Path) -> str:
    """The class of an encoder, which transformers would load as a causal model; "" for others."""
    try:
        settings = _json(folder / "config.json")
    except (OSError, ValueError):
        return ""
    made = settings.get("architectures") or ()
    masked = [str(name) for name in made if str(name).endswith("ForMaskedLM")]
    return "" if not masked or len(masked) < len(made) or settings.get("is_decoder") else masked[0]


def other_kind(folder: Path, wanted: str, endings: tuple[str, ...]) -> str:
    """Why a full model, by its class names, is not of the required kind; "" if it may be."""
    settings = _json(folder / "config.json")
    made = [str(name) for name in settings.get("architectures") or ()]
    if not made or any(name.endswith(endings) for name in made):
        return ""
    kind = f"type {settings.get('model_type')}, {', '.join(made)}"
    return f"not a {wanted} ({kind}); choose another model"


def model_fault(folder: Path) -> str:
    """What is missing or damaged in a model folder, and the remedy; "" if nothing is evident."""
    return next(_faults(folder), "")


def _faults(folder: Path) -> Iterator[str]:
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        if (folder / name).is_file() and _starts_with(folder / name, b"version https://git-lfs"):
            yield f"its file {name} is only a Git LFS pointer; run `git lfs pull` in that folder"
    if "config.json" not in names:
        yield _no_config(folder, names)
    yield from _damaged_json(folder, names)
    yield from _weight_faults(folder, names)


def _no_config(folder: Path, names: list[str]) -> str:
    inside = [path.name for path in folder.iterdir() if (path / "config.json").is_file()][:_MOST_NAMED]
    if inside:
        more = " or another subfolder" if inside[1:] else ""
        return f"it has no config.json, but a subfolder has: use {folder / inside[0]}{more}"
    listed = f"{', '.join(names[:_MOST_NAMED])}{', …' if names[_MOST_NAMED:] else ''}"
    contents = f"it contains {listed}" if names else "it is empty"
    return f"not a model folder: no config.json ({contents}); use the folder that save_pretrained wrote"


def _damaged_json(folder: Path, names: list[str]) -> Iterator[str]:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", *_INDEXES):
        if name in names:
            try:
                found = _json(folder / name)
                if name == "tokenizer.json" and not found.get("model"):
                    raise ValueError("no tokenizer inside")
            except ValueError as error:
                yield f"its file {name} is damaged ({error}); copy or download it again"
            except OSError as error:
                yield f"its file {name} could not be read ({error.strerror}); check its permissions"


def _weight_faults(folder: Path, names: list[str]) -> Iterator[str]:
    shards: set[str] = set()
    for index in _INDEXES:
        if index in names:
            shards |= set(map(str, _json(folder / index).get("weight_map", {}).values()))
    if missing := sorted(shards - set(names)):
        listed = ", ".join(missing[:_MOST_NAMED])
        yield f"it lacks {listed}, listed in its index; copy or download the whole folder again"
    weights = [name for name in names if name in _WEIGHTS or name in shards]
    if not weights:
        other = [kind for end, kind in _OTHERS_WEIGHTS.items() if any(name.endswith(end) for name in names)]
        found = f", only {other[0]} weights, which are not supported" if other else ""
        yield (
            f"it has no weights (model.safetensors or pytorch_model.bin){found}; save the model again with "
            "save_pretrained"
        )
    for name in weights:
        if damage := _damage(folder / name):
            yield f"its file {name} is damaged ({damage}); copy or download it again"


def _damage(weights: Path) -> str:
    """What is wrong with a weights file, by its header and size; "" for nothing."""
    if weights.suffix != ".safetensors":
        sound = _starts_with(weights, b"PK") or _starts_with(weights, b"\x80")
        return "" if sound else "not written by torch.save"
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt"):
            return ""
    except (SafetensorError, OSError, ValueError) as error:
        return str(error).strip().splitlines()[0][:200]


def _json(path: Path) -> dict[str, Any]:
    """A file's JSON object. Raises `ValueError`, also for undecodable bytes."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _starts_with(path: Path, beginning: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out. The CPU and MPS allocators raise a plain RuntimeError."""
    import torch

    told = any(words in str(error) for words in ("can't allocate memory", "out of memory", "ALLOC_FAILED"))
    kinds = (torch.OutOfMemoryError, MemoryError, *((RuntimeError,) if told else ()))
    return isinstance(error, kinds)
