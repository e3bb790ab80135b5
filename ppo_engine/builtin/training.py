"""What training the policy and training the classifier have in common: the optimiser, its schedule, and progress."""

import time
from collections.abc import Callable

import torch
from transformers import PreTrainedModel


def token_id(bpe: object, token: str) -> int:
    """The id of a token that must be there."""
    found = bpe.token_to_id(token)  # type: ignore[attr-defined]
    assert isinstance(found, int), f"the tokenizer lacks {token}"
    return found


def fit(
    model: PreTrainedModel,
    loss_at: Callable[[int], torch.Tensor],
    steps: int,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Minimise `loss_at(step)` with AdamW: a short warm-up, then a cosine down to nearly nothing. Prints progress."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps + 1, pct_start=0.08, final_div_factor=100
    )
    started = time.monotonic()
    model.train()
    for step in range(steps):
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            seconds = time.monotonic() - started
            print(f"{type(model).__name__} step {step} loss {loss.item():.3f} {seconds:.0f} s", flush=True)
    model.eval()
