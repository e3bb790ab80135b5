"""The eleven stages of one PPO update, in words: name, formula and purpose of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .batch import Batch
from .worked import WORK
from .worked_batch import Worked


@dataclass(frozen=True)
class Stage:
    """A stage's texts."""

    key: str
    name: str
    title: str
    formulas: tuple[str, ...]
    explanation: str


def stages(
    walk: dict[str, Any] | None, token: tuple[int, int] | None = None, epoch: int | None = None
) -> dict[str, Any]:
    """The stages in order, without a walk their texts alone, and the token (row, position) of the formulas.

    Each stage: key, name, title, formulas, explanation, and what `worked.WORK` adds.
    """
    batch = Batch(walk, token, epoch) if walk else None
    empty: Worked = {"worked": [], "tensors": [], "note": ""}
    told = [
        {
            "key": stage.key,
            "name": stage.name,
            "title": stage.title,
            "formulas": list(stage.formulas),
            "explanation": stage.explanation,
            **empty,
            **(WORK[stage.key](batch) if batch else {}),
        }
        for stage in STAGES
    ]
    return {
        "stages": told,
        "token": [batch.row, batch.position] if batch else None,
        "epochs": batch.epochs if batch else [],
    }


STAGES = (
    Stage(
        "prompts",
        "Prompts",
        "How reviews begin",
        ("query = the first n tokens of a review, n drawn at random",),
        "Each sample starts with the first few words of a training review, cut after a random number of "
        "tokens. Shorter prompts are padded on the left, so that all end in the same column, where the "
        "policy continues. They are drawn with this page's own random numbers, so the run's next batch does "
        "not change.",
    ),
    Stage(
        "sampling",
        "Sampling",
        "The policy continues, token by token",
        ("p_t = softmax(logits_t / temperature)[token_t]",),
        "At each position the policy assigns a probability to every token of its vocabulary, and one token is"
        " sampled. Unlikely tokens are sampled now and then; this exploration is how the policy discovers "
        "better texts. The log-probability of the sampled token is stored: later stages compare with it.",
    ),
    Stage(
        "score",
        "Score",
        "The reward function scores the whole text",
        ("score = reward(query, response)",),
        "The reward function gives each text a single number; the note below describes this run's reward. The"
        " score says nothing about individual tokens: the next stages work out which of them earned it.",
    ),
    Stage(
        "logprobs",
        "Log-probabilities",
        "How far the policy has moved from the reference",
        ("KL_t = log π(token_t) − log π_ref(token_t)",),
        "The reference is the policy before training, frozen. Both models compute the log-probability of each"
        " response token. The difference is positive where the policy prefers the token more than the "
        "reference does; summed over a response, it estimates the KL divergence.",
    ),
    Stage(
        "rewards",
        "Token rewards",
        "The reward of each token",
        ("r_t = −β · KL_t", "r_T = −β · KL_T + score   at the last token T"),
        "Each nat of KL costs β, the KL coefficient in force, so that the policy cannot simply repeat the "
        "words that score best. The score is added once, at the last token, because it rates the whole text.",
    ),
    Stage(
        "gae",
        "Advantages",
        "GAE: credit assignment, from the last token back",
        ("δ_t = r_t + γ · V_{t+1} − V_t", "A_t = δ_t + γλ · A_{t+1}", "R_t = A_t + V_t"),
        "At each token, the value head predicts the return of the rest of the response. δ is the TD error: "
        "the reward plus the next value, minus this value. Working backwards, each token's advantage is its "
        "own TD error plus the later ones, discounted by γλ, so that a token gets credit for what followed "
        "from it.",
    ),
    Stage(
        "whitening",
        "Whitening",
        "Advantages normalised over the batch",
        ("Â_t = (A_t − mean) / √(variance + 1e−8)   over the batch's counted tokens",),
        "The scale of the advantages varies from batch to batch, and the size of the update would vary with "
        "it. So they are shifted to mean 0 and scaled to variance 1 over the whole batch. The update makes "
        "tokens above 0 more likely and those below 0 less likely.",
    ),
    Stage(
        "value",
        "Value clip",
        "The value head's clipped regression",
        (
            "V_clip = clip(V_new, V_old − ε, V_old + ε)",
            "loss_t = max((V_new − R)², (V_clip − R)²),   L_value = ½ mean",
        ),
        "The value head is trained to predict the returns, with a squared-error loss. Where a value has moved"
        " by more than ε from its value at sampling, the clipped error counts if it is the larger, and has no"
        " gradient. In the first minibatch nothing has moved yet, so old and new values agree.",
    ),
    Stage(
        "surrogate",
        "Ratio and clip",
        "The clipped surrogate objective",
        (
            "ρ_t = exp(log π_new − log π_old)",
            "loss_t = max(−Â ρ, −Â clip(ρ, 1 − ε, 1 + ε)),   L_policy = mean",
        ),
        "The ratio is the token's probability now over its probability at sampling. The loss falls as tokens "
        "with a positive advantage become more likely and those with a negative one less likely, but beyond "
        "1 ± ε the clip removes the incentive, so that a single batch cannot move the policy too far. Before "
        "the first gradient step every ratio is 1.",
    ),
    Stage(
        "descent",
        "Loss and step",
        "One loss, and a step down its gradient",
        (
            "L = L_policy + c_value · L_value − c_entropy · entropy",
            "gradient · min(1, max norm / norm), then Adam",
        ),
        "The total loss is the policy loss plus the weighted value loss, minus an optional entropy bonus. "
        "Gradients with a norm above the limit are scaled down, so that no unusual batch disrupts the "
        "weights. Adam takes one step per minibatch, on a copy of the policy: the run's own weights do not "
        "change.",
    ),
    Stage(
        "again",
        "The batch again",
        "The same batch after the update",
        ("ρ_t = exp(log π_after − log π_before)",),
        "The updated copy evaluates the same texts. Their scores are the same, but the log-probabilities have"
        " changed, and with them KL, rewards and values. Arrows show the direction of each change: most "
        "log-probabilities should have followed their advantage.",
    ),
)
