"""The trainer: an iterator of `StepRecord`s. No thread, no store, no printing: pausing is not asking for the
next one.

    for record in Trainer(Config.preset("tiny-reviews")):
        print(record.step, record.metrics)

The first record is step 0: the untrained policy on the held-out openings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import TypeVar

import torch
from torch import Tensor

from .. import ppo
from ..checkpoint_state import CheckpointState
from ..config import Config
from ..errors import ConfigError, NumericalError
from ..records import Rollout, Sample, StepRecord
from ..rewards import Scores, load_reward, reward_words
from ..sources.loaded import position_count
from ..sources.locate import abandonable
from ..sources.provenance import machine, of_model, of_reviews
from ..targets import Targets, score_targets
from . import step_record
from .decoding import Decoded, Decoder
from .device import check_threads, make_accelerator, within_memory
from .kl_control import KLControl
from .model_check import load_policy
from .models import SpecialTokens, frozen_reference
from .phases import Phases
from .prompts import HELD_OUT_SEED, Openings, read_reviews
from .rollout import forward_rows, in_the_updates_numerics, sample
from .update import Learner, Update, run_update

Loaded = TypeVar("Loaded")
_GENERATORS = ("openings", "lengths", "sampling", "minibatches")
_REVIEW_SETTINGS = ("query_dataset", "text_column", "min_review_chars")
_FIRST_RATIO_LIMIT = 0.01


class Trainer:
    """Iterates over a run's steps.

    config: replaced between steps only by one that differs in `live` fields; on_stage: told what begins, as
    "loading policy"; interrupted: asked between tokens and minibatches, True abandons the step.
    """

    def __init__(
        self,
        config: Config,
        on_stage: Callable[[str], None] = lambda stage: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config = config
        self.config_version = 0
        self.done_steps = 0
        self._phases = Phases(on_stage, interrupted)
        self._loaded = False

    def __iter__(self) -> Iterator[StepRecord]:
        """Yields step 0, then a record for each PPO step until `config.steps` are done."""
        self.load()
        if self.done_steps == 0:
            yield self.evaluate_untrained()
        while not self.done:
            yield self.step()

    @property
    def done(self) -> bool:
        """Whether every step has been taken."""
        return self.done_steps >= self.config.steps

    def load(self) -> None:
        """Loads models and reviews. Called by the iteration; calling it again does nothing."""
        if self._loaded:
            return
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        check_threads(self.config)
        torch.set_num_threads(self.config.threads or max(1, (os.cpu_count() or 2) - 1))
        self.accelerator = make_accelerator(self.config)
        self._generators = _seeded(self.config.seed * 1009)
        with within_memory(self.accelerator.device, "loading", "choose smaller models, or device = cpu"):
            self._load_models_and_reviews()
        self._loaded = True

    def _load_models_and_reviews(self) -> None:
        config = self.config
        longest = config.input_max_text_length, config.output_max_length
        policy, self.tokenizer, self.remarks = self._patiently(
            "loading policy", lambda: load_policy(config.model_name, *longest)
        )
        self.fingerprints = of_model("policy", policy.language_model, self.tokenizer)
        self.special_tokens = SpecialTokens.of(policy.language_model, self.tokenizer, self.config.bos)
        self.decoder = Decoder(self.tokenizer, policy.vocabulary_size)
        self._phases.stage("loading reference")
        self.reference = frozen_reference(policy).to(self.accelerator.device)
        device = self.accelerator.device
        self.reward = self._patiently(
            f"loading {reward_words(config).judge}", lambda: load_reward(config, device)
        )
        self.remarks += self.reward.remarks
        self.fingerprints |= self.reward.fingerprints
        self._load_openings()
        self.machine = machine(device, torch.get_num_threads())
        optimizer = torch.optim.Adam(policy.parameters(), lr=self.config.learning_rate, fused=True)
        self.policy, self.optimizer = self.accelerator.prepare(policy, optimizer)
        self.kl_control = KLControl(self.config)

    def step(self) -> StepRecord:
        """One PPO step: sample, score, reward, advantage, update, record."""
        config = self.config
        self._phases.begin()
        self.kl_control.follow(config)
        with self._phases.phase("sample", self.accelerator.device):
            rollout = self._for_an_update(self._sample(self._openings.draw(config.batch_size)))
            texts = step_record.decoded(self.decoder, rollout)
        with self._phases.phase("score", self.accelerator.device):
            scores = self.score(texts)
        with self._phases.phase("reference", self.accelerator.device):
            ref_logprobs = self._reference_logprobs(rollout)
        with self._phases.phase("update", self.accelerator.device):
            rewards, targets = self.targets(rollout, scores.total, ref_logprobs)
            update = self._update(rollout, targets)
            _check_first_ratios(update)
        with self._phases.phase("record", self.accelerator.device):
            ended = step_record.ended_by(rollout, self.special_tokens.end)
            kl = rollout.logprobs - ref_logprobs
            metrics = step_record.batch_metrics(rollout, scores.total, kl, rewards, targets, ended)
            metrics |= step_record.update_metrics(update, ceil(config.batch_size / config.mini_batch_size))
            metrics["objective/kl_coef"] = self.kl_control.controller.value
            samples = step_record.make_samples(texts, rollout, scores, kl.sum(1), ended)
            tokens = step_record.token_table(
                rollout,
                update,
                ref_logprobs,
                rewards,
                targets,
                scores.total,
                texts,
                self.kl_control.controller.value,
                config.gamma,
            )
        self.kl_control.controller.update(metrics["objective/kl"], config.batch_size)
        self.done_steps += 1
        eval_metrics, eval_samples = self.evaluate() if self._evaluation_is_due() else ({}, ())
        metrics |= eval_metrics | self._phases.seconds()
        return StepRecord(
            self.done_steps, datetime.now(UTC), self.config_version, metrics, samples, tokens, eval_samples
        )

    def evaluate_untrained(self) -> StepRecord:
        """Step 0: the policy before any update."""
        self._phases.begin()
        metrics, samples = self.evaluate()
        metrics |= self._phases.seconds()
        return StepRecord(0, datetime.now(UTC), self.config_version, metrics, eval_samples=samples)

    def state(self) -> tuple[CheckpointState, dict[str, Tensor]]:
        """What goes from step to step beside weights and optimizer: plain values, and tensors by name."""
        kl = self.kl_control
        state = CheckpointState(self.done_steps, self.config, kl.config, kl.controller.value)
        tensors = {f"generator.{name}": generator.get_state() for name, generator in self._generators.items()}
        return state, {**tensors, "openings": torch.tensor(self._openings.order, dtype=torch.int64)}

    def go_to(self, state: CheckpointState, tensors: Mapping[str, Tensor]) -> None:
        """Takes on such a state; what this trainer's own configuration asks to begin anew, begins anew."""
        self.done_steps = state.step
        self.kl_control = KLControl(state.controlled_by, state.kl_coef)
        if self.config.seed != state.config.seed:
            return
        for name, generator in self._generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        if all(getattr(self.config, name) == getattr(state.config, name) for name in _REVIEW_SETTINGS):
            self._openings.order = tensors["openings"].tolist()

    def continue_held_out(self, count: int, seed: int = HELD_OUT_SEED) -> tuple[list[Decoded], Rollout]:
        """Continues the first `count` held-out openings with the random numbers of `seed`."""
        openings = self._openings_of(self._held_out, torch.Generator().manual_seed(HELD_OUT_SEED))
        rollout = self._sample(openings.draw(count), _seeded(seed))
        return step_record.decoded(self.decoder, rollout), rollout

    def continue_openings(self, count: int, seed: int) -> Rollout:
        """Continues training openings as a step would, with random numbers of its own."""
        generators = _seeded(seed * 1009)
        openings = self._openings_of(self._openings.reviews, generators["openings"])
        return self._for_an_update(self._sample(openings.draw(count), generators))

    @property
    def kl_coef(self) -> float:
        """The KL coefficient of the next step: settings that were changed since the last one count."""
        return self.kl_control.in_force(self.config).value

    def check_fits(self, config: Config) -> None:
        """Raises `ConfigError` if texts of `config` could be longer than the loaded policy takes."""
        room, begin = self.room, len(self.special_tokens.begin)
        left = None if room is None else room - begin - config.input_max_text_length
        if left is not None and config.output_max_length > left:
            counted = f"input_max_text_length is {config.input_max_text_length}"
            counted += f", the beginning of text {begin}," if begin else ""
            raise ConfigError(
                [
                    f"output_max_length = {config.output_max_length}: must be at most {left}, because "
                    f"{counted} and the policy's context is {room} tokens"
                ]
            )

    @property
    def room(self) -> int | None:
        """How many tokens the policy takes in all; None where it knows no limit."""
        return position_count(self.accelerator.unwrap_model(self.policy).language_model.config)

    def _openings_of(self, reviews: Sequence[str], generator: torch.Generator) -> Openings:
        bounds = self.config.input_min_text_length, self.config.input_max_text_length
        return Openings(reviews, self.tokenizer, *bounds, generator, self.special_tokens.begin)

    def _load_openings(self) -> None:
        config = self.config
        arguments = config.query_dataset, config.min_review_chars, config.text_column
        reviews = self._patiently("loading reviews", lambda: read_reviews(*arguments))
        self._held_out = reviews.held_out
        self.remarks += reviews.remarks
        self.fingerprints |= of_reviews(reviews.train, self._held_out)
        self._openings = self._openings_of(reviews.train, self._generators["openings"])

    def _sample(
        self, queries: list[list[int]], generators: dict[str, torch.Generator] | None = None
    ) -> Rollout:
        config, generators = self.config, generators or self._generators
        self.check_fits(config)
        low, high, count = config.output_min_length, config.output_max_length, len(queries)
        lengths = torch.randint(low, high + 1, (count,), generator=generators["lengths"])
        uniforms = torch.rand(count, high, generator=generators["sampling"], dtype=torch.float64)
        if self.accelerator.device.type == "mps":
            uniforms = uniforms.float()
        with self.accelerator.autocast():
            return sample(
                self.accelerator.unwrap_model(self.policy),
                queries,
                lengths,
                uniforms,
                end_ids=self.special_tokens.end,
                pad_id=self.special_tokens.pad,
                temperature=config.temperature,
                top_k=config.top_k,
                top_p=config.top_p,
                between_tokens=self.give_up_if_interrupted,
            )

    def _for_an_update(self, rollout: Rollout) -> Rollout:
        """The rollout with log-probabilities and values that an update can be measured against."""
        if self.config.precision == "fp32":
            return rollout  # what sampling captured differs in the last digits only
        with self.accelerator.autocast():
            return in_the_updates_numerics(self.policy, rollout, *self._pass_by_pass)

    def score(self, texts: Sequence[Decoded]) -> Scores:
        """The reward's scores of these texts. Raises `NumericalError` for one that is not finite."""
        queries, responses = [text.query for text in texts], [text.response for text in texts]
        scores = self.reward.score(queries, responses, self.give_up_if_interrupted)
        bad = ~torch.isfinite(scores.total)
        if bad.any():
            row = int(bad.nonzero()[0])
            raise NumericalError(
                f"the {reward_words(self.config).judge}'s score of sample {row} is not finite: "
                f"“{texts[row].query}{texts[row].response}”"
            )
        return scores

    def _reference_logprobs(self, rollout: Rollout) -> Tensor:
        with self.accelerator.autocast():
            return forward_rows(self.reference, rollout, *self._pass_by_pass).logprobs

    @property
    def _pass_by_pass(self) -> tuple[int, float, Callable[[], None]]:
        """How whole rollouts go through a model: rows in a pass, temperature, what is done between passes."""
        return self.config.mini_batch_size, self.config.temperature, self.give_up_if_interrupted

    def targets(
        self, rollout: Rollout, scores: Tensor, ref_logprobs: Tensor
    ) -> tuple[ppo.TokenRewards, Targets]:
        """Token rewards and what follows from them, with the coefficient of the step under way."""
        config = self.config
        return score_targets(
            scores,
            rollout.logprobs,
            ref_logprobs,
            rollout.values,
            rollout.mask,
            kl_coef=self.kl_coef,
            gamma=config.gamma,
            lam=config.lam,
            kl_estimator=config.kl_estimator,
        )

    def _update(self, rollout: Rollout, targets: Targets) -> Update:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate
        learner = Learner(self.policy, self.optimizer, self.accelerator, self.config)
        minibatches = self._generators["minibatches"]
        return run_update(learner, rollout, targets, minibatches, self.give_up_if_interrupted)

    def _evaluation_is_due(self) -> bool:
        return self.done_steps % self.config.eval_every == 0 or self.done_steps >= self.config.steps

    def evaluate(self) -> tuple[dict[str, float], tuple[Sample, ...]]:
        """The `eval/...` metrics and held-out samples of the current policy; the run is unchanged."""
        with self._phases.phase("evaluate", self.accelerator.device):
            texts, rollout = self.continue_held_out(self.config.eval_batch_size)
            scores = self.score(texts)
            samples = step_record.make_samples(
                texts, rollout, scores, None, step_record.ended_by(rollout, self.special_tokens.end)
            )
            mean, spread = float(scores.total.mean()), float(scores.total.std())
        return {"eval/reward_mean": mean, "eval/reward_se": spread / len(samples) ** 0.5}, samples

    def _patiently(self, stage: str, load: Callable[[], Loaded]) -> Loaded:
        """What `load` gives; the run can end meanwhile, whatever it waits for."""
        return abandonable(stage, load, self._phases.stage, self.config.size_limit_mb)

    def give_up_if_interrupted(self) -> None:
        """Raises `StepAbandonedError` where the run has to end now; for between two pieces of work."""
        self._phases.give_up_if_interrupted()


def _seeded(seed: int) -> dict[str, torch.Generator]:
    """A generator for each purpose, so that what one draws changes nothing of another's."""
    return {name: torch.Generator().manual_seed(seed + i) for i, name in enumerate(_GENERATORS)}


def _check_first_ratios(update: Update) -> None:
    """Raises `NumericalError` where many ratios were off before any gradient step: what sampled was not what
    is trained.

    Not for a single one: where a mixture of experts is undecided between two, a rounding sends a token to the
    other.
    """
    if update.first_gap > _FIRST_RATIO_LIMIT:
        raise NumericalError(
            "before any gradient step, 5% of the ratios of new to old policy are off by "
            f"{update.first_gap:.2g} or more; all should be 1. This model's probabilities differ between "
            "sampling and training. Use shorter queries and responses, precision = fp32, or another model."
        )
