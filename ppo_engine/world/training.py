"""What training the policy and training the classifier have in common: the optimiser, its schedule, and
progress.
"""

import re
import time
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel

_LAYER = re.compile(r"\.h\.|\.layer\.")  # parameters of GPT-2's blocks and of DistilBERT's


def token_id(bpe: object, token: str) -> int:
    """The id of a token that must be there."""
    found = bpe.token_to_id(token)  # type: ignore[attr-defined]
    assert isinstance(found, int), f"the tokenizer lacks {token}"
    return found


def optimizers(
    model: PreTrainedModel, helpers: Sequence[torch.nn.Parameter], learning_rate: float, muon_rate: float
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, which it trains in half of AdamW's steps; AdamW for all else."""
    hidden = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and _LAYER.search(name)]
    chosen = {id(weight) for weight in hidden}
    others = [weight for weight in (*model.parameters(), *helpers) if id(weight) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=muon_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def fit(
    model: PreTrainedModel,
    loss_at: Callable[[int], torch.Tensor],
    steps: int,
    learning_rate: float = 8e-3,
    muon_rate: float = 15e-3,
    helpers: Sequence[torch.nn.Parameter] = (),
) -> None:
    """Minimise `loss_at(step)`. The learning rates rise for a few steps and then fall to zero. Prints
    progress.
    """
    chosen = optimizers(model, helpers, learning_rate, muon_rate)
    schedules = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: rate_at(step, steps)) for one in chosen]
    started = time.monotonic()
    model.train()
    for step in range(steps):
        loss = loss_at(step)
        for optimizer in chosen:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(chosen, schedules, strict=True):
            optimizer.step()
            schedule.step()
        if step % 100 == 0 or step == steps - 1:
            seconds = time.monotonic() - started
            print(f"{type(model).__name__} step {step} loss {loss.item():.3f} {seconds:.0f} s", flush=True)
    model.eval()


def rate_at(step: int, steps: int) -> float:
    """The learning rate at a step, as a share of its peak."""
    return min(1.0, (step + 1) / 30) * (1 - step / steps)
