"""The source of a pane's text: sealed blocks, what grows behind them, and whose each part is."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.slices import at_once
from tui.widgets.pane_blocks import ANSWER, TEXT
from tui.widgets.pane_code import fenced

if TYPE_CHECKING:
    from collections.abc import Generator

    from tui.widgets.pane_blocks import Block


_PAUSE: Final = 64
"""Blocks put together between two pauses: well under a millisecond."""


class Section(NamedTuple):
    """A part of the text by whose it is."""

    whose: int
    first: int
    """Its first block."""
    start: int
    """Characters of the source before it."""
    end: int = -1
    """Characters of the source up to its end, less the gap before the next; -1 while it grows."""


class PaneSource:
    """Blocks and sections of a text that grows at its end."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        """What is sealed."""
        self._sections = [Section(TEXT, 0, 0)]
        self._size = 0
        self._open = ""

    def __bool__(self) -> bool:
        return bool(self._open or self.blocks)

    def __str__(self) -> str:
        return self.source(0, self.size)

    @property
    def size(self) -> int:
        """How many characters of source there are."""
        return self._size + len(self._open)

    @property
    def whose(self) -> int:
        """Whose text what is appended now will be."""
        return self._sections[-1].whose

    def source(self, start: int, end: int) -> str:
        """Return the characters ``start`` to ``end`` of the source."""
        return at_once(self.gathered(start, end))

    def gathered(self, start: int, end: int) -> Generator[None, None, str]:
        """Return the same, yielding often. What is there may grow meanwhile."""
        parts = []
        index = self._block_at(start)
        while index <= len(self.blocks) and (first := self.start_of(index)) < end:
            parts.append(self.source_of(index)[max(start - first, 0) : end - first])
            index += 1
            if len(parts) % _PAUSE == 0:
                yield
        return "".join(parts)

    def start_of(self, index: int) -> int:
        """Return how many characters of source stand before block ``index``."""
        return self.blocks[index].start if index < len(self.blocks) else self._size

    def source_of(self, index: int) -> str:
        """Return the source of block ``index``; the last one is what grows."""
        return self.blocks[index].text if index < len(self.blocks) else self._open

    def sections(self, whose: int) -> list[str]:
        """Return the sources of the sections that are ``whose``, in order."""
        found = [section for section in self._sections if section.whose == whose]
        return [self.source(section.start, section.end if section.end >= 0 else self.size) for section in found]

    @property
    def answer(self) -> str:
        """The source of the last answer, or everything when there are no sections."""
        if len(self._sections) == 1:
            return str(self)
        last = next((section for section in reversed(self._sections) if section.whose == ANSWER), None)
        return "" if last is None else self.source(last.start, last.end if last.end >= 0 else self.size)

    def code_blocks(self) -> Generator[None, None, list[str]]:
        """Return the code in fences of all answers, in order; without sections, of the whole text. Yields often."""
        found = []
        for section in list(self._sections):
            if section.whose == ANSWER or len(self._sections) == 1:
                source = yield from self.gathered(section.start, section.end if section.end >= 0 else self.size)
                found += yield from fenced(source)
        return found

    def _block_at(self, at: int) -> int:
        if at >= self._size:
            return len(self.blocks)
        return max(bisect_right(self.blocks, at, key=lambda block: block.start) - 1, 0)
