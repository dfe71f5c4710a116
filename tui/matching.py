"""The runs of equal items in two sequences, found step by step within a budget.

They are matched around what occurs once on each side (patience diff, Bram Cohen), and by Myers' greedy algorithm (1986) where there
is nothing of the kind.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_BUDGET = 3_000_000
PAUSE = 2048
"""Steps between two yields: well under a millisecond of work."""
_FARTHEST = 200
"""Edits the greedy search goes for before it settles for the farthest it came; its cost is their square."""


class Budget:
    """The steps that are left for one comparison."""

    def __init__(self) -> None:
        self.left = _BUDGET

    @property
    def spent(self) -> bool:
        """Whether there are none left."""
        return self.left <= 0


def matches(a: Sequence[str], b: Sequence[str], budget: Budget) -> Generator[None, None, list[tuple[int, int, int]]]:
    """Return runs that are equal on both sides, as (place in a, place in b, length), in order and not overlapping."""
    found: list[tuple[int, int, int]] = []
    parts = [(0, len(a), 0, len(b))]
    while parts:
        start, end, other, stop = parts.pop()
        first, at = start, other
        while start < end and other < stop and a[start] == b[other]:
            start, other = start + 1, other + 1
            if start % PAUSE == 0:
                yield
        if start > first:
            found.append((first, at, start - first))
        tail = 0
        while start < end and other < stop and a[end - 1] == b[stop - 1]:
            end, stop, tail = end - 1, stop - 1, tail + 1
            if tail % PAUSE == 0:
                yield
        if tail:
            found.append((end, stop, tail))
        budget.left -= start - first + tail + end - start + stop - other + 1
        if start == end or other == stop or budget.spent:
            continue
        anchors = yield from _anchors(a, b, (start, end, other, stop))
        if not anchors:
            found += yield from _shortest(a, b, (start, end, other, stop), budget)
            continue
        for i, j in anchors:
            parts.append((start, i, other, j))
            # The anchor begins the part after it, where it is found with all that is equal behind it.
            start, other = i, j
        parts.append((start, end, other, stop))
    found.sort()
    return found


def _anchors(a: Sequence[str], b: Sequence[str], part: tuple[int, int, int, int]) -> Generator[None, None, list[tuple[int, int]]]:
    """Return the places of what occurs once on each side, as many as keep their order."""
    start, end, other, stop = part
    ours = yield from _once(a, start, end)
    theirs = yield from _once(b, other, stop)
    tops: list[int] = []
    chain: list[tuple[int, int, int]] = []
    piles: list[int] = []
    for word, i in ours.items():
        j = theirs.get(word, -1)
        if i < 0 or j < 0:
            continue
        place = bisect_left(tops, j)
        chain.append((i, j, piles[place - 1] if place else -1))
        if place == len(tops):
            tops.append(j)
            piles.append(len(chain) - 1)
        else:
            tops[place] = j
            piles[place] = len(chain) - 1
        if len(chain) % PAUSE == 0:
            yield
    anchors = []
    link = piles[-1] if piles else -1
    while link >= 0:
        i, j, link = chain[link]
        anchors.append((i, j))
    anchors.reverse()
    return anchors


def _once(texts: Sequence[str], start: int, end: int) -> Generator[None, None, dict[str, int]]:
    """Return where each text stands, -1 for those that occur more than once."""
    places: dict[str, int] = {}
    for at in range(start, end):
        text = texts[at]
        places[text] = -1 if text in places else at
        if at % PAUSE == 0:
            yield
    return places


def _shortest(
    a: Sequence[str], b: Sequence[str], part: tuple[int, int, int, int], budget: Budget
) -> Generator[None, None, list[tuple[int, int, int]]]:
    """Return the equal runs of a short edit script: the shortest, or where that is long, pieces of it one after the other."""
    start, end, other, stop = part
    runs: list[tuple[int, int, int]] = []
    while start < end and other < stop and not budget.spent:
        m, n = end - start, stop - other
        ahead = {1: 0}
        trace: list[dict[int, int]] = []
        best = (0, 0, 0)
        for edits in range(min(m + n, _FARTHEST) + 1):
            trace.append(dict(ahead))
            for diagonal in range(-edits, edits + 1, 2):
                down = diagonal == -edits or (diagonal != edits and ahead[diagonal - 1] < ahead[diagonal + 1])
                i = ahead[diagonal + 1] if down else ahead[diagonal - 1] + 1
                j = i - diagonal
                while i < m and j < n and a[start + i] == b[other + j]:
                    i, j = i + 1, j + 1
                ahead[diagonal] = i
                if i <= m and j <= n and i + j > best[0] + best[1]:
                    best = (i, j, edits)
            budget.left -= 2 * edits + 1
            yield
            if best[:2] == (m, n) or budget.spent:
                break
        runs += _walk_back(trace[: best[2] + 1], best[0], best[1], start, other)
        start, other = start + best[0], other + best[1]
    return runs


def _walk_back(trace: list[dict[int, int]], i: int, j: int, start: int, other: int) -> list[tuple[int, int, int]]:
    """Return the runs on the way to (i, j), which the last edit of ``trace`` reached."""
    runs = []
    for edits in range(len(trace) - 1, -1, -1):
        ahead = trace[edits]
        diagonal = i - j
        down = diagonal == -edits or (diagonal != edits and ahead[diagonal - 1] < ahead[diagonal + 1])
        before = diagonal + 1 if down else diagonal - 1
        x = ahead[before] if edits else 0
        y = x - before if edits else 0
        here, there = (x, y + 1) if down else (x + 1, y)
        if not edits:
            here = there = 0
        if i > here:
            runs.append((start + here, other + there, i - here))
        i, j = x, y
    return runs
