"""Named starting points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .fields import shortened


@dataclass(frozen=True)
class Preset:
    """A named starting point: the fields that differ from the notebook's defaults, and what it needs."""

    name: str
    title: str
    help: str
    values: dict[str, Any]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "tiny-reviews",
            "Tiny reviews",
            "Built in: a GPT-2 with one million parameters, a small classifier and generated film reviews. "
            "No download, no GPU; reviews turn positive within a minute on a laptop.",
            {
                "steps": 40,
                "batch_size": 192,
                "mini_batch_size": 64,
                "learning_rate": 1e-3,
                "init_kl_coef": 0.3,
                "target": 4.0,
                "horizon": 2000.0,
                "target_kl": 0.05,
                "eval_batch_size": 128,
                "model_name": "builtin:policy",
                "reward_model": "builtin:classifier",
                "query_dataset": "builtin:reviews",
            },
        ),
        Preset(
            "gpt2-imdb",
            "GPT-2 on IMDB",
            "The tutorial notebook's setup: GPT-2 fine-tuned on IMDB, a DistilBERT sentiment classifier, "
            "IMDB reviews. One download of about 900 MB from the Hugging Face Hub; a GPU is recommended.",
            {},
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name, or a `ConfigError` that lists the names there are."""
    if name not in PRESETS:
        raise ConfigError([f"preset = {shortened(name)}: must be one of {', '.join(PRESETS)}"])
    return PRESETS[name]
