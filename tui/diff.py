"""What differs between two texts: lines first, then words within the lines that changed, as rows that stand side by side.

The work is a generator that yields every fraction of a millisecond, so that the loop can be let go on between; it has a budget of
steps, past which what is left counts as different. Lines and words are matched around those that occur once on each side (patience
diff, Bram Cohen), and by Myers' greedy algorithm (1986) where there are none.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LONGEST = 200_000
MOST_LINES = 10_000
"""Characters and lines of a text that are compared; callers cut what is longer, by :func:`head`, and say so."""
_BUDGET = 3_000_000
_PAUSE = 2048
"""Steps between two yields: well under a millisecond of work."""
_FARTHEST = 200
"""Edits the greedy search goes for before it settles for the farthest it came; its cost is their square."""
_WORD = re.compile(r"\w+|[^\w\s]")


class Piece(NamedTuple):
    """A part of a line."""

    text: str
    own: bool
    """Whether only this side has it."""


class Row(NamedTuple):
    """Two lines that stand beside each other; ``None`` where one side has no such line."""

    left: tuple[Piece, ...] | None
    right: tuple[Piece, ...] | None

    @property
    def differs(self) -> bool:
        """Whether the two sides say different words here."""
        return self.left is None or self.right is None or any(piece.own for piece in (*self.left, *self.right))


class Difference(NamedTuple):
    """Two texts beside each other."""

    rows: tuple[Row, ...]
    similarity: float
    """Words both have, of all words: 0 to 1. The Dice coefficient of the aligned words."""
    rough: bool
    """Whether the budget ran out, so that more may be alike than is shown."""


class _Budget:
    def __init__(self) -> None:
        self.left = _BUDGET

    @property
    def spent(self) -> bool:
        return self.left <= 0


class _Word(NamedTuple):
    text: str
    line: int
    start: int
    end: int


def head(text: str) -> str:
    """Return as much of ``text`` as is compared."""
    return "\n".join(text[:LONGEST].split("\n", MOST_LINES)[:MOST_LINES])


def compare(left: str, right: str) -> Difference:
    """Return what differs; blocks until it is known, so the screen uses :func:`compare_in_slices`."""
    work = steps(left, right)
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Difference = done.value
            return result


async def compare_in_slices(left: str, right: str, slice_seconds: float = 0.004) -> Difference:
    """Return what differs, giving the loop a turn after each slice of work."""
    work = steps(left, right)
    while True:
        until = perf_counter() + slice_seconds
        try:
            while perf_counter() < until:
                next(work)
        except StopIteration as done:
            result: Difference = done.value
            return result
        await asyncio.sleep(0)


def steps(left: str, right: str) -> Generator[None, None, Difference]:
    """Compare step by step: each ``next`` is a little work, the generator's value is the difference."""
    budget = _Budget()
    ours, theirs = left.split("\n"), right.split("\n")
    same = yield from _matches(ours, theirs, budget)
    rows: list[Row] = []
    both = total = 0
    i = j = 0
    for at, other, length in (*same, (len(ours), len(theirs), 0)):
        if i < at or j < other:
            block, shared, all_words = yield from _changed(ours[i:at], theirs[j:other], budget)
            rows += block
            both += shared
            total += all_words
        for line in ours[at : at + length]:
            piece = (Piece(line, own=False),)
            rows.append(Row(piece, piece))
            count = len(_WORD.findall(line))
            both += count
            total += 2 * count
            if len(rows) % 64 == 0:
                yield
        i, j = at + length, other + length
    return Difference(tuple(rows), 2 * both / total if total else 1.0, budget.spent)


def _changed(left: Sequence[str], right: Sequence[str], budget: _Budget) -> Generator[None, None, tuple[list[Row], int, int]]:
    """Return rows for lines that changed, how many words both sides have, and how many there are."""
    ours = yield from _words(left)
    theirs = yield from _words(right)
    runs = yield from _matches([word.text for word in ours], [word.text for word in theirs], budget)
    known = [bytearray(len(ours)), bytearray(len(theirs))]
    shared: dict[int, dict[int, int]] = {}
    for number, (i, j, length) in enumerate(_telling(runs, ours, len(ours), len(theirs))):
        for step in range(length):
            known[0][i + step] = known[1][j + step] = 1
            line, other = ours[i + step].line, theirs[j + step].line
            counts = shared.setdefault(line, {})
            counts[other] = counts.get(other, 0) + 1
            if step % _PAUSE == 0:
                yield
        if number % 64 == 0:
            yield
    mine = yield from _pieces(left, ours, known[0])
    other_pieces = yield from _pieces(right, theirs, known[1])
    rows = []
    for at, with_ in _beside(len(left), len(right), shared):
        rows.append(Row(None if at is None else mine[at], None if with_ is None else other_pieces[with_]))
        if len(rows) % _PAUSE == 0:
            yield
    return rows, sum(known[0]), len(ours) + len(theirs)


def _words(lines: Sequence[str]) -> Generator[None, None, list[_Word]]:
    words: list[_Word] = []
    for number, line in enumerate(lines):
        for found in _WORD.finditer(line):
            words.append(_Word(found.group(), number, found.start(), found.end()))
            if len(words) % _PAUSE == 0:
                yield
        if number % 64 == 0:
            yield
    return words


def _telling(runs: list[tuple[int, int, int]], ours: list[_Word], m: int, n: int) -> Generator[tuple[int, int, int], None, None]:
    """Leave out matches of a word or two between changes on both sides: a lone comma in common tells a reader nothing."""
    i = j = 0
    for number, (at, other, length) in enumerate(runs):
        after = runs[number + 1] if number + 1 < len(runs) else (m, n, 0)
        before_changed = at > i and other > j
        after_changed = after[0] > at + length and after[1] > other + length
        letters = sum(len(word.text) for word in ours[at : at + min(length, 4)])
        if not (before_changed and after_changed and letters <= 3):
            yield at, other, length
            i, j = at + length, other + length


def _pieces(lines: Sequence[str], words: list[_Word], known: bytearray) -> Generator[None, None, list[tuple[Piece, ...]]]:
    """Cut each line into what both sides have and what only this one has; the space between two of a kind goes with them."""
    marks: list[list[tuple[int, int]]] = [[] for _ in lines]
    for number, word in enumerate(words):
        if number % _PAUSE == 0:
            yield
        if not known[number]:
            spans = marks[word.line]
            line = lines[word.line]
            if spans and not line[spans[-1][1] : word.start].strip():
                spans[-1] = (spans[-1][0], word.end)
            else:
                spans.append((word.start, word.end))
    return [_cut(line, spans) for line, spans in zip(lines, marks, strict=True)]


def _cut(line: str, spans: list[tuple[int, int]]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for start, end in spans:
        if start > at:
            pieces.append(Piece(line[at:start], own=False))
        pieces.append(Piece(line[start:end], own=True))
        at = end
    if at < len(line) or not pieces:
        pieces.append(Piece(line[at:], own=False))
    return tuple(pieces)


def _beside(m: int, n: int, shared: dict[int, dict[int, int]]) -> list[tuple[int | None, int | None]]:
    """Pair lines that share words, in order; what has no partner stands alone, left before right."""
    pairs: list[tuple[int, int]] = []
    last = -1
    for line in range(m):
        found = [(count, -other) for other, count in shared.get(line, {}).items() if other > last]
        if found:
            last = -max(found)[1]
            pairs.append((line, last))
    beside: list[tuple[int | None, int | None]] = []
    i = j = 0
    for at, with_ in (*pairs, (m, n)):
        beside += [(left, None) for left in range(i, at)]
        beside += [(None, right) for right in range(j, with_)]
        if at < m:
            beside.append((at, with_))
        i, j = at + 1, with_ + 1
    return beside


def _matches(a: Sequence[str], b: Sequence[str], budget: _Budget) -> Generator[None, None, list[tuple[int, int, int]]]:
    """Return runs that are equal on both sides, as (place in a, place in b, length), in order and not overlapping."""
    found: list[tuple[int, int, int]] = []
    parts = [(0, len(a), 0, len(b))]
    while parts:
        start, end, other, stop = parts.pop()
        first, at = start, other
        while start < end and other < stop and a[start] == b[other]:
            start, other = start + 1, other + 1
            if start % _PAUSE == 0:
                yield
        if start > first:
            found.append((first, at, start - first))
        tail = 0
        while start < end and other < stop and a[end - 1] == b[stop - 1]:
            end, stop, tail = end - 1, stop - 1, tail + 1
            if tail % _PAUSE == 0:
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
        if len(chain) % _PAUSE == 0:
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
        if at % _PAUSE == 0:
            yield
    return places


def _shortest(
    a: Sequence[str], b: Sequence[str], part: tuple[int, int, int, int], budget: _Budget
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
