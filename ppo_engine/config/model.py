"""Every hyperparameter, once: name, default, range, unit, help, and whether it may change during a run.

The sidebar, the command line, the URL and the run store all read this model; nothing else lists the
hyperparameters. Names and defaults are those of the TRL-style notebook; 0 (1 for top_p) switches an optional
feature off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from ..errors import ConfigError
from ..rewards import described, find_kind
from .fields import Field, explain, read_field, setting
from .presets import find_preset


class Config(BaseModel):
    """A run's hyperparameters. Raises `ConfigError`: each invalid field, its value and what is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    # Run
    steps: int = setting(
        100,
        "Run",
        "PPO steps in the run. Each step samples a batch, scores it and updates the policy.",
        label="Steps",
        unit="steps",
        live=True,
        ge=1,
        le=1_000_000,
    )
    seed: int = setting(
        0,
        "Run",
        "Seeds every random number generator. The same seed and settings reproduce the run.",
        label="Seed",
        ge=0,
        le=2**31 - 1,
    )
    checkpoint_every: int = setting(
        10,
        "Run",
        "Save a checkpoint every N steps, to resume or branch from. 0: only on pause, edit and stop.",
        label="Checkpoint interval",
        unit="steps",
        live=True,
        ge=0,
        le=1_000_000,
    )
    checkpoint_disk_mb: int = setting(
        2000,
        "Run",
        "Disk space for checkpoints. Above it, those of every tenth step are deleted too, oldest first.",
        label="Checkpoint disk budget",
        unit="MB",
        live=True,
        ge=0,
        le=100_000_000,
    )
    # The default holds every batch of a run of some thousand steps: 192 samples of 10 tokens take 0.19 MB.
    token_disk_mb: int = setting(
        1000,
        "Run",
        "Disk space for samples and tokens of training batches. Above it, those of every second old step are "
        "deleted, then three of every four, and so on.",
        label="Token disk budget",
        unit="MB",
        live=True,
        ge=0,
        le=100_000_000,
    )

    # Sampling
    batch_size: int = setting(
        256,
        "Sampling",
        "Reviews continued and scored in each step.",
        label="Batch size",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    input_min_text_length: int = setting(
        2,
        "Sampling",
        "Minimum number of tokens in the opening given to the policy.",
        label="Shortest query",
        unit="tokens",
        ge=1,
        le=256,
    )
    input_max_text_length: int = setting(
        8,
        "Sampling",
        "Maximum number of tokens in the opening given to the policy, inclusive.",
        label="Longest query",
        unit="tokens",
        ge=1,
        le=256,
    )
    output_min_length: int = setting(
        4,
        "Sampling",
        "Minimum length of a continuation. Each length is drawn uniformly from the range.",
        label="Shortest response",
        unit="tokens",
        live=True,
        ge=1,
        le=256,
    )
    output_max_length: int = setting(
        16,
        "Sampling",
        "Maximum length of a continuation, inclusive.",
        label="Longest response",
        unit="tokens",
        live=True,
        ge=1,
        le=256,
    )
    bos: Literal["auto", "on", "off"] = setting(
        "auto",
        "Sampling",
        "Whether a beginning-of-text token precedes each query. auto follows the policy's tokenizer. Lengths "
        "do not count it.",
        label="Beginning-of-text token",
    )
    temperature: float = setting(
        1.0,
        "Sampling",
        "Divides the logits before sampling: below 1 more predictable, above 1 more random.",
        label="Temperature",
        live=True,
        ge=0.01,
        le=10,
    )
    top_k: int = setting(
        0,
        "Sampling",
        "Sample from the k most likely tokens only. 0 is off. Ratios and KL are those of the full "
        "distribution, so the KL is overstated: at k = 5 by up to a factor of five.",
        label="Top-k",
        unit="tokens",
        live=True,
        ge=0,
        le=1_000_000,
    )
    top_p: float = setting(
        1.0,
        "Sampling",
        "Sample from the smallest set of tokens with this total probability. 1 is off. Ratios and KL are "
        "those of the full distribution, so the KL is overstated.",
        label="Top-p",
        live=True,
        gt=0,
        le=1,
    )

    # Rewards and KL
    adap_kl_ctrl: bool = setting(
        True,
        "Rewards and KL",
        "Adjusts the KL coefficient to bring the KL to its target. Off keeps the initial value.",
        label="Adaptive KL coefficient",
        live=True,
    )
    init_kl_coef: float = setting(
        0.2,
        "Rewards and KL",
        "Cost of one nat of KL from the reference at the start of the run.",
        label="Initial KL coefficient",
        unit="score per nat",
        live=True,
        ge=0,
        le=100,
    )
    target: float = setting(
        6.0,
        "Rewards and KL",
        "The KL that the adaptive controller aims for.",
        label="KL target",
        unit="nats per sample",
        live=True,
        gt=0,
        le=1000,
    )
    horizon: float = setting(
        10_000.0,
        "Rewards and KL",
        "Time scale of the adaptive controller: over this many samples, or in a single larger step, the "
        "coefficient changes by at most 20 %.",
        label="KL horizon",
        unit="samples",
        live=True,
        ge=1,
        le=1e9,
    )
    kl_estimator: Literal["k1", "k2", "k3"] = setting(
        "k1",
        "Rewards and KL",
        "Per-token KL estimate used in the penalty. k1: the log-ratio, unbiased; k2: half its square; k3: "
        "ratio − 1 − log-ratio. k2 and k3 are never negative; k3 can be huge for one token.",
        label="KL estimator",
        live=True,
    )

    # PPO
    gamma: float = setting(
        1.0, "PPO", "Discount factor of later rewards.", label="Gamma (γ)", live=True, ge=0, le=1
    )
    lam: float = setting(
        0.95,
        "PPO",
        "GAE parameter: 0 relies on the value estimates, 1 on the sampled rewards.",
        label="Lambda (λ)",
        live=True,
        ge=0,
        le=1,
    )
    cliprange: float = setting(
        0.2,
        "PPO",
        "How far the probability ratio of new to old policy may move from 1 before the clip binds.",
        label="Policy clip range",
        live=True,
        gt=0,
        le=1,
    )
    cliprange_value: float = setting(
        0.2,
        "PPO",
        "How far a value may move from its old value before the clip binds.",
        label="Value clip range",
        unit="score",
        live=True,
        gt=0,
        le=100,
    )
    vf_coef: float = setting(
        0.1,
        "PPO",
        "Weight of the value loss in the total loss.",
        label="Value loss weight",
        live=True,
        ge=0,
        le=100,
    )
    ent_coef: float = setting(
        0.0,
        "PPO",
        "Weight of the entropy bonus in the total loss. Larger keeps the policy more diverse. 0 is off.",
        label="Entropy bonus",
        live=True,
        ge=0,
        le=10,
    )
    target_kl: float = setting(
        0.0,
        "PPO",
        "Ends a step's update early once a minibatch's KL from the sampling policy exceeds this. 0 is off.",
        label="Update KL limit",
        unit="nats per token",
        live=True,
        ge=0,
        le=100,
    )

    # Optimisation
    learning_rate: float = setting(
        1.41e-5, "Optimisation", "Step size of Adam.", label="Learning rate", live=True, gt=0, le=1
    )
    ppo_epochs: int = setting(
        4,
        "Optimisation",
        "Passes over the batch in each step's update.",
        label="PPO epochs",
        unit="epochs",
        live=True,
        ge=1,
        le=100,
    )
    mini_batch_size: int = setting(
        16,
        "Optimisation",
        "Samples in each gradient step. The last minibatch may be smaller.",
        label="Minibatch size",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    max_grad_norm: float = setting(
        1.0,
        "Optimisation",
        "Gradients with a larger norm are scaled down to it. 0 is off.",
        label="Maximum gradient norm",
        live=True,
        ge=0,
        le=1e6,
    )

    # Evaluation
    eval_every: int = setting(
        10,
        "Evaluation",
        "Evaluate on the held-out openings every N steps, before the first and after the last.",
        label="Evaluation interval",
        unit="steps",
        ge=1,
        le=1_000_000,
    )
    eval_batch_size: int = setting(
        64,
        "Evaluation",
        "Held-out openings continued at each evaluation, with the same random numbers each time.",
        label="Evaluation batch size",
        unit="samples",
        ge=2,
        le=4096,
    )

    # Models and data
    model_name: str = setting(
        "lvwerra/gpt2-imdb",
        "Models and data",
        "The policy: builtin:policy, a local folder, or a Hugging Face Hub name.",
        label="Policy model",
        min_length=1,
    )
    reward: str = setting(
        "sentiment",
        "Models and data",
        f"The reward that training maximises. {described()}.",
        label="Reward",
        min_length=1,
    )
    reward_model: str = setting(
        "lvwerra/distilbert-imdb",
        "Models and data",
        "The sentiment classifier: builtin:classifier, a local folder, or a Hugging Face Hub name.",
        label="Reward model",
        min_length=1,
    )
    query_dataset: str = setting(
        "stanfordnlp/imdb",
        "Models and data",
        "The reviews: builtin:reviews, a local folder or data file (CSV, TSV, JSON, JSON Lines, Parquet, "
        "text), or a Hugging Face Hub name.",
        label="Reviews",
        min_length=1,
    )
    text_column: str = setting(
        "auto",
        "Models and data",
        "Column that holds the review text. auto uses `text`, else `review`, else the only text column.",
        label="Text column",
        min_length=1,
    )
    positive_label: str = setting(
        "POSITIVE",
        "Models and data",
        "The classifier label whose raw logit is the score. Verified at start-up on two test sentences.",
        label="Positive label",
        min_length=1,
    )
    min_review_chars: int = setting(
        200,
        "Models and data",
        "Only reviews longer than this are used for openings.",
        label="Shortest review",
        unit="characters",
        ge=0,
        le=100_000,
    )

    size_limit_mb: int = setting(
        10_000,
        "Models and data",
        "A model or data set larger than this is neither downloaded nor read.",
        label="Source size limit",
        unit="MB",
        ge=1,
        le=100_000_000,
    )

    # Machine
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto",
        "Machine",
        "Where to train. auto picks the best available device.",
        label="Device",
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32",
        "Machine",
        "Number format of model arithmetic.",
        label="Precision",
    )
    threads: int = setting(
        0,
        "Machine",
        "CPU threads for training. 0 leaves one core for the page. A change can alter a run's last digits.",
        label="CPU threads",
        unit="threads",
        ge=0,
        le=1024,
    )

    # Names come from links and command lines, so all that is not a setting's name is positional: `self=1` is
    # one more unknown setting.
    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(
                [text for problem in error.errors() for text in explain(problem, FIELDS)]
            ) from None

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_a_bool_as_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are not numbers")
        return value

    @field_validator("reward")
    @classmethod
    def _refuse_a_reward_that_is_not_there(cls, value: str) -> str:
        find_kind(value)
        return value

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Config:
        pairs = (
            ("mini_batch_size", "batch_size"),
            ("output_min_length", "output_max_length"),
            ("input_min_text_length", "input_max_text_length"),
        )
        problems = [
            f"{low} = {getattr(self, low)}: must be at most {high}, which is {getattr(self, high)}"
            for low, high in pairs
            if getattr(self, low) > getattr(self, high)
        ]
        if problems:
            raise ConfigError(problems)
        return self

    @classmethod
    def preset(cls, name: str, /, **changes: Any) -> Config:
        """The preset's configuration with `changes` on top."""
        return cls(**{**find_preset(name).values, **changes})

    @classmethod
    def from_strings(cls, preset: str, changes: Mapping[str, str]) -> Config:
        """The same from text, as in `--set` and the URL: {"steps": "40"}. Raises one `ConfigError` for all
        fields.
        """
        return cls.preset(preset, **changes)

    def changes_from(self, preset: str) -> dict[str, str]:
        """The fields that differ from the preset's, as text that `from_strings` reads back exactly."""
        base = Config.preset(preset)
        return {
            name: str(getattr(self, name))
            for name in Config.model_fields
            if getattr(self, name) != getattr(base, name)
        }

    def changed(self, /, **changes: Any) -> Config:
        """A copy with `changes`, validated as a whole."""
        return Config(**{**self.model_dump(), **changes})


FIELDS: dict[str, Field] = {name: read_field(name, field) for name, field in Config.model_fields.items()}
