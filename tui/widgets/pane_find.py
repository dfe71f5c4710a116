"""Finding words in a pane: every block is looked through once, in slices of time, and what grows again as it grows.

The source is what is searched, so that megabytes need not be shaped first; what is in view is marked in the text as it is shown.
Capitals are told apart only when the words looked for have any.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.widgets.pane_blocks import Laid
    from tui.widgets.pane_text import PaneText


class Match(NamedTuple):
    """A match by its block, its number in it and its first character in the source of the whole text."""

    block: int
    number: int
    at: int


def fold(text: str) -> str:
    """Return ``text`` in small letters, character by character."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(char if len(lower := char.lower()) != 1 else lower for char in text)


class Search:
    """Where words stand in a text that may grow."""

    def __init__(self, doc: PaneText, words: str) -> None:
        self._doc = doc
        self.words = words
        self._folds = words == words.lower()
        self._blocks = array("I")
        """Sealed blocks with matches."""
        self._sums = array("I")
        """Matches up to and with each of them."""
        self._skips = array("I")
        """Characters at the start of each of them that belong to a match of the block before."""
        self._scanned = 0
        self._skip = 0
        """Characters of the next block that belong to a match of the one before."""
        self._growing: list[int] = []
        self._seen = -1
        self._marks: dict[tuple[int, bool, int], list[tuple[int, int]]] = {}

    @property
    def complete(self) -> bool:
        """Whether everything there is was looked through."""
        return self._scanned == len(self._doc.blocks) and self._seen == self._doc.size

    @property
    def total(self) -> int:
        """Matches found so far."""
        return self._sealed + len(self._growing)

    @property
    def _sealed(self) -> int:
        return self._sums[-1] if self._sums else 0

    def scan(self, until: float) -> None:
        """Look on, one block at least, until the clock reaches ``until``."""
        doc = self._doc
        while self._scanned < len(doc.blocks):
            skip = self._skip
            found, self._skip = self._find(self._scanned, skip)
            if found:
                self._skips.append(skip)
                self._sums.append(self._sealed + len(found))
                self._blocks.append(self._scanned)
            self._scanned += 1
            if perf_counter() >= until:
                break
        if self._scanned == len(doc.blocks):
            self._growing, _ = self._find(self._scanned, self._skip)
            self._seen = doc.size
        else:
            self._growing = []

    def _find(self, index: int, skip: int) -> tuple[list[int], int]:
        """Return where matches start in a block, and how far the last reaches into the next."""
        text = self._doc.source_of(index)
        size = len(text)
        if not text.endswith("\n"):  # cut within a line: what is cut in two is found, too
            text += self._ahead(index + 1)
        if self._folds:
            text = fold(text)
        found, at, words = [], text.find(self.words, skip), self.words
        while 0 <= at < size:
            found.append(at)
            at = text.find(words, at + len(words))
        return found, max(found[-1] + len(words) - size, 0) if found else max(skip - size, 0)

    def _ahead(self, index: int) -> str:
        ahead = ""
        while len(ahead) < len(self.words) - 1 and index <= len(self._doc.blocks):
            ahead += self._doc.source_of(index)[: len(self.words)]
            index += 1
        return ahead[: len(self.words) - 1]

    def match(self, number: int) -> Match | None:
        """Return match ``number``, the first being 0."""
        if not 0 <= number < self.total:
            return None
        if number >= self._sealed:
            within, index = number - self._sealed, self._scanned
            return Match(index, within, self._doc.start_of(index) + self._growing[within])
        place = bisect_right(self._sums, number)
        within = number - (self._sums[place - 1] if place else 0)
        index = self._blocks[place]
        found, _ = self._find(index, self._skips[place])
        return Match(index, within, self._doc.start_of(index) + found[within])

    def first_from(self, at: int) -> int:
        """Return the number of the first match at or after a character of the source; the first of all when there is none."""
        low, high = 0, self.total
        while low < high:
            middle = (low + high) // 2
            match = self.match(middle)
            if match is not None and match.at < at:
                low = middle + 1
            else:
                high = middle
        return low if low < self.total else 0

    def marks(self, index: int, laid: Laid) -> list[tuple[int, int]]:
        """Return what is to be marked in a block as it is shown: characters, from and to."""
        key = (index, laid.shaped, len(laid.text))
        found = self._marks.get(key)
        if found is None:
            if len(self._marks) > 256:
                self._marks.clear()
            found = self._marks[key] = list(self._in_text(laid.text))
        return found

    def _in_text(self, text: str) -> Iterator[tuple[int, int]]:
        text = fold(text) if self._folds else text
        at = text.find(self.words)
        while at >= 0:
            yield at, at + len(self.words)
            at = text.find(self.words, at + len(self.words))
