"""Fingerprints of the sources a run loaded, so that it never silently continues with other models or data.

They are taken in memory, not from files: the same weights in another file match, and a file that changed
while being read does not.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CHANGED_BY = {
    "reward": ("classifier.weights", "classifier.configuration", "classifier.tokenizer"),
    "reward_model": ("classifier.weights", "classifier.configuration", "classifier.tokenizer"),
    "query_dataset": ("reviews.texts",),
    "text_column": ("reviews.texts",),
    "min_review_chars": ("reviews.texts",),
}
"""The fingerprints that a branch changes on purpose, by setting."""

_PASSING = ("transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype")
"""Entries of a model's configuration on files and libraries, not on the model."""


def of_model(name: str, model: Any, tokenizer: Any) -> dict[str, str]:
    """Fingerprints of a model's weights, configuration and tokenizer, as `name.weights` and so on."""
    settings = {key: value for key, value in model.config.to_diff_dict().items() if key not in _PASSING}
    settings["ends of text"] = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return {
        f"{name}.weights": _weights(model),
        f"{name}.configuration": _digest([json.dumps(settings, sort_keys=True, default=str).encode()]),
        f"{name}.tokenizer": _tokenizer(tokenizer),
    }


def of_reviews(train: Iterable[str], held_out: Iterable[str]) -> dict[str, str]:
    """The fingerprint of the texts of both splits, in order."""
    texts = (text.encode("utf-8", "surrogatepass") for split in (train, [""], held_out) for text in split)
    return {"reviews.texts": _digest(texts)}


def machine(device: Any, threads: int) -> dict[str, str]:
    """What else affects a run's last digits, besides models, data, settings and journal."""
    import torch

    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "torch": torch.__version__,
        "threads": str(threads),
        "cpu": _cpu(),
        "device": f"{device.type} {kind}".strip(),
    }


def changes(recorded: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """What changed, by name, in words: {"policy": "its weights changed since the run began"}."""
    parts: dict[str, list[str]] = {}
    for key, value in recorded.items():
        if key in found and found[key] != value:
            name, _, part = key.partition(".")
            parts.setdefault(name, []).append(part)
    return {name: f"its {' and '.join(differ)} changed since the run began" for name, differ in parts.items()}


def machine_changes(recorded: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How this machine differs from the one the run began on, as a sentence; "" if it does not."""
    differ = [
        f"{name} was {old}, now {now[name]}" for name, old in recorded.items() if now.get(name, old) != old
    ]
    return f"Results may differ in the last digits: {', '.join(differ)}." if differ else ""


def _weights(model: Any) -> str:
    import torch

    seen: set[tuple[int, Any]] = set()

    def each() -> Iterable[Any]:
        for name, tensor in sorted(model.state_dict().items()):
            identity = tensor.data_ptr(), tuple(tensor.shape)
            if tensor.numel() and identity in seen:
                continue  # tied: hashed under its first name
            seen.add(identity)
            plain = tensor.detach().cpu().contiguous()
            yield f"{name} {plain.dtype} {tuple(plain.shape)}".encode()
            yield memoryview(plain.flatten().view(torch.uint8).numpy())

    return _digest(each())


def _tokenizer(tokenizer: Any) -> str:
    """Its rules and special tokens, without padding and truncation, which are set per call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        rules: Any = sorted(tokenizer.get_vocab().items())
    else:
        rules = {
            key: value
            for key, value in json.loads(backend.to_str()).items()
            if key not in ("padding", "truncation")
        }
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    whole = [type(tokenizer).__name__, rules, special, min(tokenizer.model_max_length, 10**9)]
    return _digest([json.dumps(whole, sort_keys=True, default=str).encode()])


def _digest(parts: Iterable[Any]) -> str:
    found = hashlib.blake2b(digest_size=20)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _cpu() -> str:
    """The CPU model and the vector instructions in use."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"
