"""Trains the policy: a GPT-2 that has read nothing but reviews of the grammar, each from its start to its
end.
"""

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from ppo_engine.world.corpus import END, LONGEST, padded
from ppo_engine.world.grammar import Review
from ppo_engine.world.training import fit, token_id

IGNORED = -100


@dataclass(frozen=True)
class PolicyScale:
    """Sizes of the policy and of its training."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    steps: int = 2100
    batch: int = 128
    opening: int = 40  # tokens of each review in most batches: PPO continues openings
    whole_every: int = 8  # one batch in so many holds whole reviews, cut at LONGEST
    learning_rate: float = 8e-3  # of embeddings, norms and biases
    muon_rate: float = 15e-3  # of the blocks' matrices


def new_policy(scale: PolicyScale, vocabulary: int, end: int) -> GPT2LMHeadModel:
    """An untrained GPT-2 with no dropout anywhere."""
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=LONGEST,
        n_embd=scale.width,
        n_layer=scale.layers,
        n_head=scale.heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own gelu_new, computed in one piece
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        summary_first_dropout=0.0,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        tie_word_embeddings=True,
    )
    return GPT2LMHeadModel(config)


def train_policy(scale: PolicyScale, bpe: Tokenizer, reviews: list[Review], seed: int) -> GPT2LMHeadModel:
    """A policy trained on the reviews by next-token prediction."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    end = token_id(bpe, END)
    model = new_policy(scale, bpe.get_vocab_size(), end)
    model.set_attn_implementation("eager")  # the fused one is slow in bfloat16 on CPUs
    documents = [[*found.ids, end] for found in bpe.encode_batch([one.text for one in reviews])]

    def loss_at(step: int) -> torch.Tensor:
        return _loss(model, _batch(scale, documents, rng, whole=step % scale.whole_every == 0))

    fit(model, loss_at, scale.steps, scale.learning_rate, scale.muon_rate)
    model.set_attn_implementation("sdpa")
    return model


def _batch(scale: PolicyScale, documents: list[list[int]], rng: random.Random, whole: bool) -> torch.Tensor:
    """Token ids (rows, time), IGNORED after a document's end. Whole reviews come in fewer rows."""
    rows = scale.batch // 4 if whole else scale.batch
    width = LONGEST if whole else scale.opening
    chosen = [document[:width] for document in rng.choices(documents, k=rows)]
    return torch.from_numpy(padded(chosen, max(map(len, chosen)), IGNORED))


def _loss(model: GPT2LMHeadModel, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy per token, nats. Padding lies on the right, so causal attention never sees it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported()):
        logits = model(input_ids=labels.clamp(min=0)).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED
    )
