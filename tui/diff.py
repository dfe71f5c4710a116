"""What differs between two texts: lines first, then words within the lines that changed, as rows that stand side by side.

The work is a generator that yields every fraction of a millisecond, so that the loop can be let go on between; it has a budget of
steps, past which what is left counts as different.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tui.matching import PAUSE, Budget, matches
from tui.slices import at_once, in_slices

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LONGEST = 200_000
MOST_LINES = 10_000
"""Characters and lines of a text that are compared; callers cut what is longer, by :func:`head`, and say so."""
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
    return at_once(steps(left, right))


async def compare_in_slices(left: str, right: str, slice_seconds: float = 0.004) -> Difference:
    """Return what differs, giving the loop a turn after each slice of work."""
    return await in_slices(steps(left, right), slice_seconds)


def steps(left: str, right: str) -> Generator[None, None, Difference]:
    """Compare step by step: each ``next`` is a little work, the generator's value is the difference.

    What is found depends on which text comes first, a person's figures must not: they are always compared in the same order.
    """
    if left <= right:
        return (yield from _steps(left, right))
    found = yield from _steps(right, left)
    rows = yield from _mirrored(found.rows)
    return found._replace(rows=rows)


def _mirrored(rows: Sequence[Row]) -> Generator[None, None, tuple[Row, ...]]:
    """Return rows with their sides changed; of lines that stand alone those of the left still come first."""
    mirrored: list[Row] = []
    ours: list[Row] = []
    theirs: list[Row] = []
    for number, (left, right) in enumerate(rows):
        if left is None:
            ours.append(Row(right, None))
        elif right is None:
            theirs.append(Row(None, left))
        else:
            mirrored += [*ours, *theirs, Row(right, left)]
            ours, theirs = [], []
        if number % PAUSE == 0:
            yield
    return (*mirrored, *ours, *theirs)


def _steps(left: str, right: str) -> Generator[None, None, Difference]:
    budget = Budget()
    ours, theirs = left.split("\n"), right.split("\n")
    same = yield from matches(ours, theirs, budget)
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


def _changed(left: Sequence[str], right: Sequence[str], budget: Budget) -> Generator[None, None, tuple[list[Row], int, int]]:
    """Return rows for lines that changed, how many words both sides have, and how many there are."""
    ours = yield from _words(left)
    theirs = yield from _words(right)
    runs = yield from matches([word.text for word in ours], [word.text for word in theirs], budget)
    known = [bytearray(len(ours)), bytearray(len(theirs))]
    shared: dict[int, dict[int, int]] = {}
    for number, (i, j, length) in enumerate(_telling(runs, ours, len(ours), len(theirs))):
        for step in range(length):
            known[0][i + step] = known[1][j + step] = 1
            line, other = ours[i + step].line, theirs[j + step].line
            counts = shared.setdefault(line, {})
            counts[other] = counts.get(other, 0) + 1
            if step % PAUSE == 0:
                yield
        if number % 64 == 0:
            yield
    mine = yield from _pieces(left, ours, known[0])
    other_pieces = yield from _pieces(right, theirs, known[1])
    rows: list[Row] = []
    beside = yield from _beside(len(left), len(right), shared)
    for at, with_ in beside:
        rows.append(Row(None if at is None else mine[at], None if with_ is None else other_pieces[with_]))
        if len(rows) % PAUSE == 0:
            yield
    return rows, sum(known[0]), len(ours) + len(theirs)


def _words(lines: Sequence[str]) -> Generator[None, None, list[_Word]]:
    words: list[_Word] = []
    for number, line in enumerate(lines):
        for found in _WORD.finditer(line):
            words.append(_Word(found.group(), number, found.start(), found.end()))
            if len(words) % PAUSE == 0:
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
        if number % PAUSE == 0:
            yield
        if not known[number]:
            spans = marks[word.line]
            line = lines[word.line]
            if spans and not line[spans[-1][1] : word.start].strip():
                spans[-1] = (spans[-1][0], word.end)
            else:
                spans.append((word.start, word.end))
    cut: list[tuple[Piece, ...]] = []
    spans_since = 0
    for line, spans in zip(lines, marks, strict=True):
        cut.append(_cut(line, spans))
        spans_since += len(spans) + 1
        if spans_since >= PAUSE:
            spans_since = 0
            yield
    return cut


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


def _beside(m: int, n: int, shared: dict[int, dict[int, int]]) -> Generator[None, None, list[tuple[int | None, int | None]]]:
    """Pair lines that share words, in order; what has no partner stands alone, left before right."""
    pairs: list[tuple[int, int]] = []
    last = -1
    for line in range(m):
        found = [(count, -other) for other, count in shared.get(line, {}).items() if other > last]
        if found:
            last = -max(found)[1]
            pairs.append((line, last))
        if line % PAUSE == 0:
            yield
    beside: list[tuple[int | None, int | None]] = []
    i = j = 0
    for number, (at, with_) in enumerate((*pairs, (m, n))):
        if number % PAUSE == 0:
            yield
        beside += [(left, None) for left in range(i, at)]
        beside += [(None, right) for right in range(j, with_)]
        if at < m:
            beside.append((at, with_))
        i, j = at + 1, with_ + 1
    return beside
