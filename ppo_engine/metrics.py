"""Every metric, once: name, title, formula, meaning, unit, healthy range and source. Pages and tooltips
render this text.

In the formulas: B samples, tokens t of a response; π the policy being updated, π_old the one that sampled,
π_ref the frozen reference. "tokens" means response tokens only, and for the metrics of the update those of
every epoch that was not skipped. A metric that is not defined for a step (no gradient step, no variance) is
left out of its record.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFINITIONS = "metrics"
"""Key among a run's versions for the version of the metric definitions."""
METRICS_VERSION = "2"
"""2: explained variance from values before the update; the minibatch that exceeded `target_kl` counts."""

_PPO = "Schulman et al. 2017, Proximal Policy Optimization Algorithms"
_GAE = "Schulman et al. 2016, High-Dimensional Continuous Control Using GAE"
_ZIEGLER = "Ziegler et al. 2019, Fine-Tuning Language Models from Human Preferences"
_TRL = "the notebook's trainer (TRL 0.11), with masks and over the whole batch"
_K3 = "Schulman 2020, Approximating KL Divergence"
_OURS = "this project"


@dataclass(frozen=True)
class Metric:
    """One metric's definition. `low` and `high` bound the healthy range where there is one."""

    name: str
    title: str
    formula: str
    meaning: str
    healthy: str
    source: str
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def tooltip(self) -> str:
        """Tooltip text: name, meaning, formula, healthy range."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name}{unit}\n{self.meaning}\nFormula: {self.formula}\nHealthy: {self.healthy}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "env/reward_mean",
            "Score",
            "mean over the batch of the reward function's scores",
            "The quantity that training maximises, before the KL penalty.",
            "rises, then levels off",
            _TRL,
            "score",
        ),
        Metric(
            "env/reward_std",
            "Score spread",
            "standard deviation (n − 1) of the batch's scores",
            "How much the scores within a batch differ. Near 0 at a high score can mean that all samples "
            "have become alike.",
            "above 0: with a classifier's logits above 0.3",
            _TRL,
            "score",
        ),
        Metric(
            "eval/reward_mean",
            "Held-out score",
            "mean score of the continuations of the held-out openings",
            "The score on reviews never used in training, after this step's update, with the same random "
            "numbers at every evaluation.",
            "follows the training score",
            _OURS,
            "score",
        ),
        Metric(
            "eval/reward_se",
            "Standard error of the held-out score",
            "standard deviation / √n of the held-out scores",
            "Sampling error of the held-out score due to the finite number of held-out openings.",
            "small compared with the rise of the score",
            _OURS,
            "score",
        ),
        Metric(
            "env/response_length",
            "Response length",
            "mean number of response tokens",
            "Tokens per response. Lengths are drawn at random unless the policy emits end-of-text first.",
            "steady",
            _OURS,
            "tokens",
        ),
        Metric(
            "env/eos_fraction",
            "Responses ended by the policy",
            "share of responses whose last token is end-of-text",
            "How often the policy emits end-of-text before the drawn length is reached.",
            "steady; a rise towards 1 means ever shorter texts",
            _OURS,
        ),
        Metric(
            "objective/kl",
            "KL from the reference",
            "mean over samples of Σₜ (log π_old(aₜ) − log π_ref(aₜ))",
            "How far the policy has moved from the frozen reference. At high KL, texts tend to degenerate "
            "into nonsense that scores well.",
            "near its target; above 20 texts usually degenerate",
            _ZIEGLER,
            "nats per sample",
            high=20.0,
        ),
        Metric(
            "objective/kl_coef",
            "KL coefficient",
            "the controller's value β in −β · KLₜ",
            "Cost of one nat of KL. The adaptive controller raises it while the KL is above target, and "
            "lowers it while below.",
            "settles",
            _ZIEGLER,
            "score per nat",
        ),
        Metric(
            "objective/entropy",
            "Surprisal of the samples",
            "mean over samples of Σₜ −log π_old(aₜ)",
            "How unlikely the policy considers its own samples. It falls as the policy becomes more certain.",
            "falls slowly; a sudden drop means collapse",
            _TRL,
            "nats per sample",
        ),
        Metric(
            "ppo/mean_non_score_reward",
            "KL penalty per token",
            "mean over tokens of −β · KLₜ, by the run's KL estimator",
            "The part of the token reward that does not come from the score.",
            "small compared with the score",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/loss/policy",
            "Policy loss",
            "mean over tokens of max(−A r, −A clip(r, 1 − ε, 1 + ε)), r = π / π_old",
            "The clipped surrogate objective, as a loss. Since advantages are whitened, only its sign is "
            "informative: below 0 is better.",
            "around 0, mostly below",
            _PPO,
        ),
        Metric(
            "ppo/loss/value",
            "Value loss",
            "½ mean over tokens of max((V − R)², (clip(V, V_old ± ε_v) − R)²)",
            "Error of the value head's return estimates, with the change per step clipped.",
            "falls",
            _ZIEGLER,
            "score²",
        ),
        Metric(
            "ppo/loss/total",
            "Total loss",
            "policy loss + vf_coef · value loss − ent_coef · entropy",
            "The quantity the optimizer minimises.",
            "no target range",
            _PPO,
        ),
        Metric(
            "ppo/policy/entropy",
            "Entropy",
            "mean over tokens of −Σᵥ π(v) log π(v)",
            "Uncertainty over the next token. Near 0 the policy always writes the same text.",
            "falls slowly; above 0.5",
            _PPO,
            "nats per token",
            low=0.5,
        ),
        Metric(
            "ppo/policy/approxkl",
            "Policy change (k2)",
            "½ mean over tokens of (log π − log π_old)²",
            "How far the update moved the policy from the sampling policy, by the notebook's estimator.",
            "below 0.1",
            _TRL,
            "nats per token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/k3",
            "Policy change (k3)",
            "mean over tokens of r − 1 − log r, r = π / π_old",
            "The same quantity by an unbiased, non-negative estimator. The update KL limit (target_kl) "
            "applies to it, per minibatch.",
            "below 0.1",
            _K3,
            "nats per token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/policykl",
            "Policy change (k1)",
            "mean over tokens of log π_old − log π",
            "The same quantity by the plain log-ratio, which can be negative by chance.",
            "near 0",
            _TRL,
            "nats per token",
        ),
        Metric(
            "ppo/policy/clipfrac",
            "Policy clip fraction",
            "share of tokens where clip(r, 1 − ε, 1 + ε) changes the loss",
            "Share of tokens whose ratio would leave the clip range in the direction that lowers the loss.",
            "below 30 %; 0 if an update has a single gradient step",
            _PPO,
            high=0.3,
        ),
        Metric(
            "ppo/policy/clipfrac_after",
            "Policy clip fraction after the update",
            "policy clip fraction on the batch's first samples, after the last gradient step",
            "The per-step clip fraction is measured before each gradient step and misses the last one. This "
            "includes it.",
            "below 40 %",
            _OURS,
            high=0.4,
        ),
        Metric(
            "ppo/policy/k3_after",
            "Policy change of the whole update",
            "mean over tokens of r − 1 − log r, r = π / π_old, on the batch's first samples, after the last "
            "gradient step",
            "Distance from the sampling policy at the end of the update. If it is far above the update KL "
            "limit, a single gradient step overshoots: lower the learning rate.",
            "below 0.1",
            _K3,
            "nats per token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/ratio_after",
            "Largest ratio after the update",
            "maximum of r and 1 / r over the tokens of the batch's first samples, r = π / π_old, after the "
            "last gradient step",
            "The largest factor by which the update changed the probability of a token.",
            "below 10",
            _OURS,
            high=10.0,
        ),
        Metric(
            "ppo/policy/first_ratio",
            "Initial ratio error",
            "maximum of |r − 1| over the tokens of the first minibatch, before any gradient step",
            "0 up to rounding, because sampling and update evaluate the same policy. Larger values mean that "
            "they do not and that the ratios are wrong.",
            "below 0.0001; below 0.01 with bf16",
            _OURS,
            high=1e-2,
        ),
        Metric(
            "ppo/policy/advantages_mean",
            "Mean advantage",
            "mean over tokens of the whitened advantage",
            "0 by construction; any other value is a bug.",
            "0",
            _TRL,
        ),
        Metric(
            "ppo/policy/grad_norm",
            "Gradient norm",
            "mean over gradient steps of ‖∇ total loss‖ before clipping",
            "Norm of the gradient before it is clipped to max_grad_norm.",
            "steady; spikes call for a lower learning rate",
            _OURS,
        ),
        Metric(
            "ppo/policy/epochs",
            "Epochs completed",
            "gradient steps taken / gradient steps in one epoch",
            "Below ppo_epochs if the update KL limit ended the update early. The minibatch that exceeded the "
            "limit counts in the other metrics, although no gradient step followed it.",
            "up to ppo_epochs; if always below 1, lower the learning rate",
            _OURS,
            "epochs",
        ),
        Metric(
            "ppo/returns/mean",
            "Mean return",
            "mean over tokens of Rₜ = Aₜ + V_old,ₜ",
            "The target the value head is trained to predict.",
            "follows the score",
            _GAE,
            "score",
        ),
        Metric(
            "ppo/returns/var",
            "Return variance",
            "variance (n − 1) over tokens of R",
            "How much variation there is to predict.",
            "no target range",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/vpred",
            "New values",
            "mean over tokens of V after the gradient steps so far",
            "The value head's estimates during the update.",
            "follows the mean return",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/val/error",
            "Value error",
            "mean over tokens of (V − R)²",
            "Squared error of the value head, without clipping.",
            "falls below the return variance",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/clipfrac",
            "Value clip fraction",
            "share of tokens where clip(V, V_old ± ε_v) changes the loss",
            "Share of tokens whose value would move further than the value clip range allows.",
            "below 30 %",
            _ZIEGLER,
            high=0.3,
        ),
        Metric(
            "ppo/val/clipfrac_after",
            "Value clip fraction after the update",
            "value clip fraction on the batch's first samples, after the last gradient step",
            "The per-step clip fraction is measured before each gradient step and misses the last one. This "
            "includes it.",
            "below 40 %",
            _OURS,
            high=0.4,
        ),
        Metric(
            "ppo/val/mean",
            "Old values",
            "mean over tokens of V_old",
            "The value head's estimates at sampling time.",
            "follows the mean return",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/val/var",
            "Value variance",
            "variance (n − 1) over tokens of V_old",
            "How much the estimates differ between tokens.",
            "below the return variance",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/var_explained",
            "Explained variance",
            "1 − Var(R − V_old) / Var(R) over tokens",
            "Share of the return variance that the value head predicted before the update: 1 is perfect, 0 "
            "is no better than a constant, below 0 is worse. Undefined if all returns are equal.",
            "rises above 0; on short reviews 0.1 to 0.4 is good",
            "OpenAI baselines, as in CleanRL",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "ppo/val/bias",
            "Value bias",
            "mean over tokens of V_old − R",
            "Mean overestimation by the value head, which explained variance does not detect.",
            "near 0",
            _OURS,
            "score",
        ),
        Metric(
            "time/sample",
            "Sampling",
            "seconds",
            "Drawing the prompts and generating the continuations.",
            "",
            _OURS,
            "s",
        ),
        Metric("time/score", "Scoring", "seconds", "Scoring every query and response.", "", _OURS, "s"),
        Metric(
            "time/reference",
            "Reference",
            "seconds",
            "Computing the frozen reference's log-probabilities.",
            "",
            _OURS,
            "s",
        ),
        Metric(
            "time/update", "Update", "seconds", "Rewards, advantages and all gradient steps.", "", _OURS, "s"
        ),
        Metric(
            "time/evaluate",
            "Evaluation",
            "seconds",
            "Continuing and scoring the held-out openings, when an evaluation is due.",
            "",
            _OURS,
            "s",
        ),
        Metric(
            "time/record",
            "Recording",
            "seconds",
            "Building the step's record of every token.",
            "",
            _OURS,
            "s",
        ),
        Metric("time/step", "Whole step", "seconds", "All phases together.", "", _OURS, "s"),
    )
}
