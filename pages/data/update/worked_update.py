"""The numbers of the update itself: both clips, the gradient steps, and the same batch afterwards."""

from __future__ import annotations

from typing import Any

from ppo_engine.formatting import THIN_SPACE, signed, three_digits

from .batch import Batch, counted, given, inner, mean, number, or_nan, plus
from .heatmaps import Rows, diverging, flat, one_sided, tensor
from .worked_batch import Worked


def value_clip(b: Batch) -> Worked:
    old, new, target, reach = (
        b.at("value"),
        b.here(b.now("new_value")),
        b.at("return"),
        b.settings["cliprange_value"],
    )
    clips, terms = b.now("value_clip"), b.now("value_term")
    scale = diverging(flat([*b.tokens["value"], *b.now("new_value")]))
    worked, tensors = [], [b.column("Old value", "value", scale, "At sampling.")]
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
                "The training target of the value head.",
            ),
            tensor(
                "Larger of the two squared errors",
                terms,
                b.shape,
                one_sided("value", flat(terms)),
                "The value loss is half its mean.",
                marks=clips,
            ),
        ]
    return {"worked": worked, "tensors": tensors, "epochs": _epochs(b), "note": _trouble(b) or _bind(clips)}


def surrogate(b: Batch) -> Worked:
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
                "Above 1: more likely than at sampling. Underlined: the clip binds.",
                marks=clips,
            ),
            tensor(
                "Loss of each token",
                terms,
                b.shape,
                diverging(flat(terms)),
                "The larger of the two terms; the policy loss is its mean.",
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
    return (
        f"Here the clip binds at {counted(count, 'token')}." if count else "Here the clip binds at no token."
    )


def _trouble(b: Batch) -> str:
    trouble: str = b.walk["trouble"]
    return trouble if b.again is None or not b.update["gradient_steps"] else ""


def descent(b: Batch) -> Worked:
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
        # including the minibatch that ended the update
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
                "Policy loss, value loss and entropy bonus combined.",
                **names,
            ),
            tensor(
                "Gradient norm of each step", grids["grad_norms"], shape, norms, "Before clipping.", **names
            ),
        ]
    moved = update["moved"]
    count = f"{moved['weights']:,}".replace(",", THIN_SPACE)
    told = (
        f"Adam, with a learning rate of {given(settings['learning_rate'])}, changed {count} weights: the "
        f"largest change is {three_digits(or_nan(moved['largest']))}, the norm of the whole change "
        f"{three_digits(or_nan(moved['length']))}."
    )
    return {"worked": worked, "tensors": tensors, "note": " ".join(filter(None, (b.walk["trouble"], told)))}


def again(b: Batch) -> Worked:
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
                "tokens that moved in the direction of their advantage",
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
            "1: as likely as before.",
        )
    ]
    for label, name, scale in pairs:
        tensors += [
            b.column(f"{label} before", name, scale, "At sampling.", beside=True),
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
    """How many tokens' probabilities moved in the direction of their advantage, and of how many."""
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
        ("Mean score: the same texts, so the same scores", score, score),
        ("Mean log-probability per response", mean_sum(b.tokens["logprob"]), mean_sum(again["logprob"])),
        ("Mean KL per response", mean_sum(b.tokens["kl"]), mean_sum(again["kl"])),
        ("Mean reward per response", mean_sum(b.tokens["reward"]), mean_sum(again["reward"])),
        ("Mean squared error of the values", error(b.tokens["value"]), error(again["value"])),
    ]
    rows = [[label, signed(old), signed(new), signed(new - old)] for label, old, new in told]
    return {"head": ["", "before", "after", "change"], "rows": rows}
