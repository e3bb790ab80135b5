"""The numbers of one PPO update, stage by stage: formulas with a batch's numbers in them, and the tensors as
heatmaps.

Made of what the job `update_trace` leaves in the store. The words around them are in `stages`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ppo_engine.config import Config
from ppo_engine.formatting import MINUS, THIN_SPACE, signed, three_digits
from ppo_engine.rewards import reward_words

from .batch import Batch, counted, given, inner, mean, number, or_nan, plus, subscript
from .heatmaps import Rows, diverging, flat, one_sided, tensor

Worked = dict[str, Any]


def _prompts(b: Batch) -> Worked:
    rows, columns = b.walk["query_shape"]
    lengths = [len(sample["query_tokens"]) for sample in b.samples]
    total = sum(lengths)
    ids = [[None] * (columns - len(sample["query_ids"])) + sample["query_ids"] for sample in b.samples]
    words = [[""] * (columns - len(sample["query_tokens"])) + sample["query_tokens"] for sample in b.samples]
    shape = (
        f"({rows}, {columns}): {counted(rows, 'prompt')} × up to {counted(columns, 'token')}, {total} real"
    )
    low, high = b.settings["input_min_text_length"], b.settings["input_max_text_length"]
    return {
        "worked": [
            b.line(
                f"tokens = {' + '.join(map(str, lengths))} = {total}",
                f"all prompts, each {low} to {high} tokens long",
            ),
            b.line(
                f"padding = {rows} × {columns} − {total} = {rows * columns - total}",
                "blank cells on the left",
            ),
        ],
        "tensors": [
            tensor(
                "Prompts as token ids",
                ids,
                shape,
                {"kind": "none"},
                "What the policy reads: each token's id.",
                words=words,
            )
        ],
    }


def _sampling(b: Batch) -> Worked:
    logprob, settings = b.at("logprob"), b.settings
    chances = [[None if x is None else math.exp(x) for x in row] for row in b.tokens["logprob"]]
    restricted = [
        f"{name} = {settings[name]:g}" for name, off in (("top_k", 0), ("top_p", 1)) if settings[name] != off
    ]
    entropy = "How many nats of choice the policy had: 0 where it was certain."
    note = (
        f"Tokens were drawn with {' and '.join(restricted)}; the probabilities are those of the whole "
        "softmax."
    )
    return {
        "worked": [b.line(f"p{b.t} = exp({number(logprob)}) = {number(b.here(chances))}")],
        "tensors": [
            tensor(
                "Probability of the token that was drawn",
                chances,
                b.shape,
                one_sided("policy", 1),
                "Under the whole softmax.",
            ),
            b.column("Entropy, nats", "entropy", one_sided("grey", flat(b.tokens["entropy"])), entropy),
        ],
        "note": note if restricted else "",
    }


def _score(b: Batch) -> Worked:
    scores = [sample["score"] for sample in b.samples]
    terms = " + ".join(map(inner, scores))
    reward = b.walk.get("reward", _CLASSIFIER)
    total = b.line(f"mean = ({terms}) / {len(scores)} = {plus(mean(scores))}", "the batch's mean score")
    return {"worked": [total], "tensors": _score_parts(b, reward["parts"]), "note": reward["about"]}


_CLASSIFIER = asdict(reward_words(Config()))
"""The reward of runs that were recorded before there was a choice."""


def _score_parts(b: Batch, title: str) -> list[dict[str, Any]]:
    """What the scores were read from; nothing for a reward without parts."""
    labels = list(b.samples[0]["parts"])
    if not labels:
        return []
    parts = [[sample["parts"][label] for label in labels] for sample in b.samples]
    rows, columns = len(parts), len(labels)
    shape = f"({rows}, {columns}): {counted(rows, 'sample')} × {counted(columns, 'label')}"
    about = "Raw logits; the positive one is the score."
    return [tensor(title, parts, shape, diverging(flat(parts)), about, columns=labels)]


def _logprobs(b: Batch) -> Worked:
    policy, reference = b.tokens["logprob"], b.tokens["ref_logprob"]
    limit = flat([*policy, *reference])
    return {
        "worked": [
            b.line(f"KL{b.t} = {number(b.at('logprob'))} − {inner(b.at('ref_logprob'))} = {plus(b.at('kl'))}")
        ],
        "tensors": [
            b.column(
                "log π: the policy's log-probability",
                "logprob",
                one_sided("policy", limit, below=True),
                "Nats.",
            ),
            b.column(
                "log π_ref: the reference's",
                "ref_logprob",
                one_sided("grey", limit, below=True),
                "Nats, on the same scale.",
            ),
            b.column(
                "KL: their difference",
                "kl",
                diverging(flat(b.tokens["kl"]), least=1e-3),
                "Above 0: likelier than before training.",
            ),
        ],
    }


def _rewards(b: Batch) -> Worked:
    beta, last = b.walk["kl_coef"], len(b.samples[b.row]["tokens"]) - 1
    kl, reward, score = b.tokens["kl"][b.row], b.tokens["reward"][b.row], b.samples[b.row]["score"]
    end = b.line(
        f"r{subscript(last + 1)} = {MINUS}{number(beta)} × {inner(kl[last])} + {inner(score)} = "
        f"{plus(reward[last])}",
        f"token {last + 1}, the last of sample {b.row}",
    )
    own = b.line(f"r{b.t} = {MINUS}{number(beta)} × {inner(b.at('kl'))} = {plus(b.at('reward'))}")
    return {
        "worked": [end] if b.position == last else [own, end],
        "tensors": [
            b.column(
                "KL penalty: −β KL",
                "kl_penalty",
                diverging(flat(b.tokens["kl_penalty"]), least=1e-3),
                "What straying costs.",
            ),
            b.column(
                "Reward",
                "reward",
                diverging(flat(b.tokens["reward"])),
                "The penalty, and at the last token the score.",
            ),
        ],
    }


def _gae(b: Batch) -> Worked:
    gamma, lam = b.settings["gamma"], b.settings["lam"]
    reward, value, later = b.at("reward"), b.at("value"), b.at("value", 1)
    t, u = b.t, subscript(b.position + 2)
    factor = given(gamma * lam)
    deltas, sums = b.tokens["delta"][b.row], b.tokens["advantage"][b.row]
    after = [*sums[1:], 0.0]
    running = [
        {
            "position": i,
            "token": b.samples[b.row]["tokens"][i],
            "sum": sums[i],
            "text": (
                f"A{subscript(i + 1)} = {number(deltas[i])} + {factor} × {inner(after[i])} = {plus(sums[i])}"
            ),
        }
        for i in reversed(range(len(sums)))
    ]
    scale = diverging(flat([*b.tokens["advantage"], *b.tokens["delta"]]))
    return {
        "worked": [
            b.line(
                f"δ{t} = {number(reward)} + {given(gamma)} × {inner(later)} − {inner(value)} = "
                f"{plus(b.at('delta'))}"
            ),
            b.line(
                f"A{t} = {number(b.at('delta'))} + {factor} × {inner(b.at('advantage', 1))} = "
                f"{plus(b.at('advantage'))}"
            ),
            b.line(f"R{t} = {number(b.at('advantage'))} + {inner(value)} = {plus(b.at('return'))}"),
        ],
        "running": {
            "title": f"The running sum of sample {b.row}, from its last token back (γλ = {factor})",
            "lines": running,
        },
        "tensors": [
            b.column(
                "Value V: the return that was expected",
                "value",
                diverging(flat(b.tokens["value"])),
                "The value head's forecast.",
            ),
            b.column("Surprise δ", "delta", scale, "What this token brought beyond what had been expected."),
            b.column(
                "Advantage A",
                "advantage",
                scale,
                "This surprise and, fading, all later ones.",
                reveal="backwards",
            ),
            b.column(
                "Return R",
                "return",
                diverging(flat(b.tokens["return"])),
                "What the value head is to learn to forecast: A + V.",
            ),
        ],
        "note": f"V{u} is 0: nothing comes after the last token." if b.position + 1 == len(sums) else "",
    }


def _whitening(b: Batch) -> Worked:
    middle, var, count = (b.walk["whitening"][name] for name in ("mean", "var", "count"))
    advantage = b.at("advantage")
    about = "Mean 0 and variance 1 over all counted tokens of the batch."
    return {
        "worked": [
            b.line(
                f"Â{b.t} = ({number(advantage)} − {inner(middle)}) / √({number(var)} + 1e−8) = "
                f"{plus(b.at('whitened'))}"
            )
        ],
        "tensors": [
            b.column(
                f"Before: mean {signed(or_nan(middle))}, variance {three_digits(or_nan(var))}",
                "advantage",
                diverging(flat(b.tokens["advantage"])),
                "The advantages as GAE left them.",
            ),
            b.column("After: mean 0, variance 1", "whitened", diverging(flat(b.tokens["whitened"])), about),
        ],
        "note": (
            "With a single counted token there is no spread to scale by: its whitened advantage is 0."
            if count < 2
            else ""
        ),
    }


def _value_clip(b: Batch) -> Worked:
    old, new, target, reach = (
        b.at("value"),
        b.here(b.now("new_value")),
        b.at("return"),
        b.settings["cliprange_value"],
    )
    clips, terms = b.now("value_clip"), b.now("value_term")
    scale = diverging(flat([*b.tokens["value"], *b.now("new_value")]))
    worked, tensors = [], [b.column("Old value", "value", scale, "While sampling.")]
    if new is not None and old is not None and target is not None:
        held = min(max(new, old - reach), old + reach)
        edge = f"clip({number(new)}, {number(old)} − {given(reach)}, {number(old)} + {given(reach)})"
        squares = f"max(({number(new)} − {inner(target)})², ({number(held)} − {inner(target)})²)"
        worked = [
            b.line(f"V_clip = {edge} = {number(held)}"),
            b.line(f"loss{b.t} = {squares} = {number(b.here(terms))}"),
        ]
    if b.epochs:
        tensors += [
            tensor(
                f"New value, {_when(b.epoch)}",
                b.now("new_value"),
                b.shape,
                scale,
                "Underlined: the clip binds.",
                marks=clips,
            ),
            b.column(
                "Return, the target",
                "return",
                diverging(flat(b.tokens["return"])),
                "What the value head should have said.",
            ),
            tensor(
                "Greater of the two squared errors",
                terms,
                b.shape,
                one_sided("value", flat(terms)),
                "Its mean is halved.",
                marks=clips,
            ),
        ]
    return {"worked": worked, "tensors": tensors, "epochs": _epochs(b), "note": _trouble(b) or _bind(clips)}


def _surrogate(b: Batch) -> Worked:
    old, new, reach, advantage = (
        b.at("logprob"),
        b.here(b.now("new_logprob")),
        b.settings["cliprange"],
        b.at("whitened"),
    )
    ratio, terms, clips = b.here(b.now("ratio")), b.now("policy_term"), b.now("policy_clip")
    worked, tensors = (
        [],
        [
            b.column(
                "Whitened advantage Â", "whitened", diverging(flat(b.tokens["whitened"])), "From stage 7."
            )
        ],
    )
    if new is not None and old is not None and ratio is not None and advantage is not None:
        low, high = given(1 - reach), given(1 + reach)
        held = f"clip({number(ratio)}, {low}, {high})"
        minus = number(-advantage)
        worked = [
            b.line(f"ρ{b.t} = exp({number(new)} − {inner(old)}) = {number(ratio)}"),
            b.line(f"loss{b.t} = max({minus} × {number(ratio)}, {minus} × {held}) = {plus(b.here(terms))}"),
        ]
    if b.epochs:
        scale = diverging(flat(b.now("ratio")), centre=1, least=0.01)
        told = f"Ratio ρ, {_when(b.epoch)}"
        tensors += [
            tensor(
                told,
                b.now("ratio"),
                b.shape,
                scale,
                "Above 1: likelier than when it was drawn. Underlined: the clip binds.",
                marks=clips,
            ),
            tensor(
                "Loss of each token",
                terms,
                b.shape,
                diverging(flat(terms)),
                "The greater of the two; its mean is the loss.",
                marks=clips,
            ),
        ]
    return {"worked": worked, "tensors": tensors, "epochs": _epochs(b), "note": _trouble(b) or _bind(clips)}


def _epochs(b: Batch) -> dict[str, Any]:
    return {"chosen": b.epoch, "choices": [{"epoch": epoch, "label": _when(epoch)} for epoch in b.epochs]}


def _when(epoch: int) -> str:
    return f"epoch {epoch}" if epoch else "after the update"


def _bind(clips: Rows) -> str:
    count = sum(sum(map(bool, row)) for row in clips if row)
    return f"Here the clip binds at {counted(count, 'token')}." if count else "Here the clip binds nowhere."


def _trouble(b: Batch) -> str:
    trouble: str = b.walk["trouble"]
    return trouble if b.again is None or not b.update["gradient_steps"] else ""


def _descent(b: Batch) -> Worked:
    update, settings = b.update, b.settings
    means, steps, minibatches = update["means"], len(update["grad_norms"]), update["minibatches"]
    limit, worked, tensors = settings["max_grad_norm"], [], []
    if means:
        policy, value, entropy, total = (
            means[f"ppo/{name}"] for name in ("loss/policy", "loss/value", "policy/entropy", "loss/total")
        )
        sums = (
            f"{number(policy)} + {given(settings['vf_coef'])} × {inner(value)} − "
            f"{given(settings['ent_coef'])} × {inner(entropy)}"
        )
        # the one that ended the update too
        seen = update["gradient_steps"] + (update["gradient_steps"] < update["planned"])
        of = f"{seen} minibatch{'es' if seen != 1 else ''}"
        worked.append(b.line(f"L = {sums} = {plus(total)}", f"mean over the tokens of {of}"))
    if limit and steps and update["grad_norms"][0]:
        norm = update["grad_norms"][0]
        worked.append(
            b.line(
                f"factor = min(1, {given(limit)} / {number(norm)}) = {number(min(1, limit / norm))}",
                "first gradient step",
            )
        )
    if steps:
        grids = {
            name: [update[name][i : i + minibatches] for i in range(0, steps, minibatches)]
            for name in ("losses", "grad_norms")
        }
        rows = len(grids["losses"])
        shape = (
            f"({rows}, {minibatches}): {counted(rows, 'epoch')} × {minibatches} "
            f"{'minibatch' if minibatches == 1 else 'minibatches'}"
        )
        names = {
            "columns": [f"minibatch {i + 1}" for i in range(minibatches)],
            "rows": [f"epoch {i + 1}" for i in range(rows)],
        }
        losses, norms = diverging(flat(grids["losses"])), one_sided("policy", flat(grids["grad_norms"]))
        tensors = [
            tensor(
                "Loss of each gradient step",
                grids["losses"],
                shape,
                losses,
                "Policy, value and entropy together.",
                **names,
            ),
            tensor(
                "Gradient norm of each", grids["grad_norms"], shape, norms, "Before it is shortened.", **names
            ),
        ]
    moved = update["moved"]
    count = f"{moved['weights']:,}".replace(",", THIN_SPACE)
    told = (
        f"Adam, with a learning rate of {given(settings['learning_rate'])}, changed {count} weights: one by "
        f"at most {three_digits(or_nan(moved['largest']))}, all of them by a vector of length "
        f"{three_digits(or_nan(moved['length']))}."
    )
    return {"worked": worked, "tensors": tensors, "note": " ".join(filter(None, (b.walk["trouble"], told)))}


def _again(b: Batch) -> Worked:
    again = b.again
    if again is None:
        return {"note": b.walk["trouble"]}
    old, new = b.at("logprob"), b.here(again["logprob"])
    agreed, asked = _agreement(b.tokens["whitened"], b.tokens["logprob"], again["logprob"])
    worked = [b.line(f"ρ{b.t} = exp({number(new)} − {inner(old)}) = {number(b.here(again['ratio']))}")]
    if asked:
        worked.append(
            b.line(
                f"share = {agreed} / {asked} = {number(agreed / asked)}",
                "tokens that moved the way their advantage asked",
            )
        )
    limit = flat([*b.tokens["logprob"], *again["logprob"]])
    logprob, reward = (
        one_sided("policy", limit, below=True),
        diverging(flat([*b.tokens["reward"], *again["reward"]])),
    )
    value = diverging(flat([*b.tokens["value"], *again["value"]]))
    pairs = [("Log-probability", "logprob", logprob), ("Reward", "reward", reward), ("Value", "value", value)]
    tensors = [
        tensor(
            "Ratio ρ of after to before",
            again["ratio"],
            b.shape,
            _ratio_scale(again["ratio"]),
            "1: this token is as likely as before.",
        )
    ]
    for label, name, scale in pairs:
        tensors += [
            b.column(f"{label} before", name, scale, "While sampling.", beside=True),
            tensor(
                f"{label} after",
                again[name],
                b.shape,
                scale,
                "After the update.",
                beside=True,
                since=b.tokens[name],
            ),
        ]
    return {"worked": worked, "tensors": tensors, "table": _changes(b, again), "note": _trouble(b)}


def _ratio_scale(ratio: Rows) -> dict[str, Any]:
    return diverging(flat(ratio), centre=1, least=0.01)


def _agreement(advantages: Rows, before: Rows, after: Rows) -> tuple[int, int]:
    """How many tokens became likelier where the advantage was above 0 or less likely where it was below, of
    how many.
    """
    moves = [
        (a, n - o)
        for wanted, old, new in zip(advantages, before, after, strict=True)
        for a, o, n in zip(wanted or (), old or (), new or (), strict=True)
        if a and o is not None and n is not None
    ]
    return sum(a * change > 0 for a, change in moves), len(moves)


def _changes(b: Batch, again: dict[str, Rows]) -> dict[str, Any]:
    """The batch in five numbers, before and after."""

    def mean_sum(rows: Rows) -> float:
        return or_nan(
            mean([None if row is None or None in row else sum(x or 0 for x in row) for row in rows])
        )

    def error(values: Rows) -> float:
        pairs = zip(flat(values), flat(b.tokens["return"]), strict=False)
        return or_nan(mean([(value - target) ** 2 for value, target in pairs]))

    score = or_nan(mean([sample["score"] for sample in b.samples]))
    told = [
        ("Score, mean: the same texts, so the same scores", score, score),
        ("Log-probability of a response, mean", mean_sum(b.tokens["logprob"]), mean_sum(again["logprob"])),
        ("KL of a response, mean", mean_sum(b.tokens["kl"]), mean_sum(again["kl"])),
        ("Reward of a response, mean", mean_sum(b.tokens["reward"]), mean_sum(again["reward"])),
        ("Squared error of the values, mean", error(b.tokens["value"]), error(again["value"])),
    ]
    rows = [[label, signed(old), signed(new), signed(new - old)] for label, old, new in told]
    return {"head": ["", "before", "after", "change"], "rows": rows}


WORK: dict[str, Callable[[Batch], Worked]] = {
    "prompts": _prompts,
    "sampling": _sampling,
    "score": _score,
    "logprobs": _logprobs,
    "rewards": _rewards,
    "gae": _gae,
    "whitening": _whitening,
    "value": _value_clip,
    "surrogate": _surrogate,
    "descent": _descent,
    "again": _again,
}
"""Each stage's numbers and tensors for a batch: worked (lines: of, text), tensors, note; some have table,
running, epochs.
"""
