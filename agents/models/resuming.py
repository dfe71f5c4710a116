"""How an answer that was cut goes on: the model is given its own beginning, and what it repeats of it is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from agents.requests import Message

if TYPE_CHECKING:
    from agents.requests import ModelCall

LONGEST: Final = 200
"""Characters of repetition that are looked for."""
SHORTEST: Final = 8
"""Fewer than these in common are chance: a word may well go on with the letter it stopped at."""


def resumed(call: ModelCall, text: str, pieces: int) -> ModelCall:
    """Return the call that asks for what is missing after ``text``, which had ``pieces`` tokens, about."""
    limit = call.model.params.max_tokens
    params = msgspec.structs.replace(call.model.params, max_tokens=None if limit is None else max(limit - pieces, 1))
    model = msgspec.structs.replace(call.model, params=params)
    return msgspec.structs.replace(call, model=model, messages=(*call.messages, Message("assistant", text)))


class Overlap:
    """Drops from the beginning of a text what repeats the end of ``before``.

    Text is held back only as long as it could still be a repetition: for most answers that is one character.
    """

    def __init__(self, before: str) -> None:
        self._tail = before[-LONGEST:]
        self._held = ""
        self._over = len(self._tail) < SHORTEST

    def feed(self, piece: str) -> str:
        """Return what of the text so far is surely new."""
        if self._over:
            return piece
        self._held += piece
        held, tail = self._held, self._tail
        if any(tail.startswith(held, len(tail) - size) for size in range(len(held) + 1, len(tail) + 1)):
            return ""  # what has come could still be the beginning of a longer repetition
        return self.end()

    def end(self) -> str:
        """Return what is new of the text held back, when nothing more will come or could be a repetition."""
        held, self._held, self._over = self._held, "", True
        longest = min(len(held), len(self._tail))
        repeated = next((size for size in range(longest, SHORTEST - 1, -1) if self._tail.endswith(held[:size])), 0)
        return held[repeated:]
