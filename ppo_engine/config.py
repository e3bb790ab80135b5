"""Every hyperparameter, once: name, default, range, unit, help, and whether it may change during a run.

The sidebar, the command line, the URL and the run store all read this model; nothing else lists the
hyperparameters. Names and defaults are those of the TRL-style notebook; 0 (1 for top_p) switches an optional
feature off.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .errors import ConfigError
from .rewards import described, find_kind

BOS_MODES = ("auto", "on", "off")
GROUPS = (
    "Run",
    "Sampling",
    "Rewards and KL",
    "PPO",
    "Optimisation",
    "Evaluation",
    "Models and data",
    "Machine",
)


def _knob(
    default: Any, group: str, help: str, *, unit: str = "", live: bool = False, label: str = "", **range_: Any
) -> Any:
    """A pydantic field with what a form needs to draw it. `range_`: gt, ge, le, min_length."""
    extra: dict[str, Any] = {"group": group, "unit": unit, "live": live, "label": label}
    return Field(default, description=help, json_schema_extra=extra, **range_)


class Config(BaseModel):
    """One run's hyperparameters. Construction raises `ConfigError`, which names each bad field, its value,
    and what is allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    # Run
    steps: int = _knob(
        100,
        "Run",
        "How many PPO steps to take. One step samples a batch, scores it, and updates the policy.",
        unit="steps",
        live=True,
        ge=1,
        le=1_000_000,
    )
    seed: int = _knob(
        0,
        "Run",
        "Start of every random number. The same seed and settings give the same run.",
        ge=0,
        le=2**31 - 1,
    )
    checkpoint_every: int = _knob(
        10,
        "Run",
        "Keep the models every so many steps, so that the run can be resumed or branched there. 0: only when "
        "it pauses, is edited or ends.",
        unit="steps",
        live=True,
        ge=0,
        le=1_000_000,
    )
    checkpoint_disk_mb: int = _knob(
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
    batch_size: int = _knob(
        256,
        "Sampling",
        "Reviews continued and scored in each step.",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    input_min_text_length: int = _knob(
        2,
        "Sampling",
        "Shortest opening of a review that is given to the policy.",
        unit="tokens",
        label="shortest query",
        ge=1,
        le=256,
    )
    input_max_text_length: int = _knob(
        8,
        "Sampling",
        "Longest opening of a review that is given to the policy (included).",
        unit="tokens",
        label="longest query",
        ge=1,
        le=256,
    )
    output_min_length: int = _knob(
        4,
        "Sampling",
        "Shortest continuation. Each sample's length is drawn between the two.",
        unit="tokens",
        live=True,
        label="shortest response",
        ge=1,
        le=256,
    )
    output_max_length: int = _knob(
        16,
        "Sampling",
        "Longest continuation (included).",
        unit="tokens",
        live=True,
        label="longest response",
        ge=1,
        le=256,
    )
    bos: Literal["auto", "on", "off"] = _knob(
        "auto",
        "Sampling",
        "The beginning-of-text token before each query: auto puts it where the policy's tokenizer does. It is"
        " not counted in the lengths.",
        label="beginning-of-text token",
    )
    temperature: float = _knob(
        1.0,
        "Sampling",
        "Divides the logits before sampling: below 1 more predictable, above 1 more random.",
        live=True,
        ge=0.01,
        le=10,
    )
    top_k: int = _knob(
        0,
        "Sampling",
        "Draw among the k likeliest tokens only. 0 is off. Ratios and KL ignore this restriction, so the KL "
        "is overstated: at k = 5 it can read five times what it is.",
        unit="tokens",
        live=True,
        ge=0,
        le=1_000_000,
    )
    top_p: float = _knob(
        1.0,
        "Sampling",
        "Draw among the likeliest tokens that hold this much probability. 1 is off. Ratios and KL ignore this"
        " restriction, so the KL is overstated.",
        live=True,
        gt=0,
        le=1,
    )

    # Rewards and KL
    adap_kl_ctrl: bool = _knob(
        True,
        "Rewards and KL",
        "Let the KL coefficient move so that the KL comes to its target; off keeps it at its initial value.",
        live=True,
        label="adaptive KL coefficient",
    )
    init_kl_coef: float = _knob(
        0.2,
        "Rewards and KL",
        "What one nat of KL from the reference costs, at the start of the run.",
        unit="score per nat",
        live=True,
        label="initial KL coefficient",
        ge=0,
        le=100,
    )
    target: float = _knob(
        6.0,
        "Rewards and KL",
        "The KL that the adaptive controller steers for.",
        unit="nats a sample",
        live=True,
        label="KL target",
        gt=0,
        le=1000,
    )
    horizon: float = _knob(
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
    kl_estimator: Literal["k1", "k2", "k3"] = _knob(
        "k1",
        "Rewards and KL",
        "How each token's KL is estimated for the penalty. k1: the log-ratio, unbiased; k2: half its square; "
        "k3: ratio − 1 − log-ratio. k2 and k3 are never negative.",
        live=True,
        label="KL estimator",
    )

    # PPO
    gamma: float = _knob(1.0, "PPO", "Discount of later rewards.", live=True, ge=0, le=1)
    lam: float = _knob(
        0.95,
        "PPO",
        "GAE's lambda: 0 trusts the value estimates, 1 trusts the sampled rewards.",
        live=True,
        ge=0,
        le=1,
    )
    cliprange: float = _knob(
        0.2,
        "PPO",
        "How far the ratio of new to old policy may move from 1 before the clip binds.",
        live=True,
        label="policy clip range",
        gt=0,
        le=1,
    )
    cliprange_value: float = _knob(
        0.2,
        "PPO",
        "How far a new value may move from the old one before the clip binds.",
        unit="score",
        live=True,
        label="value clip range",
        gt=0,
        le=100,
    )
    vf_coef: float = _knob(
        0.1,
        "PPO",
        "Weight of the value loss in the total loss.",
        live=True,
        label="value loss weight",
        ge=0,
        le=100,
    )
    ent_coef: float = _knob(
        0.0,
        "PPO",
        "Weight of the entropy bonus in the total loss: more keeps the policy varied. 0 is off.",
        live=True,
        label="entropy bonus",
        ge=0,
        le=10,
    )
    target_kl: float = _knob(
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
    learning_rate: float = _knob(1.41e-5, "Optimisation", "Adam's step size.", live=True, gt=0, le=1)
    ppo_epochs: int = _knob(
        4,
        "Optimisation",
        "Passes over the batch in each step's update.",
        unit="epochs",
        live=True,
        ge=1,
        le=100,
    )
    mini_batch_size: int = _knob(
        16,
        "Optimisation",
        "Samples in each gradient step. The last minibatch may be smaller.",
        unit="samples",
        live=True,
        ge=1,
        le=4096,
    )
    max_grad_norm: float = _knob(
        1.0,
        "Optimisation",
        "Gradients longer than this are shortened to it. 0 is off.",
        live=True,
        label="gradient clip",
        ge=0,
        le=1e6,
    )

    # Evaluation
    eval_every: int = _knob(
        10,
        "Evaluation",
        "Score the held-out openings every so many steps, before the first and after the last.",
        unit="steps",
        ge=1,
        le=1_000_000,
    )
    eval_batch_size: int = _knob(
        64,
        "Evaluation",
        "Held-out openings continued at each evaluation, with the same random numbers each time.",
        unit="samples",
        ge=2,
        le=4096,
    )

    # Models and data
    model_name: str = _knob(
        "lvwerra/gpt2-imdb",
        "Models and data",
        "The policy: builtin:policy, a local folder, or a name on the Hugging Face Hub.",
        label="policy model",
        min_length=1,
    )
    reward: str = _knob(
        "sentiment",
        "Models and data",
        f"What training raises. {described()}.",
        min_length=1,
    )
    reward_model: str = _knob(
        "lvwerra/distilbert-imdb",
        "Models and data",
        "The sentiment classifier: builtin:classifier, a local folder, or a name on the Hugging Face Hub.",
        min_length=1,
    )
    query_dataset: str = _knob(
        "stanfordnlp/imdb",
        "Models and data",
        "The reviews: builtin:reviews, a local folder or data file (CSV, TSV, JSON, JSON lines, Parquet, "
        "text), or a name on the Hugging Face Hub.",
        label="reviews",
        min_length=1,
    )
    text_column: str = _knob(
        "auto",
        "Models and data",
        "The column of the reviews that holds their text. auto takes `text`, else `review`, else the only "
        "column of text.",
        min_length=1,
    )
    positive_label: str = _knob(
        "POSITIVE",
        "Models and data",
        "Name of the classifier's label whose raw logit is the score. Checked at the start on two plain "
        "sentences.",
        min_length=1,
    )
    min_review_chars: int = _knob(
        200,
        "Models and data",
        "Only reviews longer than this give openings.",
        unit="characters",
        label="shortest review",
        ge=0,
        le=100_000,
    )

    size_limit_mb: int = _knob(
        10_000,
        "Models and data",
        "A model or a data set that is larger is neither downloaded nor read.",
        unit="MB",
        label="size limit of each source",
        ge=1,
        le=100_000_000,
    )

    # Machine
    device: Literal["auto", "cpu", "cuda", "mps"] = _knob(
        "auto", "Machine", "Where to train; auto takes the best there is."
    )
    precision: Literal["fp32", "bf16"] = _knob("fp32", "Machine", "Number format of the models' arithmetic.")
    threads: int = _knob(
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
            raise ConfigError([text for problem in error.errors() for text in _explain(problem)]) from None

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


@dataclass(frozen=True)
class Knob:
    """What a form, a command line or a table needs to know of one field of `Config`."""

    name: str
    label: str
    group: str
    help: str
    unit: str
    live: bool
    kind: type[int] | type[float] | type[bool] | type[str]
    choices: tuple[str, ...]
    default: Any
    minimum: float | None
    maximum: float | None
    open_minimum: bool

    @property
    def allowed(self) -> str:
        """What values are allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "text that is not empty"
        noun = "a whole number" if self.kind is int else "a number"
        low = f"above {self.minimum:g}" if self.open_minimum else f"from {self.minimum:g}"
        high = f"{self.maximum:,}".replace(",", " ") if self.kind is int else f"{self.maximum:g}"
        return f"{noun} {low} to {high}"


def _read_knob(name: str) -> Knob:
    field = Config.model_fields[name]
    extra: dict[str, Any] = dict(field.json_schema_extra)  # type: ignore[arg-type]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    bounds = {
        key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "le") if hasattr(item, key)
    }
    return Knob(
        name=name,
        label=extra["label"] or name.replace("_", " "),
        group=extra["group"],
        help=field.description or "",
        unit=extra["unit"],
        live=extra["live"],
        kind=str if choices else field.annotation,  # type: ignore[arg-type]
        choices=choices,
        default=field.default,
        minimum=bounds.get("ge", bounds.get("gt")),
        maximum=bounds.get("le"),
        open_minimum="gt" in bounds,
    )


KNOBS: dict[str, Knob] = {name: _read_knob(name) for name in Config.model_fields}


def _explain(problem: Any) -> list[str]:
    """One pydantic error as "field = value: what is allowed"; more than one only where fields contradict each
    other.
    """
    if not problem["loc"]:
        contradictions: list[str] = problem["ctx"]["error"].problems
        return contradictions
    name = str(problem["loc"][0])
    if name not in KNOBS:
        near = difflib.get_close_matches(name, KNOBS, n=1, cutoff=0.4)
        advice = f"did you mean {near[0]}?" if near else "allowed: " + ", ".join(KNOBS)
        return [f"{_shortened(name)}: there is no such setting; {advice}"]
    refusal = str(problem.get("ctx", {}).get("error", ""))
    wanted = refusal if refusal.startswith("must be") else f"must be {KNOBS[name].allowed}"
    return [f"{name} = {_shortened(problem['input'])}: {wanted}"]


def _shortened(value: Any) -> str:
    text = str(value) if isinstance(value, str | int | float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


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
            "A world built into this project: a 1M-parameter GPT-2, a small classifier and invented film "
            "reviews. No download, no GPU; positive within a minute on a laptop.",
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
            "The notebook's own: GPT-2 fine-tuned on IMDB, DistilBERT's sentiment, IMDB's reviews. "
            "Downloads about 900 MB from the Hugging Face Hub once; wants a GPU.",
            {},
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name, or a `ConfigError` that lists the names there are."""
    if name not in PRESETS:
        raise ConfigError([f"preset = {_shortened(name)}: must be one of {', '.join(PRESETS)}"])
    return PRESETS[name]
