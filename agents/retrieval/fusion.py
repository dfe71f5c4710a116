"""Reciprocal rank fusion: one ranking out of several, by ranks alone because scores of different sources do not compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from agents.events import Hit


K = 60
"""The constant of the method; it keeps the first ranks of one source from drowning agreement between sources."""


def fuse(rankings: Mapping[str, Sequence[Hit]], limit: int | None = None) -> list[Hit]:
    """Return the passages of all sources, best first, each with its rank in every source that found it.

    A passage's score is the sum of ``1 / (60 + rank)`` over the sources; ties go to the better single rank, then to the order
    given.
    """
    first: dict[str, Hit] = {}
    ranks: dict[str, dict[str, int]] = {}
    for source, hits in rankings.items():
        for rank, hit in enumerate(hits, 1):
            first.setdefault(hit.chunk, hit)
            ranks.setdefault(hit.chunk, {}).setdefault(source, rank)
    scores = {chunk: sum(1 / (K + rank) for rank in found.values()) for chunk, found in ranks.items()}
    order = sorted(first, key=lambda chunk: (-scores[chunk], min(ranks[chunk].values())))
    return [msgspec.structs.replace(first[chunk], score=scores[chunk], ranks=ranks[chunk]) for chunk in order[:limit]]
