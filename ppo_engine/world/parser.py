"""The judge: could the grammar have written a text that begins like this? And what opinion does that opening
express?

It parses from the left, keeping every way in which the words so far can be read; a reading is the stack of
what must still follow. The text may stop anywhere, even in the middle of its last word.
"""

import re
from functools import cache
from typing import NamedTuple

from ppo_engine.world.grammar import RULES, Call, Item, Mark, Polarity, Word, article, flipped, score_of

_PIECES = re.compile(r"[A-Za-z]+|[.,!?]")
_SPACED = re.compile(r"[A-Za-z]+[.,!?]?(?: [A-Za-z]+[.,!?]?)* ?")


class Bound(NamedTuple):
    """Something that must still follow, with the polarity that holds for it."""

    item: Item
    polarity: Polarity


Stack = tuple[Bound, ...]  # the next thing first
SOUNDED = 3  # letters after which even an unfinished word has shown whether it takes "a" or "an"
BODY = Call("#body", "@")  # any number of sentences, then a closing one


class Reading(NamedTuple):
    """One way to read the words so far."""

    stack: Stack
    opinions: tuple[float, ...]


START = Reading((Bound(Call("opening", "@"), 0), Bound(BODY, 0)), ())


@cache
def _expansions(call: Call, polarity: Polarity) -> tuple[Stack, ...]:
    """All that a call may become."""
    if call == BODY:
        sentences = (Bound(Call("sentence", "@"), 0), Bound(BODY, 0))
        return (sentences, (Bound(Call("closing", "@"), 0),))
    held = flipped(polarity) if call.mode == "!" else polarity
    drawn: tuple[Polarity, ...]
    stacks = []
    for one in RULES.alternatives(call.name, held):
        drawn = (1, -1) if one.draws else (held,)
        stacks += [tuple(Bound(item, sign) for item in one.items) for sign in drawn]
    return tuple(dict.fromkeys(stacks))


@cache
def _word_list(name: str, polarity: Polarity) -> frozenset[str] | None:
    """The words of a rule that is nothing but a list of single words."""
    found = RULES.alternatives(name, polarity)
    words = [one.items[0].text for one in found if len(one.items) == 1 and isinstance(one.items[0], Word)]
    return frozenset(words) if len(words) == len(found) else None


class Step(NamedTuple):
    """Words that may come next, and the reading's rest after any of them."""

    words: frozenset[str]
    rest: Stack


@cache
def _steps(stack: Stack) -> tuple[Step, ...]:
    """Every word that may come next on a stack."""
    if not stack:
        return ()
    (item, polarity), rest = stack[0], stack[1:]
    if isinstance(item, Word):
        return (Step(frozenset((item.text,)), rest),)
    if isinstance(item, Mark):
        return _steps(rest)
    held = flipped(polarity) if item.mode == "!" else polarity
    words = None if item == BODY else _word_list(item.name, held)
    if words is not None:
        return (Step(words, rest),)
    return tuple(
        dict.fromkeys(step for found in _expansions(item, polarity) for step in _steps(found + rest))
    )


@cache
def _next(stack: Stack, word: str) -> tuple[Reading, ...]:
    """What remains after `word`, with the opinions that it makes clear."""
    return tuple(dict.fromkeys(_settle(step.rest) for step in _steps(stack) if word in step.words))


def _settle(stack: Stack) -> Reading:
    """Take the opinion marks off the top of a stack."""
    opinions = []
    while stack and isinstance(stack[0].item, Mark):
        opinions.append(stack[0].item.weight * stack[0].polarity)
        stack = stack[1:]
    return Reading(stack, tuple(opinions))


def _lowered(words: list[str]) -> list[str]:
    """The words as the rules spell them, up to the first whose capital or article is wrong."""
    plain: list[str] = []
    for index, word in enumerate(words):
        if index == 0 or words[index - 1] in ".!?":
            if word[0].islower():
                break
            word = word if word in _capitals() else word[0].lower() + word[1:]
        if word in ("a", "an"):
            following = words[index + 1] if index + 1 < len(words) else ""
            sounds = index + 2 < len(words) or len(following) > SOUNDED
            if sounds and article(following) != word:
                break
            word = "a"
        plain.append(word)
    return plain


@cache
def _capitals() -> frozenset[str]:
    """Words that keep their capital everywhere."""
    items = [item for found in RULES.table.values() for one in found for item in one.items]
    return frozenset(item.text for item in items if isinstance(item, Word) and item.text[0].isupper())


def readings(text: str) -> list[Reading]:
    """Every way to read a text that starts where a review starts and may stop anywhere; none if there is
    none.
    """
    sound, is_whole = _read(text)
    return sound if is_whole else []


def _read(text: str) -> tuple[list[Reading], bool]:
    """The readings of the longest sound opening of `text` in whole words, and whether that is all of it."""
    if not _SPACED.fullmatch(text):
        return [START], not text
    found = _PIECES.findall(text)
    words = _lowered(found)
    alive = [START]
    for index, word in enumerate(words):
        following = _advance(alive, word)
        if not following and index == len(found) - 1 and text[-1].isalpha():
            following = _unfinished(alive, word, found[-1])
        if not following:
            return alive, False
        alive = following
    return alive, len(words) == len(found)


def _advance(alive: list[Reading], word: str) -> list[Reading]:
    after = [
        Reading(following.stack, reading.opinions + following.opinions)
        for reading in alive
        for following in _next(reading.stack, word)
    ]
    return list(dict.fromkeys(after))


def _unfinished(alive: list[Reading], word: str, spelled: str) -> list[Reading]:
    """The readings in which the last word is the beginning of one ("an" may stand for "a", or become
    "angry").
    """
    return [
        reading for reading in alive if any(_begins(step, word, spelled) for step in _steps(reading.stack))
    ]


def _begins(step: Step, word: str, spelled: str) -> bool:
    return any(known.startswith((word, spelled)) for known in step.words)


def is_grammatical(text: str) -> bool:
    """Whether the grammar writes a review that begins with `text`."""
    return bool(readings(text))


def fragment_sentiment(text: str) -> float | None:
    """The sentiment of a review's opening in (-3, 3), averaged over its readings; None if it has none."""
    found = readings(text)
    return _mean_score(found) if found else None


def sound_sentiment(text: str) -> tuple[float, bool]:
    """The sentiment of the longest sound opening of any text, and whether that is all of it."""
    found, is_whole = _read(text)
    return _mean_score(found), is_whole


def _mean_score(found: list[Reading]) -> float:
    return sum(score_of(list(one.opinions)) for one in found) / len(found)
