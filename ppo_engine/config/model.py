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
    """One run's hyperparameters. Construction raises `ConfigError`, which names each bad field, its value,
    and what is allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    # Run
    steps: int = setting(
        100,
        "Run",
        "How many PPO steps to take. One step samples a batch, scores it, and updates the policy.",
        unit="steps",
        live=True,
        ge=1,
        le=1_000_000,
    )
    seed: int = setting(
        0,
        "Run",
        "Start of every random number. The same seed and settings give the same run.",
        ge=0,
        le=2**31 - 1,
    )
    checkpoint_every: int = setting(
        10,
        "Run",
        "Keep the models every so many steps, so that the run can be resumed or branched there. 0: only when "
        "it pauses, is edited or ends.",
        unit="steps",
        live=True,
        ge=0,
        le=1_000_000,
    )
    checkpoint_disk_mb: int = setting(
        2000,
        "Run",
        "Checkpoints of every tenth step are deleted, oldest first, once all of the run's take more than "
        "this.",
        unit="MB",
        live=True,
        label="disk for checkpoints",
        ge=0,
        le=100_000_000,
    )

    # Sampling
    batch_size: int = setting(
        256,
        "Sampling",
        "Reviews continued and scored in each step.",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    input_min_text_length: int = setting(
        2,
        "Sampling",
        "Shortest opening of a review that is given to the policy.",
        unit="tokens",
        label="shortest query",
        ge=1,
        le=256,
    )
    input_max_text_length: int = setting(
        8,
        "Sampling",
        "Longest opening of a review that is given to the policy (included).",
        unit="tokens",
        label="longest query",
        ge=1,
        le=256,
    )
    output_min_length: int = setting(
        4,
        "Sampling",
        "Shortest continuation. Each sample's length is drawn between the two.",
        unit="tokens",
        live=True,
        label="shortest response",
        ge=1,
        le=256,
    )
    output_max_length: int = setting(
        16,
        "Sampling",
        "Longest continuation (included).",
        unit="tokens",
        live=True,
        label="longest response",
        ge=1,
        le=256,
    )
    bos: Literal["auto", "on", "off"] = setting(
        "auto",
        "Sampling",
        "The beginning-of-text token before each query: auto puts it where the policy's tokenizer does. It is"
        " not counted in the lengths.",
        label="beginning-of-text token",
    )
    temperature: float = setting(
        1.0,
        "Sampling",
        "Divides the logits before sampling: below 1 more predictable, above 1 more random.",
        live=True,
        ge=0.01,
        le=10,
    )
    top_k: int = setting(
        0,
        "Sampling",
        "Draw among the k likeliest tokens only. 0 is off. Ratios and KL ignore this restriction, so the KL "
        "is overstated: at k = 5 it can read five times what it is.",
        unit="tokens",
        live=True,
        ge=0,
        le=1_000_000,
    )
    top_p: float = setting(
        1.0,
        "Sampling",
        "Draw among the likeliest tokens that hold this much probability. 1 is off. Ratios and KL ignore this"
        " restriction, so the KL is overstated.",
        live=True,
        gt=0,
        le=1,
    )

    # Rewards and KL
    adap_kl_ctrl: bool = setting(
        True,
        "Rewards and KL",
        "Let the KL coefficient move so that the KL comes to its target; off keeps it at its initial value.",
        live=True,
        label="adaptive KL coefficient",
    )
    init_kl_coef: float = setting(
        0.2,
        "Rewards and KL",
        "What one nat of KL from the reference costs, at the start of the run.",
        unit="score per nat",
        live=True,
        label="initial KL coefficient",
        ge=0,
        le=100,
    )
    target: float = setting(
        6.0,
        "Rewards and KL",
        "The KL that the adaptive controller steers for.",
        unit="nats a sample",
        live=True,
        label="KL target",
        gt=0,
        le=1000,
    )
    horizon: float = setting(
        10_000.0,
        "Rewards and KL",
        "How slowly the adaptive controller moves: in this many samples, or in a step of more, the "
        "coefficient changes by a fifth at most.",
        unit="samples",
        live=True,
        label="KL horizon",
        ge=1,
        le=1e9,
    )
    kl_estimator: Literal["k1", "k2", "k3"] = setting(
        "k1",
        "Rewards and KL",
        "How each token's KL is estimated for the penalty. k1: the log-ratio, unbiased; k2: half its square; "
        "k3: ratio − 1 − log-ratio. k2 and k3 are never negative.",
        live=True,
        label="KL estimator",
    )

    # PPO
    gamma: float = setting(1.0, "PPO", "Discount of later rewards.", live=True, ge=0, le=1)
    lam: float = setting(
        0.95,
        "PPO",
        "GAE's lambda: 0 trusts the value estimates, 1 trusts the sampled rewards.",
        live=True,
        ge=0,
        le=1,
    )
    cliprange: float = setting(
        0.2,
        "PPO",
        "How far the ratio of new to old policy may move from 1 before the clip binds.",
        live=True,
        label="policy clip range",
        gt=0,
        le=1,
    )
    cliprange_value: float = setting(
        0.2,
        "PPO",
        "How far a new value may move from the old one before the clip binds.",
        unit="score",
        live=True,
        label="value clip range",
        gt=0,
        le=100,
    )
    vf_coef: float = setting(
        0.1,
        "PPO",
        "Weight of the value loss in the total loss.",
        live=True,
        label="value loss weight",
        ge=0,
        le=100,
    )
    ent_coef: float = setting(
        0.0,
        "PPO",
        "Weight of the entropy bonus in the total loss: more keeps the policy varied. 0 is off.",
        live=True,
        label="entropy bonus",
        ge=0,
        le=10,
    )
    target_kl: float = setting(
        0.0,
        "PPO",
        "End a step's update early once a minibatch's KL from the sampling policy passes this. 0 is off.",
        unit="nats a token",
        live=True,
        label="update KL limit",
        ge=0,
        le=100,
    )

    # Optimisation
    learning_rate: float = setting(1.41e-5, "Optimisation", "Adam's step size.", live=True, gt=0, le=1)
    ppo_epochs: int = setting(
        4,
        "Optimisation",
        "Passes over the batch in each step's update.",
        unit="epochs",
        live=True,
        ge=1,
        le=100,
    )
    mini_batch_size: int = setting(
        16,
        "Optimisation",
        "Samples in each gradient step. The last minibatch may be smaller.",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    max_grad_norm: float = setting(
        1.0,
        "Optimisation",
        "Gradients longer than this are shortened to it. 0 is off.",
        live=True,
        label="gradient clip",
        ge=0,
        le=1e6,
    )

    # Evaluation
    eval_every: int = setting(
        10,
        "Evaluation",
        "Score the held-out openings every so many steps, before the first and after the last.",
        unit="steps",
        ge=1,
        le=1_000_000,
    )
    eval_batch_size: int = setting(
        64,
        "Evaluation",
        "Held-out openings continued at each evaluation, with the same random numbers each time.",
        unit="samples",
        ge=2,
        le=4096,
    )

    # Models and data
    model_name: str = setting(
        "lvwerra/gpt2-imdb",
        "Models and data",
        "The policy: builtin:policy, a local folder, or a name on the Hugging Face Hub.",
        label="policy model",
        min_length=1,
    )
    reward: str = setting(
        "sentiment",
        "Models and data",
        f"What training raises. {described()}.",
        min_length=1,
    )
    reward_model: str = setting(
        "lvwerra/distilbert-imdb",
        "Models and data",
        "The sentiment classifier: builtin:classifier, a local folder, or a name on the Hugging Face Hub.",
        min_length=1,
    )
    query_dataset: str = setting(
        "stanfordnlp/imdb",
        "Models and data",
        "The reviews: builtin:reviews, a local folder or data file (CSV, TSV, JSON, JSON lines, Parquet, "
        "text), or a name on the Hugging Face Hub.",
        label="reviews",
        min_length=1,
    )
    text_column: str = setting(
        "auto",
        "Models and data",
        "The column of the reviews that holds their text. auto takes `text`, else `review`, else the only "
        "column of text.",
        min_length=1,
    )
    positive_label: str = setting(
        "POSITIVE",
        "Models and data",
        "Name of the classifier's label whose raw logit is the score. Checked at the start on two plain "
        "sentences.",
        min_length=1,
    )
    min_review_chars: int = setting(
        200,
        "Models and data",
        "Only reviews longer than this give openings.",
        unit="characters",
        label="shortest review",
        ge=0,
        le=100_000,
    )

    size_limit_mb: int = setting(
        10_000,
        "Models and data",
        "A model or a data set that is larger is neither downloaded nor read.",
        unit="MB",
        label="size limit of each source",
        ge=1,
        le=100_000_000,
    )

    # Machine
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Machine", "Where to train; auto takes the best there is."
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "Machine", "Number format of the models' arithmetic."
    )
    threads: int = setting(
        0,
        "Machine",
        "CPU threads of the trainer. 0 leaves one core for the page. Another count can change the last digits"
        " of a run.",
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
        """The same from text, as `--set` and the URL give it: {"steps": "40"}. Raises `ConfigError` for all
        bad fields at once.
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
