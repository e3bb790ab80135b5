"""The grammar of tiny-reviews: reads the rules, writes reviews, and says what opinion any opening of one
expresses.

The grammar is a plain context-free one, plus a polarity (favourable +1, unfavourable -1) that flows down from
a sentence to its words. `judge.py` runs the same rules backwards. No torch here.
"""

import math
import random
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

from ppo_engine.world.rules import NOUN_PHRASES, OPENINGS, OPINIONS, PLOTS, SENTENCES
from ppo_engine.world.words import WORDS

Polarity = Literal[-1, 0, 1]  # 0: none holds here
SIGNS: dict[str, Polarity] = {"+": 1, "-": -1}

# Where "a" and the first letter disagree.
_AN_BEFORE = ("hono", "hones", "hour")
_A_BEFORE = ("unique", "unit", "univers", "use", "one", "euro")
_PUNCTUATION = frozenset(".,!?")
_SENTENCE_ENDS = frozenset(".!?")

MEMORY = 0.6  # what an earlier opinion keeps of its weight when another follows
STEEPNESS = 1.8
CEILING = 3.0


class Word(NamedTuple):
    """A word or a punctuation mark, as it stands in the rules."""

    text: str


class Call(NamedTuple):
    """Another rule, expanded with the polarity that holds (@), a drawn one (?) or the opposite (!)."""

    name: str
    mode: str


class Mark(NamedTuple):
    """An opinion becomes clear: `weight` in units of the polarity that holds."""

    weight: float


Item = Word | Call | Mark


class Alternative(NamedTuple):
    """One way to expand a rule."""

    weight: float
    items: tuple[Item, ...]

    @property
    def draws(self) -> bool:
        """Whether a polarity is drawn for this alternative."""
        return any(isinstance(item, Call) and item.mode == "?" for item in self.items)


@dataclass
class Rules:
    """All rules by name, inline choices included under names of their own."""

    table: dict[str, list[Alternative]] = field(default_factory=dict)

    def read(self, text: str) -> None:
        """Add the rules of a text in the notation of `rules.py`."""
        name = ""
        for line in filter(str.strip, text.splitlines()):
            if not line.startswith(" "):
                name = line.rstrip(":")
                self.table.setdefault(name, [])
                continue
            weight, body = re.fullmatch(r"(?:(\d+):)? ?(.*)", line.strip()).groups()  # type: ignore[union-attr]
            self.table[name].append(Alternative(float(weight or 1), self._items(body)))

    def _items(self, body: str) -> tuple[Item, ...]:
        tokens = re.findall(r"[()|]|[^\s()|]+", body)
        items = self._sequence(tokens)
        assert not tokens, f"unbalanced parentheses in {body!r}"
        return items

    def _sequence(self, tokens: list[str]) -> tuple[Item, ...]:
        """Consume tokens up to the end or to a `|` or `)` that belongs to the caller."""
        items: list[Item] = []
        while tokens and tokens[0] not in ("|", ")"):
            token = tokens.pop(0)
            items.append(self._choice(tokens) if token == "(" else _item(token))
        return tuple(items)

    def _choice(self, tokens: list[str]) -> Call:
        name = f"#{len(self.table)}"
        self.table[name] = choices = []
        while True:
            choices.append(Alternative(1.0, self._sequence(tokens)))
            if tokens.pop(0) == ")":
                return Call(name, "@")

    def alternatives(self, name: str, polarity: Polarity) -> list[Alternative]:
        """What `name` may become: its plain alternatives and those of the polarity that holds."""
        signed = [sign for sign, value in SIGNS.items() if value == polarity]
        return [
            found for key in (name, *(name + sign for sign in signed)) for found in self.table.get(key, [])
        ]


def _item(token: str) -> Item:
    if token[0] == "~":
        return Mark(float(token[1:] or 1))
    if token[0] in "@?!" and len(token) > 1:
        return Call(token[1:], token[0])
    return Word(token)


def _load() -> Rules:
    rules = Rules()
    for name, words in WORDS.items():
        rules.table[name] = [Alternative(1.0, (Word(word),)) for word in words.split()]
    for text in (NOUN_PHRASES, OPINIONS, PLOTS, OPENINGS, SENTENCES):
        rules.read(text)
    # What one person does, several do: the verb comes first and loses its s.
    rules.table["do"] = [
        Alternative(weight, (Word(items[0].text.removesuffix("s")), *items[1:]))
        for weight, items in rules.table["does"]
        if isinstance(items[0], Word)
    ]
    return rules


RULES = _load()


def vocabulary() -> set[str]:
    """Every word of the grammar as the rules spell it, punctuation left out."""
    items = [item for found in RULES.table.values() for one in found for item in one.items]
    return {item.text for item in items if isinstance(item, Word)} - _PUNCTUATION


def sentence_shapes() -> int:
    """How many differently built sentences the rules list, before any inner choice or word is counted."""
    names = ("opening", "sentence", "closing", "pair", "turn", "plot", "special", "opinion", "recommendation")
    opinions = ("about_film", "about_parts", "about_actors", "about_me", "about_us")
    return sum(len(RULES.table.get(name + sign, [])) for name in names + opinions for sign in ("", "+", "-"))


def score_of(opinions: list[float]) -> float:
    """The sentiment of a text in (-3, 3), from its opinions in order: 3 tanh(1.8 S), S <- 0.6 S + opinion.

    It saturates, so that one clear opinion is worth nearly as much as three; and the latest weighs most.
    """
    total = 0.0
    for opinion in opinions:
        total = MEMORY * total + opinion
    return CEILING * math.tanh(STEEPNESS * total)


@dataclass(frozen=True)
class Review:
    """A review, its label (0 negative, 1 positive), and where (in characters) which opinion
    has become clear.
    """

    text: str
    label: int
    opinions: tuple[tuple[int, float], ...]

    def score(self, characters: int | None = None) -> float:
        """The sentiment of the first `characters` of the text (all by default), in (-3, 3)."""
        return score_of([value for end, value in self.opinions if characters is None or end <= characters])


class Writer:
    """Writes one review: words and opinions in order."""

    def __init__(self, rng: random.Random, favour: float) -> None:
        self.rng, self.favour = rng, favour
        self.words: list[str] = []
        self.opinions: list[tuple[int, float]] = []  # (number of words so far, value)

    def expand(self, name: str, polarity: Polarity = 0) -> None:
        """Append what the rule becomes."""
        found = RULES.alternatives(name, polarity)
        chosen = self.rng.choices(found, [one.weight for one in found])[0]
        if chosen.draws:
            polarity = 1 if self.rng.random() < self.favour else -1
        for item in chosen.items:
            if isinstance(item, Word):
                self.words.append(item.text)
            elif isinstance(item, Mark):
                self.opinions.append((len(self.words), item.weight * polarity))
            else:
                self.expand(item.name, flipped(polarity) if item.mode == "!" else polarity)

    def length(self) -> int:
        """Characters written so far, nearly."""
        return sum(len(word) + 1 for word in self.words)


def flipped(polarity: Polarity) -> Polarity:
    """The opposite polarity."""
    return {1: -1, -1: 1, 0: 0}[polarity]  # type: ignore[return-value]


@cache
def article(following: str) -> str:
    """ "a" or "an", whichever `following` asks for."""
    word = following.lower()
    vowel = word[0] in "aeiou" and not word.startswith(_A_BEFORE)
    return "an" if vowel or word.startswith(_AN_BEFORE) else "a"


def render(words: list[str]) -> tuple[str, list[int]]:
    """The text of some words, and for each the number of characters up to and including it."""
    text, ends, starts_sentence = "", [], True
    for word, following in zip(words, [*words[1:], "."], strict=True):
        spelled = article(following) if word == "a" else word
        if starts_sentence:
            spelled = spelled[0].upper() + spelled[1:]
        text += spelled if word in _PUNCTUATION or not text else " " + spelled
        ends.append(len(text))
        starts_sentence = word in _SENTENCE_ENDS
    return text, ends


def write_review(rng: random.Random) -> Review:
    """One review of some 200 to 600 characters. Its label is the side on which its
    sentiment ends, clearly.
    """
    while True:
        review = _draft(rng)
        if review.label == int(review.score() > 0) and abs(review.score()) > 2:
            return review


def _draft(rng: random.Random) -> Review:
    label = rng.randrange(2)
    conviction = rng.choices((0.9, 0.8, 0.6), (3, 4, 2))[0]
    writer = Writer(rng, conviction if label else 1 - conviction)
    writer.expand("opening")
    target = rng.randint(170, 480)
    while writer.length() < target:
        writer.expand("sentence")
    writer.favour = float(label)
    writer.expand("closing")
    text, ends = render(writer.words)
    return Review(text, label, tuple((ends[words - 1], value) for words, value in writer.opinions))
