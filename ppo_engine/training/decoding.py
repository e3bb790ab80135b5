"""From token ids to text: a sample is decoded whole and then cut, so that what is scored is exactly what the
ids say.

A token decoded alone loses what its neighbours give it: its space (Llama), or the other bytes of its
character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BROKEN = "\ufffd"
"""What a decoder writes for bytes that are no character, or not yet one."""


@dataclass(frozen=True)
class Decoded:
    """query + response is the text of all the ids; query_pieces, pieces: their tokens as displayed."""

    query: str
    response: str
    query_pieces: list[str]
    pieces: list[str]


class Decoder:
    """Decodes by one tokenizer. size: the vocabulary of the model, which may be larger."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids)
        self._names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self._anchor = tokenizer("a", add_special_tokens=False)["input_ids"]
        self._anchor_text = self.text(self._anchor)
        self.vocabulary = [self._within_a_sentence(token) for token in range(max(size, len(self._names)))]
        """Each token's text with the space that it has within a sentence; special tokens by their names."""

    def text(self, ids: Sequence[int]) -> str:
        """The text of these ids, special tokens left out."""
        decoded: str = self._tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded

    def split(self, query: Sequence[int], response: Sequence[int]) -> Decoded:
        """A sample's text, cut in two; a character that straddles the cut belongs to the response."""
        whole, begun = self.text([*query, *response]), self.text(query)
        while not whole.startswith(begun):
            begun = begun[:-1]
        pieces = self.pieces([*query, *response])
        return Decoded(begun, whole[len(begun) :], pieces[: len(query)], pieces[len(query) :])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each token as displayed: its text with its space, or its share of a longer character."""
        pieces = [self.vocabulary[token] for token in ids]
        start = 0
        while start < len(ids):
            end = start + 1
            if pieces[start] == _PART:
                while (
                    end < len(ids) and pieces[end] == _PART and BROKEN in self._after_anchor(ids[start:end])
                ):
                    end += 1
                pieces[start:end] = _shares(self._after_anchor(ids[start:end]), end - start)
            start = end
        return pieces

    def _after_anchor(self, ids: Sequence[int]) -> str:
        """The text of these ids as it stands within a sentence."""
        text = self.text([*self._anchor, *ids])
        return text.removeprefix(self._anchor_text) if text.startswith(self._anchor_text) else self.text(ids)

    def _within_a_sentence(self, token: int) -> str:
        if token >= len(self._names):
            return f"<{token}>"
        if token in self._special:
            return str(self._names[token])
        text = self._after_anchor([token])
        return _PART if BROKEN in text else text


_PART = "‹part of a character›"


def _shares(text: str, count: int) -> list[str]:
    """What the tokens of one character are shown as."""
    if BROKEN in text:
        return [_PART] * count
    return [f"‹{text} {share} of {count}›" for share in range(1, count + 1)]
