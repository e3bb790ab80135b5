"""Models as transformers loads them: whole, without dropout, with a tokenizer that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import SourceError


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers below errors: this package checks and reports what matters."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def load_whole(auto_class: Any, place: str) -> Any:
    """The model at `place` in float32; its `unused_weights` lists weights unknown to its architecture. A
    missing weight is an error: transformers would continue with random numbers.
    """
    model, report = auto_class.from_pretrained(
        place, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
    )
    if report["missing_keys"]:
        raise ValueError(f"its weights lack {', '.join(sorted(report['missing_keys'])[:3])}")
    model.unused_weights = sorted(report["unexpected_keys"])
    return model


def unused_weights(kind: str, model: Any) -> list[str]:
    """A remark on weights unknown to the architecture, such as another value head; [] for none."""
    names = model.unused_weights
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    about = f"weights unknown to its architecture; ignored: {shown}."
    return [f"The {kind}'s files contain {len(names)} {about}"] if names else []


def without_dropout(model: Any) -> Any:
    """`model` in evaluation mode with every dropout at 0, so that `.train()` changes nothing."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.eval()


def check_tokenizer(field: str, source: str, model: Any, tokenizer: Any) -> None:
    """Raises `SourceError` for more tokens than embeddings, which would be an index error in mid-run."""
    # A pad token never comes out of a text, and one that the model does not know is not used.
    tokens = 1 + max((i for i in tokenizer.get_vocab().values() if i != tokenizer.pad_token_id), default=-1)
    embeddings = embedding_count(model)
    if embeddings is not None and tokens > embeddings:
        raise SourceError(
            f"{field} = {source}: its tokenizer has {tokens} tokens, but the model has only "
            f"{embeddings} embeddings. Use the tokenizer the model was trained with, or resize the "
            "embeddings and save the model again."
        )


def embedding_count(model: Any) -> int | None:
    """Number of token embeddings; None if the model does not expose them."""
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (NotImplementedError, AttributeError):
        return None


def position_count(config: Any) -> int | None:
    """Number of positions of a model, by any name; None for no known limit (ALiBi, recurrent)."""
    text = config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "max_seq_length")
    found = (getattr(text, name, None) for name in names)
    return next((int(size) for size in found if isinstance(size, int) and size > 0), None)
