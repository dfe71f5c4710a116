"""A judge's scores, read from whatever it replied: the JSON it was asked for, JSON of another shape, or lines of text."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agents.compare.asking import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REASON: Final = 300
"""Characters of a reason that are kept."""
_LOOKED_AT: Final = 100_000
_LINES: Final = 400
_LINE: Final = 400
_SCORED = re.compile(
    r"(?:answer |candidate |response )?([a-z]) ?[):=(-][): =(-]*(?:score[: =]+)?(\d{1,2}(?:\.\d{1,3})?)(?![\d.]*\d)(.*)",
    re.IGNORECASE,
)
_OUT_OF = re.compile(r" ?(?:/|out of) ?10\b")


class Given(NamedTuple):
    """What one answer was given."""

    score: float
    """0 to 10."""
    reason: str


def read_scores(text: str, letters: str) -> dict[str, Given] | None:
    """Return the score of each of ``letters``, or ``None`` when one has none that can be read or is not from 0 to 10."""
    for found in objects(text):
        scores = _from_object(found)
        if all(letter in scores for letter in letters):
            return {letter: scores[letter] for letter in letters}
    scores = dict(_from_lines(text))
    return {letter: scores[letter] for letter in letters} if all(letter in scores for letter in letters) else None


def _from_object(found: dict[str, Any]) -> dict[str, Given]:
    inner = next((found[key] for key in ("scores", "answers", "ratings", "results") if key in found), found)
    entries: Iterator[tuple[Any, Any]]
    if isinstance(inner, list):
        entries = ((_name(entry), entry) for entry in inner if isinstance(entry, dict))
    elif isinstance(inner, dict):
        entries = iter(inner.items())
    else:
        entries = iter(())
    scores: dict[str, Given] = {}
    for name, entry in entries:
        letter = str(name).strip().upper().rpartition(" ")[2]
        given = _given(entry)
        if len(letter) == 1 and given is not None:
            scores[letter] = given
    return scores


def _name(entry: dict[str, Any]) -> object:
    return next((entry[key] for key in ("answer", "label", "name", "id", "candidate", "letter") if key in entry), "")


def _given(entry: object) -> Given | None:
    if isinstance(entry, dict):
        score = _number(next((entry[key] for key in ("score", "rating", "points") if key in entry), None))
        reason = next((entry[key] for key in ("reason", "reasoning", "explanation", "comment") if key in entry), "")
        return None if score is None else Given(score, _line(reason) if isinstance(reason, str) else "")
    score = _number(entry)
    return None if score is None else Given(score, "")


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(_OUT_OF.sub("", value[:20]))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 10 and math.isfinite(value) else None


def _from_lines(text: str) -> Iterator[tuple[str, Given]]:
    """Yield scores from lines such as ``A: 7/10, too long`` or ``**Answer B** = 9``."""
    for line in text[-_LOOKED_AT:].splitlines()[-_LINES:]:
        plain = line[:_LINE].replace("*", "").replace("`", "").replace("#", "").strip(" -•>\t")
        if (match := _SCORED.match(plain)) and (score := _number(match[2])) is not None:
            yield match[1].upper(), Given(score, _line(_OUT_OF.sub("", match[3], count=1).lstrip(" .,:;)-–—")))


def _line(text: str) -> str:
    return " ".join(text.split())[:_REASON]
