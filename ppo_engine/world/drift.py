"""Texts as a policy writes them that has drifted from the grammar, with the score they deserve.

PPO pushes a policy towards whatever scores well, and a classifier that has only ever read sound reviews would
praise broken sentences as long as they hold the right words. So the classifier also learns from samples of
the untrained policy with a bias on every token: random, towards praise or blame, and towards a few frequent
tokens, as PPO comes to love an "and" that an opinion follows. What breaks the grammar counts little for it,
and against the text.
"""

import random

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ppo_engine.world.corpus import LONGEST_RESPONSE, SHORTEST_RESPONSE
from ppo_engine.world.grammar import Review
from ppo_engine.world.parser import sound_sentiment
from ppo_engine.world.words import WORDS

DISCOUNT = 0.1  # what is left of the sentiment of a text that breaks the grammar
BREACH = -0.6  # and what the breach itself is worth
STRONGEST = 3.0  # largest standard deviation of the bias on the tokens' logits
HARDEST_PUSH = 6.0  # largest bias in favour of all words of praise, or of all words of blame
FREQUENT = 64  # tokens that count as frequent
FAVOURITES = 3  # of which so many at most are favoured at once


def drifted_texts(
    policy: PreTrainedModel, reader: PreTrainedTokenizerFast, reviews: list[Review], count: int, seed: int
) -> list[tuple[str, float]]:
    """`count` openings of reviews, continued by drifted policies, each with its score."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    polar, frequent = polar_tokens(reader), frequent_tokens(reader, reviews[:2000])
    found: list[tuple[str, float]] = []
    while len(found) < count:
        queries = reader([one.text for one in rng.sample(reviews, min(len(reviews), 256))]).input_ids
        length = rng.randint(2, 8)
        ids = torch.tensor([query[:length] for query in queries])
        rows = torch.cat(
            (ids, _continued(policy, ids, biases(len(ids), polar, frequent, generator), generator)), dim=1
        ).tolist()
        for row in rows:
            cut = row[: length + rng.randint(SHORTEST_RESPONSE, LONGEST_RESPONSE)]
            text = reader.decode(cut, skip_special_tokens=True)
            found.append((text, deserved(text)))
    return found[:count]


def deserved(text: str) -> float:
    """The sentiment of a sound text; where the text breaks the grammar, a share of that of its sound part,
    less the breach.
    """
    sentiment, is_sound = sound_sentiment(text)
    return sentiment if is_sound else DISCOUNT * sentiment + BREACH


def polar_tokens(reader: PreTrainedTokenizerFast) -> torch.Tensor:
    """(2, vocabulary): 1 where a token begins a word of praise (row 0) or of blame (row 1)."""
    marked = torch.zeros(2, len(reader))
    for name, words in WORDS.items():
        if name[-1] in "+-":
            for word in words.split():
                marked["+-".index(name[-1]), reader(" " + word).input_ids[0]] = 1.0
    return marked


def frequent_tokens(reader: PreTrainedTokenizerFast, reviews: list[Review]) -> torch.Tensor:
    """The ids of the most frequent tokens of some reviews, (FREQUENT,)."""
    ids = [token for row in reader([one.text for one in reviews]).input_ids for token in row]
    return torch.bincount(torch.tensor(ids), minlength=len(reader)).topk(FREQUENT).indices


def biases(
    rows: int, polar: torch.Tensor, frequent: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """What each of `rows` policies adds to the logits, (rows, vocabulary)."""
    spread = STRONGEST * torch.rand(rows, 1, generator=generator)
    push = HARDEST_PUSH * torch.rand(rows, 1, generator=generator)
    side = torch.randint(2, (rows,), generator=generator)
    loved = frequent[torch.randint(len(frequent), (rows, FAVOURITES), generator=generator)]
    love = HARDEST_PUSH * torch.rand(rows, FAVOURITES, generator=generator)
    love = love * (torch.rand(rows, FAVOURITES, generator=generator) < 0.5)
    bias = spread * torch.randn(rows, polar.shape[1], generator=generator) + push * polar[side]
    return bias.scatter_add(1, loved, love)


@torch.no_grad()
def _continued(
    policy: PreTrainedModel, ids: torch.Tensor, bias: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Tokens (rows, LONGEST_RESPONSE) after `ids`, each row drawn from a policy with a bias of its own."""
    cache, drawn = None, []
    for _ in range(LONGEST_RESPONSE):
        output = policy(input_ids=ids, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        ids = torch.multinomial((output.logits[:, -1] + bias).softmax(-1), 1, generator=generator)
        drawn.append(ids)
    return torch.cat(drawn, dim=1)
