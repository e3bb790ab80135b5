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
"""Under this name a run's versions say by which definitions its metrics were computed."""
METRICS_VERSION = "2"
"""2: explained variance by the values of before the update; the minibatch that `target_kl` ended an update at
counts.
"""

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
        """The text of every tooltip: name, meaning, formula, healthy range."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name}{unit}\n{self.meaning}\nFormula: {self.formula}\nHealthy: {self.healthy}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "env/reward_mean",
            "Score",
            "mean over the batch of the reward's score of each response",
            "What training wants to raise, before the KL penalty is taken off.",
            "rises, then levels off",
            _TRL,
            "logit",
        ),
        Metric(
            "env/reward_std",
            "Spread of the score",
            "standard deviation (n - 1) of the batch's scores",
            "How much the scores of one batch differ. A fall to almost 0 at a high score can mean that all "
            "samples became alike.",
            "above 0.3",
            _TRL,
            "logit",
            low=0.3,
        ),
        Metric(
            "eval/reward_mean",
            "Score on held-out openings",
            "mean score of the continuations of the held-out openings",
            "The score on reviews that training never sees, sampled with the same random numbers each time, "
            "after this step's update.",
            "follows the training score",
            _OURS,
            "logit",
        ),
        Metric(
            "eval/reward_se",
            "Standard error of the held-out score",
            "standard deviation / √n of the held-out scores",
            "How far the held-out score may be off because the held-out set is finite.",
            "small against the score's rise",
            _OURS,
            "logit",
        ),
        Metric(
            "env/response_length",
            "Response length",
            "mean number of response tokens",
            "How many tokens the policy wrote. Drawn at random unless the policy ends the text itself.",
            "steady",
            _OURS,
            "tokens",
        ),
        Metric(
            "env/eos_fraction",
            "Responses ended by the policy",
            "share of responses whose last token is end-of-text",
            "How often the policy ended its text before it reached the drawn length.",
            "steady; a rise to 1 means ever shorter texts",
            _OURS,
        ),
        Metric(
            "objective/kl",
            "KL from the reference",
            "mean over samples of Σₜ (log π_old(aₜ) − log π_ref(aₜ))",
            "How far the policy has moved from the frozen reference. High KL is where the reviews turn into "
            "nonsense that scores well.",
            "near its target; above 20 the text usually falls apart",
            _ZIEGLER,
            "nats a sample",
            high=20.0,
        ),
        Metric(
            "objective/kl_coef",
            "KL coefficient",
            "the controller's value β in −β (log π_old − log π_ref)",
            "The price of one nat of KL. The adaptive controller raises it while KL is above its target and "
            "lowers it while below.",
            "settles",
            _ZIEGLER,
            "score per nat",
        ),
        Metric(
            "objective/entropy",
            "Surprise of the samples",
            "mean over samples of Σₜ −log π_old(aₜ)",
            "How surprising the policy finds its own samples. It falls as the policy becomes sure of itself.",
            "falls slowly; a plunge means collapse",
            _TRL,
            "nats a sample",
        ),
        Metric(
            "ppo/mean_non_score_reward",
            "KL penalty a token",
            "mean over tokens of −β (log π_old − log π_ref)",
            "The part of a token's reward that is not the score.",
            "small against the score",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/loss/policy",
            "Policy loss",
            "mean over tokens of max(−A r, −A clip(r, 1 − ε, 1 + ε)), r = π / π_old",
            "The clipped surrogate, as a loss. Advantages are whitened, so only its sign says something: "
            "below 0 is better.",
            "around 0, mostly below",
            _PPO,
        ),
        Metric(
            "ppo/loss/value",
            "Value loss",
            "½ mean over tokens of max((V − R)², (clip(V, V_old ± ε_v) − R)²)",
            "How wrong the value head's forecasts of the return are, with the move per step limited.",
            "falls",
            _ZIEGLER,
            "score²",
        ),
        Metric(
            "ppo/loss/total",
            "Total loss",
            "policy loss + vf_coef · value loss − ent_coef · entropy",
            "What the optimizer minimises.",
            "no level to aim for",
            _PPO,
        ),
        Metric(
            "ppo/policy/entropy",
            "Entropy",
            "mean over tokens of −Σᵥ π(v) log π(v)",
            "How open the choice of the next token is. Near 0 the policy always writes the same.",
            "falls slowly; above 0.5",
            _PPO,
            "nats a token",
            low=0.5,
        ),
        Metric(
            "ppo/policy/approxkl",
            "Move of the update (half square)",
            "½ mean over tokens of (log π − log π_old)²",
            "How far the update moved the policy from the one that sampled, as the notebook estimates it.",
            "below 0.1",
            _TRL,
            "nats a token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/k3",
            "Move of the update (k3)",
            "mean over tokens of r − 1 − log r, r = π / π_old",
            "The same by an estimate that is unbiased and never negative; the update KL limit (target_kl) "
            "acts on it, by minibatch.",
            "below 0.1",
            _K3,
            "nats a token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/policykl",
            "Move of the update (signed)",
            "mean over tokens of log π_old − log π",
            "The plain estimate of the same. It can be negative by chance.",
            "near 0",
            _TRL,
            "nats a token",
        ),
        Metric(
            "ppo/policy/clipfrac",
            "Policy clip",
            "share of tokens where clip(r, 1 − ε, 1 + ε) changes the loss",
            "How many tokens wanted to move further than the clip range allows, and were held.",
            "below 30 %; 0 where an update has one gradient step",
            _PPO,
            high=0.3,
        ),
        Metric(
            "ppo/policy/clipfrac_after",
            "Policy clip after the update",
            "policy clip over the batch's first samples, after the last gradient step",
            "The other clip share is taken before each gradient step, so the last step's work is not in it. "
            "Here it is.",
            "below 40 %",
            _OURS,
            high=0.4,
        ),
        Metric(
            "ppo/policy/k3_after",
            "Move of the update, whole",
            "mean over tokens of r − 1 − log r, r = π / π_old, over the batch's first samples, after the last"
            " gradient step",
            "How far the policy is from the one that sampled once the update is done. Far above the update KL"
            " limit: one gradient step goes too far; lower the learning rate.",
            "below 0.1",
            _K3,
            "nats a token",
            high=0.1,
        ),
        Metric(
            "ppo/policy/ratio_after",
            "Largest ratio after the update",
            "the largest of r and 1 / r over the tokens of the batch's first samples, r = π / π_old, after "
            "the last gradient step",
            "The factor by which the update changed the probability of the token that it changed most.",
            "below 10",
            _OURS,
            high=10.0,
        ),
        Metric(
            "ppo/policy/first_ratio",
            "Ratio at the start",
            "the largest |r − 1| over the tokens of the first minibatch, before any gradient step",
            "0 but for rounding: sampling and update compute the same policy. More means that they don't, and"
            " the ratios are wrong.",
            "below 0.0001, with bf16 below 0.01",
            _OURS,
            high=1e-2,
        ),
        Metric(
            "ppo/policy/advantages_mean",
            "Mean advantage",
            "mean over tokens of the whitened advantage",
            "0 by construction; anything else is a bug.",
            "0",
            _TRL,
        ),
        Metric(
            "ppo/policy/grad_norm",
            "Gradient norm",
            "mean over gradient steps of ‖∇ total loss‖ before clipping",
            "The gradient's length before it is shortened to max_grad_norm.",
            "steady; spikes ask for a lower learning rate",
            _OURS,
        ),
        Metric(
            "ppo/policy/epochs",
            "Epochs done",
            "gradient steps taken / gradient steps in one epoch",
            "Below ppo_epochs when the update KL limit ended the update early. The minibatch that passed the "
            "limit is in the other figures, though no gradient step followed it.",
            "up to ppo_epochs; always below 1: lower the learning rate",
            _OURS,
            "epochs",
        ),
        Metric(
            "ppo/returns/mean",
            "Mean return",
            "mean over tokens of Rₜ = Aₜ + V_old,ₜ",
            "What the value head learns to forecast.",
            "follows the score",
            _GAE,
            "score",
        ),
        Metric(
            "ppo/returns/var",
            "Variance of returns",
            "variance (n − 1) over tokens of R",
            "How much there is to forecast.",
            "no level to aim for",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/vpred",
            "New values",
            "mean over tokens of V after the gradient steps so far",
            "The value head's forecasts during the update.",
            "follows the mean return",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/val/error",
            "Value error",
            "mean over tokens of (V − R)²",
            "The value head's squared error, without clipping.",
            "falls below the variance of returns",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/clipfrac",
            "Value clip",
            "share of tokens where clip(V, V_old ± ε_v) changes the loss",
            "How many values wanted to move further than the value clip range allows.",
            "below 30 %",
            _ZIEGLER,
            high=0.3,
        ),
        Metric(
            "ppo/val/clipfrac_after",
            "Value clip after the update",
            "value clip over the batch's first samples, after the last gradient step",
            "The other clip share is taken before each gradient step, so the last step's work is not in it. "
            "Here it is.",
            "below 40 %",
            _OURS,
            high=0.4,
        ),
        Metric(
            "ppo/val/mean",
            "Old values",
            "mean over tokens of V_old",
            "The value head's forecasts while sampling.",
            "follows the mean return",
            _TRL,
            "score",
        ),
        Metric(
            "ppo/val/var",
            "Variance of values",
            "variance (n − 1) over tokens of V_old",
            "How much the forecasts differ from token to token.",
            "below the variance of returns",
            _TRL,
            "score²",
        ),
        Metric(
            "ppo/val/var_explained",
            "Explained variance",
            "1 − Var(R − V_old) / Var(R) over tokens",
            "How much of the returns' differences the value head foretold before the update: 1 is all, 0 is "
            "none, below 0 is worse than none. Left out where all returns are equal.",
            "rises above 0; on short reviews 0.1 to 0.4 is good",
            "OpenAI baselines, as in CleanRL",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "ppo/val/bias",
            "Bias of the values",
            "mean over tokens of V_old − R",
            "How much too high the value head's forecasts are on average. Explained variance does not "
            "see it.",
            "near 0",
            _OURS,
            "score",
        ),
        Metric(
            "time/sample",
            "Sampling",
            "seconds",
            "Drawing the prompts and writing the continuations.",
            "",
            _OURS,
            "s",
        ),
        Metric("time/score", "Scoring", "seconds", "The reward on every query and response.", "", _OURS, "s"),
        Metric(
            "time/reference",
            "Reference",
            "seconds",
            "The frozen reference's log-probabilities.",
            "",
            _OURS,
            "s",
        ),
        Metric(
            "time/update", "Update", "seconds", "Rewards, advantages, and all gradient steps.", "", _OURS, "s"
        ),
        Metric(
            "time/evaluate",
            "Evaluation",
            "seconds",
            "The held-out openings, when they are due.",
            "",
            _OURS,
            "s",
        ),
        Metric(
            "time/record", "Recording", "seconds", "Making the step's record of every token.", "", _OURS, "s"
        ),
        Metric("time/step", "Whole step", "seconds", "All phases together.", "", _OURS, "s"),
    )
}
