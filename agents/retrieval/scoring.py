"""Scores passages that are in no index against a query, and picks the best of a long document for a task."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from agents.retrieval.terms import stem, terms

_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n{2,}")


def pattern(query: str) -> re.Pattern[str] | None:
    """Return a pattern that finds words beginning like a word of ``query``; ``None`` when it has no words."""
    stems = sorted({stem(word) for word in terms(query)}, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, stems))})", re.IGNORECASE) if stems else None


def count(found: re.Pattern[str], text: str) -> dict[str, int]:
    """Return how often each word beginning occurs in ``text``."""
    counts: dict[str, int] = {}
    for match in found.finditer(text):
        word = match[1].lower()
        counts[word] = counts.get(word, 0) + 1
    return counts


def bm25(counts: Sequence[dict[str, int]], lengths: Sequence[int], total: int) -> list[float]:
    """Return BM25 scores of texts with these word ``counts`` and ``lengths`` in characters, among ``total`` texts."""
    frequency: dict[str, int] = {}
    for found in counts:
        for word in found:
            frequency[word] = frequency.get(word, 0) + 1
    mean = sum(lengths) / max(len(lengths), 1) or 1.0
    weight = {word: math.log(1 + (total - seen + 0.5) / (seen + 0.5)) for word, seen in frequency.items()}
    return [
        sum(weight[word] * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / mean)) for word, times in found.items())
        for found, length in zip(counts, lengths, strict=True)
    ]


def focus(text: str, query: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``: the consecutive sentences that speak most of ``query``."""
    if len(text) <= limit:
        return text
    sought = pattern(query)
    pieces = [piece for piece in _SENTENCE.split(text) if piece.strip()]
    best, best_score = text[:limit], -1.0
    for start in range(len(pieces)):
        end, length = start, 0
        while end < len(pieces) and length + len(pieces[end]) + 1 <= limit:
            length += len(pieces[end]) + 1
            end += 1
        window = " ".join(pieces[start : max(end, start + 1)])[:limit]
        score = sum(1 + math.log(times) for times in count(sought, window).values()) if sought else 0.0
        if score > best_score:
            best, best_score = window, score
        if end == len(pieces):
            break
    return best.strip()
