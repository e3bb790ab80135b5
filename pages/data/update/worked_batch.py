"""The numbers of the stages before the update: from prompts to whitened advantages."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ppo_engine.config import Config
from ppo_engine.formatting import MINUS, signed, three_digits
from ppo_engine.rewards import reward_words

from .batch import Batch, counted, given, inner, mean, number, or_nan, plus, subscript
from .heatmaps import diverging, flat, one_sided, tensor

Worked = dict[str, Any]


def prompts(b: Batch) -> Worked:
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
                "The policy's input: token ids.",
                words=words,
            )
        ],
    }


def sampling(b: Batch) -> Worked:
    logprob, settings = b.at("logprob"), b.settings
    chances = [[None if x is None else math.exp(x) for x in row] for row in b.tokens["logprob"]]
    restricted = [
        f"{name} = {settings[name]:g}" for name, off in (("top_k", 0), ("top_p", 1)) if settings[name] != off
    ]
    entropy = "Entropy of the policy's distribution: 0 where it was certain."
    note = (
        f"Tokens were sampled with {' and '.join(restricted)}; the probabilities are those of the full "
        "softmax."
    )
    return {
        "worked": [b.line(f"p{b.t} = exp({number(logprob)}) = {number(b.here(chances))}")],
        "tensors": [
            tensor(
                "Probability of the sampled token",
                chances,
                b.shape,
                one_sided("policy", 1),
                "Under the full softmax.",
            ),
            b.column("Entropy, nats", "entropy", one_sided("grey", flat(b.tokens["entropy"])), entropy),
        ],
        "note": note if restricted else "",
    }


def score(b: Batch) -> Worked:
    scores = [sample["score"] for sample in b.samples]
    terms = " + ".join(map(inner, scores))
    reward = b.walk.get("reward", _CLASSIFIER)
    total = b.line(f"mean = ({terms}) / {len(scores)} = {plus(mean(scores))}", "the batch's mean score")
    return {"worked": [total], "tensors": _score_parts(b, reward["parts"]), "note": reward["about"]}


_CLASSIFIER = asdict(reward_words(Config()))
"""The reward of runs recorded before the setting existed."""


def _score_parts(b: Batch, title: str) -> list[dict[str, Any]]:
    """The parts of the scores; nothing for a reward without parts."""
    labels = list(b.samples[0]["parts"])
    if not labels:
        return []
    parts = [[sample["parts"][label] for label in labels] for sample in b.samples]
    rows, columns = len(parts), len(labels)
    shape = f"({rows}, {columns}): {counted(rows, 'sample')} × {counted(columns, 'label')}"
    about = "Raw logits; the positive label's is the score."
    return [tensor(title, parts, shape, diverging(flat(parts)), about, columns=labels)]


def logprobs(b: Batch) -> Worked:
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
                "Above 0: more likely than before training.",
            ),
        ],
    }


def rewards(b: Batch) -> Worked:
    estimator = b.settings.get("kl_estimator", "k1")
    beta, last = b.walk["kl_coef"], len(b.samples[b.row]["tokens"]) - 1
    penalised = "kl_estimate" if "kl_estimate" in b.tokens else "kl"  # which older runs lack
    kl, reward, score = b.tokens[penalised][b.row], b.tokens["reward"][b.row], b.samples[b.row]["score"]
    end = b.line(
        f"r{subscript(last + 1)} = {MINUS}{number(beta)} × {inner(kl[last])} + {inner(score)} = "
        f"{plus(reward[last])}",
        f"token {last + 1}, the last of sample {b.row}",
    )
    own = b.line(f"r{b.t} = {MINUS}{number(beta)} × {inner(b.at(penalised))} = {plus(b.at('reward'))}")
    return {
        "worked": [end] if b.position == last else [own, end],
        "tensors": [
            b.column(
                "KL penalty: −β KL",
                "kl_penalty",
                diverging(flat(b.tokens["kl_penalty"]), least=1e-3),
                "The cost of moving away from the reference.",
            ),
            b.column(
                "Reward",
                "reward",
                diverging(flat(b.tokens["reward"])),
                "The penalty, plus the score at the last token.",
            ),
        ],
        "note": "" if estimator == "k1" else f"KL here is the estimate {estimator} of each token's KL.",
    }


def gae(b: Batch) -> Worked:
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
                "Value V: the predicted return",
                "value",
                diverging(flat(b.tokens["value"])),
                "The value head's output at sampling.",
            ),
            b.column("TD error δ", "delta", scale, "Reward plus next value, minus this value."),
            b.column(
                "Advantage A",
                "advantage",
                scale,
                "This TD error plus later ones, discounted.",
                reveal="backwards",
            ),
            b.column(
                "Return R",
                "return",
                diverging(flat(b.tokens["return"])),
                "The value head's training target: A + V.",
            ),
        ],
        "note": f"V{u} is 0: nothing comes after the last token." if b.position + 1 == len(sums) else "",
    }


def whitening(b: Batch) -> Worked:
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
                "The advantages from GAE.",
            ),
            b.column("After: mean 0, variance 1", "whitened", diverging(flat(b.tokens["whitened"])), about),
        ],
        "note": (
            "A single counted token has no variance to scale by: its whitened advantage is 0."
            if count < 2
            else ""
        ),
    }
