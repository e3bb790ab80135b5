"""A run's policy as a `from_pretrained` folder with a model card. Needs torch: pages use a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ConfigError, StoreError
from ..files import written_aside
from ..formatting import signed
from ..rewards import reward_words
from ..sources.provenance import changes, of_model
from ..store import RunInfo, RunReader
from ..store.catalog import summary
from ..store.checkpoint_files import Checkpoint, list_checkpoints

_LANGUAGE_MODEL = "language_model."


def export_policy(run: Path, target: Path, step: int | None = None) -> Path:
    """Writes the policy of the checkpoint at `step` (None: the newest) to a new folder `target`."""
    from safetensors.torch import load_file

    from ..training.models import load_language_model

    checkpoint, info = _checkpoint(run, step), RunReader(run).info()
    checkpoint.verify()
    if target.exists():
        raise ConfigError([f"output = {target}: already exists; choose a new folder"])
    model, tokenizer = load_language_model(info.start_config.model_name)
    _check_is_the_runs_own(run, model, tokenizer)
    weights = load_file(checkpoint.folder / "model.safetensors")
    own = {
        name.removeprefix(_LANGUAGE_MODEL): tensor
        for name, tensor in weights.items()
        if name.startswith(_LANGUAGE_MODEL)
    }
    missing, unexpected = model.load_state_dict(own, strict=False)
    tied = set(model.all_tied_weights_keys)
    # tied ones are stored once; where none is missing, a configuration that calls them tied is wrong
    if missing:
        model.tie_weights()
    if unexpected or set(missing) - tied:
        raise StoreError(
            f"{checkpoint.folder}: its weights do not fit the policy {info.start_config.model_name}"
        )
    try:
        with written_aside(target) as aside:
            aside.mkdir(parents=True)
            model.save_pretrained(aside)
            tokenizer.save_pretrained(aside)
            _check_reads_back(aside, model)
            (aside / "README.md").write_text(_card(run, info, checkpoint.step), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{target}: could not be written ({error})") from error
    return target


def _check_is_the_runs_own(run: Path, model: object, tokenizer: object) -> None:
    """Checks configuration and tokenizer, which come from the source, not the checkpoint."""
    recorded = RunReader(run).fingerprints()
    recorded.pop("policy.weights", None)
    if changed := changes(recorded, of_model("policy", model, tokenizer)):
        raise StoreError(f"the policy was not exported: {changed['policy']}; restore the original model")


def _check_reads_back(folder: Path, model: Any) -> None:
    """Raises `StoreError` if `from_pretrained` does not reproduce the model from the folder."""
    from transformers import AutoModelForCausalLM

    from ..sources.loaded import load_whole

    again = load_whole(AutoModelForCausalLM, str(folder)).state_dict()
    if differ := [
        name
        for name, tensor in model.state_dict().items()
        if name not in again or not again[name].equal(tensor)
    ]:
        raise StoreError(
            f"{folder}: the saved model differs when loaded again ({', '.join(differ[:3])}); nothing was "
            "exported"
        )


def _checkpoint(run: Path, step: int | None) -> Checkpoint:
    there = list_checkpoints(run)
    chosen = [one for one in there if step in (None, one.step)]
    if not chosen:
        allowed = ", ".join(str(one.step) for one in there) or "none yet"
        raise ConfigError([f"step = {step}: no checkpoint at this step; available: {allowed}"])
    return chosen[-1]


def _card(run: Path, info: RunInfo, step: int) -> str:
    """The model card: origin of the weights, training, intended use."""
    sums = summary(run)
    about = reward_words(info.config).about
    settings = json.dumps(info.config.model_dump(), indent=1)
    return f"""---
library_name: transformers
pipeline_tag: text-generation
tags: [ppo, rlhf]
base_model: {json.dumps(info.start_config.model_name)}
---

# A policy fine-tuned with PPO

Trained with ppo-live, run `{info.id}`, to step {step}. It continues the opening of a film review. PPO
maximised its reward, with a KL penalty to the initial model. The reward (`{info.config.reward}`): {about}

- Initial model: `{info.start_config.model_name}`
- Mean score at the run's last step: {signed(sums.last_score)}; held out: {signed(sums.held_out)}
- KL from the reference at the last step: {sums.last_kl:.3g} nats per sample

The value head is not included. The model was trained to maximise a reward, not for accuracy: use it to study
PPO.

## Settings

```json
{settings}
```
"""
