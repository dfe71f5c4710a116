"""Citations in an answer: finding ``[n]`` in text, and saying which of them point to a passage."""

from __future__ import annotations

import re
from typing import NamedTuple

_CITATION = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d{1,3}")


class Citation(NamedTuple):
    """One number of a citation: ``text[start:end]`` is its span, brackets included where it stands alone."""

    start: int
    end: int
    number: int


def parse_citations(text: str) -> list[Citation]:
    """Return the citations of ``text`` in order. ``[3]`` is one span; ``[1, 3]`` is two, of the digits alone."""
    found: list[Citation] = []
    for match in _CITATION.finditer(text):
        numbers = list(_NUMBER.finditer(text, match.start(), match.end()))
        if len(numbers) == 1:
            found.append(Citation(match.start(), match.end(), int(numbers[0][0])))
        else:
            found += [Citation(number.start(), number.end(), int(number[0])) for number in numbers]
    return found


class Checked(NamedTuple):
    """The distinct numbers an answer cites: those that point to a passage, and those that point to none."""

    valid: list[int]
    invalid: list[int]


def check(text: str, passages: int) -> Checked:
    """Return what ``text`` cites, given that passages are numbered from 1 to ``passages``."""
    numbers = list(dict.fromkeys(citation.number for citation in parse_citations(text)))
    return Checked([n for n in numbers if 1 <= n <= passages], [n for n in numbers if not 1 <= n <= passages])
