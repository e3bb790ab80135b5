"""Every formula of ppo.py again, in plain Python floats (float64), one token at a time: slow, obvious,
sharing no code.

`x[b][t]` is sample b's token t; `mask[b][t]` is True where the token counts. Cells outside the mask are never
read.
"""

from __future__ import annotations

import math

Table = list[list[float]]
Mask = list[list[bool]]


def counted(mask: Mask) -> list[tuple[int, int]]:
    return [(b, t) for b, row in enumerate(mask) for t, there in enumerate(row) if there]


def blank(mask: Mask, fill: float = 0.0) -> Table:
    return [[fill for _ in row] for row in mask]


def masked_mean(x: Table, mask: Mask) -> float:
    total, count = 0.0, 0
    for b, t in counted(mask):
        total += x[b][t]
        count += 1
    return total / count if count else 0.0


def masked_var(x: Table, mask: Mask, unbiased: bool = True) -> float:
    cells = counted(mask)
    if len(cells) < 2:
        return 0.0
    mean = masked_mean(x, mask)
    squares = sum((x[b][t] - mean) ** 2 for b, t in cells)
    return squares / (len(cells) - 1 if unbiased else len(cells))


def masked_whiten(x: Table, mask: Mask, shift_mean: bool = True) -> Table:
    mean, deviation = masked_mean(x, mask), math.sqrt(masked_var(x, mask) + 1e-8)
    white = blank(mask)
    for b, t in counted(mask):
        white[b][t] = (x[b][t] - mean) / deviation + (0.0 if shift_mean else mean)
    return white


def log_softmax(logits: list[float]) -> list[float]:
    highest = max(logits)
    total = math.log(sum(math.exp(logit - highest) for logit in logits)) + highest
    return [logit - total for logit in logits]


def logprobs_from_logits(logits: list[Table], labels: list[list[int]]) -> Table:
    return [
        [log_softmax(row)[label] for row, label in zip(rows, row_labels, strict=True)]
        for rows, row_labels in zip(logits, labels, strict=True)
    ]


def entropy_from_logits(logits: list[Table]) -> Table:
    return [
        [-sum(math.exp(lp) * lp for lp in log_softmax(row) if lp > -math.inf) for row in rows]
        for rows in logits
    ]


def token_rewards(
    scores: list[float], logprobs: Table, ref_logprobs: Table, mask: Mask, kl_coef: float
) -> tuple[Table, Table, Table]:
    rewards, kl, penalty = blank(mask), blank(mask), blank(mask)
    last = dict(counted(mask))  # a later token of the same sample overwrites an earlier one
    for b, t in counted(mask):
        kl[b][t] = logprobs[b][t] - ref_logprobs[b][t]
        penalty[b][t] = -kl_coef * kl[b][t]
        rewards[b][t] = penalty[b][t] + (scores[b] if last[b] == t else 0.0)
    return rewards, kl, penalty


def td_residuals(rewards: Table, values: Table, mask: Mask, gamma: float) -> Table:
    deltas = blank(mask)
    for b, t in counted(mask):
        goes_on = t + 1 < len(mask[b]) and mask[b][t + 1]
        deltas[b][t] = rewards[b][t] + gamma * (values[b][t + 1] if goes_on else 0.0) - values[b][t]
    return deltas


def gae(rewards: Table, values: Table, mask: Mask, gamma: float, lam: float) -> tuple[Table, Table]:
    """The definition as a sum (GAE, eq. 16), not the backward recursion."""
    return (advantages := weighted_residuals(rewards, values, mask, gamma, gamma * lam)), added(
        advantages, values, mask
    )


def k_step_advantages(rewards: Table, values: Table, mask: Mask, gamma: float, k: int) -> Table:
    """r_t + gamma r_{t+1} + ... + gamma^k V_{t+k} - V_t (GAE, eq. 14), cut at the end of the response."""
    result = blank(mask)
    for b, t in counted(mask):
        total = -values[b][t]
        for ahead in range(k):
            if t + ahead >= len(mask[b]) or not mask[b][t + ahead]:
                break
            total += gamma**ahead * rewards[b][t + ahead]
        else:
            if t + k < len(mask[b]) and mask[b][t + k]:
                total += gamma**k * values[b][t + k]
        result[b][t] = total
    return result


def weighted_residuals(rewards: Table, values: Table, mask: Mask, gamma: float, decay: float) -> Table:
    deltas, result = td_residuals(rewards, values, mask, gamma), blank(mask)
    for b, t in counted(mask):
        ahead = 0
        while t + ahead < len(mask[b]) and mask[b][t + ahead]:
            result[b][t] += decay**ahead * deltas[b][t + ahead]
            ahead += 1
    return result


def added(x: Table, y: Table, mask: Mask) -> Table:
    total = blank(mask)
    for b, t in counted(mask):
        total[b][t] = x[b][t] + y[b][t]
    return total


def policy_loss(
    logprobs: Table, old: Table, advantages: Table, mask: Mask, cliprange: float
) -> dict[str, object]:
    ratio, clipped, losses, squares = blank(mask, 1.0), blank(mask), blank(mask), blank(mask)
    for b, t in counted(mask):
        ratio[b][t] = math.exp(logprobs[b][t] - old[b][t])
        free = -advantages[b][t] * ratio[b][t]
        held = -advantages[b][t] * min(max(ratio[b][t], 1 - cliprange), 1 + cliprange)
        losses[b][t] = max(free, held)
        clipped[b][t] = float(held > free)
        squares[b][t] = (logprobs[b][t] - old[b][t]) ** 2
    return {
        "loss": masked_mean(losses, mask),
        "ratio": ratio,
        "clipped": clipped,
        "clipfrac": masked_mean(clipped, mask),
        "approxkl": 0.5 * masked_mean(squares, mask),
    }


def value_loss(vpreds: Table, old: Table, returns: Table, mask: Mask, cliprange: float) -> dict[str, object]:
    clipped, losses, errors = blank(mask), blank(mask), blank(mask)
    for b, t in counted(mask):
        held = min(max(vpreds[b][t], old[b][t] - cliprange), old[b][t] + cliprange)
        errors[b][t] = (vpreds[b][t] - returns[b][t]) ** 2
        losses[b][t] = max(errors[b][t], (held - returns[b][t]) ** 2)
        clipped[b][t] = float((held - returns[b][t]) ** 2 > errors[b][t])
    return {
        "loss": 0.5 * masked_mean(losses, mask),
        "clipped": clipped,
        "clipfrac": masked_mean(clipped, mask),
        "error": masked_mean(errors, mask),
    }


def total_loss(policy: float, value: float, entropy: float, vf_coef: float, ent_coef: float) -> float:
    return policy + vf_coef * value - ent_coef * entropy


def k3(logprobs: Table, old: Table, mask: Mask) -> Table:
    result = blank(mask)
    for b, t in counted(mask):
        log_ratio = logprobs[b][t] - old[b][t]
        result[b][t] = math.exp(log_ratio) - 1 - log_ratio
    return result


def clip_case(ratio: Table, advantages: Table, cliprange: float) -> list[list[str]]:
    def name(r: float, a: float) -> str:
        if a == 0:
            return "none"
        where = "above" if r > 1 + cliprange else "below" if r < 1 - cliprange else "inside"
        return f"ratio {where}, advantage {'positive' if a > 0 else 'negative'}"

    return [
        [name(r, a) for r, a in zip(rs, row, strict=True)] for rs, row in zip(ratio, advantages, strict=True)
    ]


def adaptive_kl_coef(value: float, kl: float, target: float, n: float, horizon: float) -> float:
    error = kl / target - 1
    if error > 0.2:
        error = 0.2
    if error < -0.2:
        error = -0.2
    if n > horizon:  # the paper's factor would pass a fifth, and beyond five horizons turn the sign
        n = horizon
    return value * (1 + error * n / horizon)
