"""The eleven stages of one PPO update, in words: what each is called, its formula, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .batch import Batch
from .worked import WORK
from .worked_batch import Worked


@dataclass(frozen=True)
class Stage:
    """A stage's own words."""

    key: str
    name: str
    title: str
    formulas: tuple[str, ...]
    explanation: str


def stages(
    walk: dict[str, Any] | None, token: tuple[int, int] | None = None, epoch: int | None = None
) -> dict[str, Any]:
    """The stages in order, of no walk their words alone, and the token that their formulas are worked for
    (row, position).

    Each stage: key, name, title, formulas, explanation, and what `worked.WORK` says.
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
        "Each sample starts from the first few words of a training review, cut after a random number of "
        "tokens. Shorter prompts are padded on the left, so that all of them end in the same column and the "
        "policy writes on from there. They are drawn with random numbers of this page's own: the run's next "
        "batch stays what it would have been.",
    ),
    Stage(
        "sampling",
        "Sampling",
        "The policy writes on, token by token",
        ("p_t = softmax(logits_t / temperature)[token_t]",),
        "For every next token the policy gives each word of its vocabulary a probability, and one is drawn by"
        " these odds. A likely token is drawn often and an unlikely one now and then, which is how the policy"
        " finds out what else might be liked. The probability of the token drawn is kept: later stages "
        "compare with it.",
    ),
    Stage(
        "score",
        "Score",
        "The reward scores the whole text",
        ("score = reward(query, response)",),
        "The reward gives each text one number; this page says below what the run's own reward is. It says "
        "nothing about single words: finding out which of them earned the score is what the next stages are "
        "for.",
    ),
    Stage(
        "logprobs",
        "Log-probabilities",
        "How far the policy has strayed from the reference",
        ("KL_t = log π(token_t) − log π_ref(token_t)",),
        "The reference is the model before training, frozen. Both are asked how likely each token of the "
        "response was. Their difference is above 0 where the policy now prefers the token more than it used "
        "to; summed over a response it estimates the KL divergence.",
    ),
    Stage(
        "rewards",
        "Token rewards",
        "What each token earns",
        ("r_t = −β · KL_t", "r_T = −β · KL_T + score   at the last token T"),
        "Straying from the reference costs β for each nat, so the policy can't just repeat the words that "
        "score best. The score is paid out once, at the last token, because it is about the whole "
        "text. β is the KL coefficient in force.",
    ),
    Stage(
        "gae",
        "Advantages",
        "GAE: who deserves the credit, worked out from the end",
        ("δ_t = r_t + γ · V_{t+1} − V_t", "A_t = δ_t + γλ · A_{t+1}", "R_t = A_t + V_t"),
        "The value head forecasts at each token what the rest of the response will bring. δ is the surprise: "
        "the reward and the next forecast against this one. Going backwards, each token's advantage is its "
        "own surprise plus a faded share of all that followed, so a word gets credit for the praise it "
        "led to.",
    ),
    Stage(
        "whitening",
        "Whitening",
        "Advantages brought to one size",
        ("Â_t = (A_t − mean) / √(variance + 1e−8)   over the batch's counted tokens",),
        "Advantages can be large in one batch and tiny in the next, and the size of the update would follow "
        "them. So they are shifted to mean 0 and scaled to variance 1, over all of the batch at once. Tokens "
        "above 0 will be made likelier, those below 0 less likely.",
    ),
    Stage(
        "value",
        "Value clip",
        "The value head learns, in short steps",
        (
            "V_clip = clip(V_new, V_old − ε, V_old + ε)",
            "loss_t = max((V_new − R)², (V_clip − R)²),   L_value = ½ mean",
        ),
        "The value head is trained to forecast the returns: its loss is the squared error. Once it has moved "
        "by more than ε from what it said while sampling, the clipped error counts if it is the larger one, "
        "and pulls no further. In the first minibatch nothing has moved yet, so old and new value agree.",
    ),
    Stage(
        "surrogate",
        "Ratio and clip",
        "The clipped surrogate: push, but not too far",
        (
            "ρ_t = exp(log π_new − log π_old)",
            "loss_t = max(−Â ρ, −Â clip(ρ, 1 − ε, 1 + ε)),   L_policy = mean",
        ),
        "The ratio says how much likelier a token is now than when it was drawn. The loss falls when good "
        "tokens become likelier and bad ones less likely, but beyond 1 ± ε the clip takes that gain away, so "
        "a single batch can't carry the policy off. Before the first gradient step every ratio is 1.",
    ),
    Stage(
        "descent",
        "Loss and step",
        "One loss, and a step down its gradient",
        (
            "L = L_policy + c_value · L_value − c_entropy · entropy",
            "gradient · min(1, max norm / norm), then Adam",
        ),
        "Both losses are added up, with an optional bonus for staying undecided, and the gradient says how "
        "every weight should move. Gradients longer than the limit are shortened, so that no odd batch "
        "throws the weights about. Adam takes one step for each minibatch, on a copy of the policy: the "
        "run's own weights stay as they are.",
    ),
    Stage(
        "again",
        "The batch again",
        "The same batch after the update",
        ("ρ_t = exp(log π_after − log π_before)",),
        "The same texts are put to the updated copy. Their scores cannot change, but how likely each token is"
        " has, and with it KL, rewards and values. Arrows show which way a number moved: most "
        "log-probabilities should have followed their advantage.",
    ),
)
