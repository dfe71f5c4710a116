"""Answers as quoted data in a prompt: between marks that nothing in them can forge, and cut to what fits."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from agents.retrieval.prompts import form_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.requests import Candidate, ModelRef
    from agents.runs import Step
    from agents.settings import Settings

FULL_CHARS: Final = 48_000
"""Characters of all that is quoted together: about 12,000 tokens, which leaves room in a context of 16,384."""
SMALL_CHARS: Final = 2_400
"""The same for the embedded model, whose context may be 2,048 tokens."""
_PROMPTS: Final = 3
"""The prompts have at most this part of the room; what they leave is the answers'."""


class Quote(NamedTuple):
    """A text as it stands in a prompt."""

    text: str
    left_out: int
    """Characters that did not fit."""


class Fence:
    """Marks around quoted texts. They hold a hash of all that is quoted, which no text can hold of itself and the others."""

    def __init__(self, texts: Sequence[str]) -> None:
        whole = hashlib.sha256()
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            whole.update(len(data).to_bytes(8, "big") + data)
        self.mark = whole.hexdigest()[:12]

    def around(self, name: str, text: str) -> str:
        """Return ``text`` between marks that say it is ``name``."""
        return f"[begin {name} {self.mark}]\n{text}\n[end {name} {self.mark}]"


def fit(texts: Sequence[str], room: int) -> list[Quote]:
    """Cut the longest of ``texts`` until all together have ``room`` characters; short ones stay whole."""
    share = room
    for count, length in zip(range(len(texts), 0, -1), sorted(map(len, texts)), strict=True):
        share = room // count
        if length > share:
            break
        room -= length
    return [_cut(text, share) for text in texts]


def _cut(text: str, room: int) -> Quote:
    if len(text) <= room:
        return Quote(text, 0)
    # Answers begin with what they are about and end with what they conclude: the middle goes.
    head = room * 2 // 3
    left_out = len(text) - room
    return Quote(f"{text[:head]}\n[… {left_out:,} characters left out …]\n{text[len(text) - (room - head) :]}", left_out)


def fitted(step: Step, settings: Settings, model: ModelRef, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return ``candidates`` cut to what fits into a prompt for ``model``; what was left out is said in the log."""
    room = SMALL_CHARS if form_for(settings, model).small else FULL_CHARS
    prompts = list(dict.fromkeys(candidate.prompt for candidate in candidates))
    asked = dict(zip(prompts, fit(prompts, room // _PROMPTS), strict=True))
    room -= sum(len(prompt) - quote.left_out for prompt, quote in asked.items())
    texts = fit([candidate.text.strip() for candidate in candidates], room)
    cut = [("the prompt", quote.left_out) for quote in asked.values()]
    cut += [(candidate.label, quote.left_out) for candidate, quote in zip(candidates, texts, strict=True)]
    for name, left_out in cut:
        if left_out:
            step.log(f"{name}: {left_out:,} characters were left out to fit the context", "warning")
    return [
        msgspec.structs.replace(candidate, prompt=asked[candidate.prompt].text, text=quote.text)
        for candidate, quote in zip(candidates, texts, strict=True)
    ]
