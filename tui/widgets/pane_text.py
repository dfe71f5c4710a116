"""The text of a pane as sections and blocks: what grows is plain rows, what is complete keeps only its source.

A sealed block is wrapped, and as part of an answer shaped as Markdown, when somebody looks at its rows; how many it has is
guessed until then, and what was laid is forgotten again when the view is elsewhere. This module knows no widget and no style.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.markdown.blocks import BlockSplitter, State
from tui.widgets.pane_blocks import ANSWER, ASKED, PROMPT_MARK, TEXT, Block, Laid, Row, Sums, new_rows
from tui.widgets.pane_cut import cut_lines, cut_markdown
from tui.widgets.pane_source import PaneSource, Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.widgets.pane_clock import Allowance

__all__ = ["Anchor", "PaneText", "Place", "Row"]

_SEAL_AT: Final = 8_192
_SEAL_DEAR_AT: Final = 4_096
"""Characters of a block: few enough to be wrapped anew within a few milliseconds, also where that is dear."""
_MANY_ROWS: Final = 1_024
_FENCE: Final = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)


class Place(NamedTuple):
    """A row by its block and number in it."""

    block: int
    row: int


class Anchor(NamedTuple):
    """A character that stays the same one while text grows, becomes Markdown, and is wrapped at other widths."""

    at: int
    """Characters of the source before it, about: see ``shaped``."""
    shaped: int = -1
    """The character of its block as Markdown; -1 when it was found in the source."""


class PaneText(PaneSource):
    """Text that grows at its end, as rows of ``width`` cells."""

    def __init__(self, width: int, *, markdown: bool = True, allowance: Allowance | None = None) -> None:
        super().__init__()
        self.width = max(width, 1)
        self.markdown = markdown
        """Whether complete blocks of answers are shown as Markdown."""
        self.allowance = allowance
        """For shaping; while it is used up, blocks that are looked at are plain, and owed."""
        self.owed: set[int] = set()
        """Blocks in view, or near it, that are plain and shall be Markdown."""
        self._counts = array("I")
        self._sums = Sums()
        self._laid: dict[int, Laid] = {}
        self._splitter = BlockSplitter()
        self._state = State()
        self._rows = new_rows(self.width, TEXT, self._state)

    @property
    def total(self) -> int:
        """How many rows there are; an estimate until everything was looked at at this width."""
        return self._sums.before(len(self.blocks)) + len(self._rows)

    @property
    def _shapes(self) -> bool:
        return self.markdown and self.whose == ANSWER

    # Growing

    def begin(self, whose: int) -> None:
        """Begin a section, a blank row below what is there."""
        self.finish()
        end = self._size
        if self.blocks and (missing := 2 - self._line_ends()) > 0:
            last = len(self.blocks) - 1
            self.blocks[last].extend("\n" * missing)
            self._size += missing
            self._forget(last)
        self._sections[-1] = self._sections[-1]._replace(end=end)
        self._sections.append(Section(whose, len(self.blocks), self._size))
        self._reopen(PROMPT_MARK if whose == ASKED else "", State())

    def finish(self) -> None:
        """Seal what is open: nothing more comes for it."""
        if self._shapes:
            self._cut(self._splitter.finish(self._open))
        if self._open:
            self._put(self._open, self._state)
        self._reopen("", State())

    def append(self, text: str) -> None:
        """Add safe ``text`` at the end. Takes about 1 ms for 10,000 characters."""
        for start in range(0, len(text), _SEAL_DEAR_AT):
            self._open += text[start : start + _SEAL_DEAR_AT]
            if self._shapes:
                self._cut(self._splitter.feed(self._open))
            self._rows.grow(self._open)
            while not self._shapes and self._is_full() and self._seal():
                pass

    def append_much(self, text: str, *, more: bool) -> None:
        """Add safe ``text`` at the end without looking at its lines. Takes about 1 ms for 100,000 characters.

        While there is ``more``, what is left after the last cut has no rows.
        """
        text, state, start = self._open + text, self._state, 0
        if self._shapes:
            for end, follows in cut_markdown(text, state):
                self._put(text[start:end], state)
                start, state = end, follows
        else:
            for end, follows in cut_lines(text, state):
                piece = text[start:end]
                self._put(piece, state)
                fenced = bool(state.fence) ^ bool(len(_FENCE.findall(piece)) % 2)
                start, state = end, follows._replace(fence="```" if fenced else "")
        self._reopen("" if more else text[start:], state)
        if more:
            self._open = text[start:]

    def _line_ends(self) -> int:
        tail = self.blocks[-1].text[-2:]
        return len(tail) - len(tail.rstrip("\n"))

    def _reopen(self, text: str, state: State) -> None:
        """Go on with ``text`` as the open block."""
        self._open, self._state = text, state
        self._rows = new_rows(self.width, self.whose, state)
        if self._shapes:
            self._splitter = BlockSplitter(state)
            self._cut(self._splitter.feed(text))
        self._rows.grow(self._open)

    def _put(self, text: str, state: State, laid: Laid | None = None) -> None:
        """Seal ``text``."""
        section = self._sections[-1]
        head = section.first == len(self.blocks)
        block = Block(text, self._size, section.whose, state, head=head, markdown=self._shapes)
        index = len(self.blocks)
        self.blocks.append(block)
        self._size += block.size
        count = block.guess(self.width) if laid is None else len(laid)
        self._counts.append(count)
        self._sums.append(count)
        if laid is not None:
            self._laid[index] = laid

    def _cut(self, ends: Iterable[int]) -> None:
        """Seal the open text up to each of ``ends``."""
        start = 0
        for end in ends:
            self._put(self._open[start:end], self._splitter.state)
            self._splitter.cut(end - start)
            start = end
        if start:
            self._open, self._state = self._open[start:], self._splitter.state
            self._rows = new_rows(self.width, self.whose, self._state)
            self._rows.grow(self._open)

    def _is_full(self) -> bool:
        size = len(self._open)
        dear = not self._open.isascii() or "\t" in self._open or len(self._rows) >= _MANY_ROWS
        return size >= (_SEAL_DEAR_AT if dear else _SEAL_AT)

    def _seal(self) -> bool:
        """Close the plain block before the open line, or within it at the start of a row when the line is long.

        Returns whether it did: one row that is as long as a block cannot be cut.
        """
        rows, text = self._rows, self._open
        within = rows.line < len(text) // 2
        keep = len(rows) - 1 if within else rows.line_row
        cut = rows.starts[keep] if within else rows.line
        if cut == 0:
            return False
        laid = Laid(
            text[:cut], rows.starts[:keep], rows.kinds[:keep], head=self._heads(len(self.blocks)), asked=self.whose == ASKED
        )
        self._put(text[:cut], self._state, laid)
        fence = "```" if rows.fenced else ""
        self._reopen(text[cut:], State(within=cut > rows.line, fence=fence))
        return True

    def _heads(self, index: int) -> bool:
        return (index < len(self.blocks) and self.blocks[index].head) or self._sections[-1].first == index

    # Rows

    def resize(self, width: int) -> None:
        """Wrap at another width: the open block now, the others when they are looked at."""
        self.width = max(width, 1)
        self._laid.clear()
        self.owed.clear()
        self._counts = array("I", (block.guess(self.width) for block in self.blocks))
        self._sums = Sums(self._counts)
        self._rows = new_rows(self.width, self.whose, self._state)
        self._rows.grow(self._open)

    def laid(self, index: int) -> Laid:
        """Return block ``index`` in rows."""
        if index == len(self.blocks):
            return Laid(self._open, self._rows.starts, self._rows.kinds, head=self._heads(index), asked=self.whose == ASKED)
        laid = self._laid.get(index)
        if laid is None:
            block = self.blocks[index]
            if block.markdown and (self.allowance is None or self.allowance):
                return self.shape(index)
            if block.markdown:
                self.owed.add(index)
            laid = block.plain(self.width)
            self._keep(index, laid)
        return laid

    def shape(self, index: int) -> Laid:
        """Shape a block."""
        self.owed.discard(index)
        with self.allowance or nullcontext():
            laid = self.blocks[index].shape(self.width)
        self._keep(index, laid)
        return laid

    def trim(self, first: int, last: int, spare: int = 32) -> None:
        """Forget how blocks look that are not among, or near, the blocks ``first`` to ``last``."""
        if len(self._laid) > last - first + 2 * spare:
            near = range(first - spare // 2, last + spare // 2 + 1)
            self._laid = {index: laid for index, laid in self._laid.items() if index in near}
            self.owed.intersection_update(self._laid)

    def _keep(self, index: int, laid: Laid) -> None:
        self._laid[index] = laid
        self._sums.add(index, len(laid) - self._counts[index])
        self._counts[index] = len(laid)

    def _forget(self, index: int) -> None:
        self._laid.pop(index, None)
        self.owed.discard(index)

    def text_of(self, row: Row) -> str:
        """Return the characters of ``row``, without the line end."""
        return self.laid(row.block).text[row.start : row.end].rstrip("\n")

    @property
    def first(self) -> Place:
        """The first row."""
        return Place(0, 0)

    def move(self, place: Place, by: int) -> Place:
        """Return the row ``by`` rows further on, or the first or last one there is."""
        index, row = place.block, place.row + by
        while row < 0 and index > 0:
            index -= 1
            row += len(self.laid(index))
        while index < len(self.blocks) and row >= (size := len(self.laid(index))):
            row -= size
            index += 1
        if index == len(self.blocks) and index > 0 and not self._rows:
            index, row = index - 1, len(self.laid(index - 1)) - 1
        return Place(index, min(max(row, 0), max(len(self.laid(index)) - 1, 0)))

    def tail(self, height: int) -> Place:
        """Return the row that is first when the last ``height`` rows are shown."""
        return self.move(Place(len(self.blocks), len(self._rows)), -height) if self else self.first

    def rows(self, top: Place, height: int) -> list[Row]:
        """Return up to ``height`` rows from ``top`` on."""
        found: list[Row] = []
        index, first = top
        while index <= len(self.blocks) and len(found) < height:
            laid = self.laid(index)
            last = min(first + height - len(found), len(laid))
            found.extend(laid.row(index, number) for number in range(first, last))
            index, first = index + 1, 0
        return found

    def number(self, place: Place) -> int:
        """Return how many rows stand before ``place``; an estimate where ``total`` is one."""
        return self._sums.before(place.block) + place.row

    def place(self, number: int) -> Place:
        """Return the row with about ``number`` rows before it."""
        index = min(self._sums.find(max(number, 0)), len(self.blocks))
        before = self._sums.before(index)
        return self.move(Place(index, 0), min(max(number - before, 0), max(len(self.laid(index)) - 1, 0)))

    # Anchors

    def anchor_of(self, index: int, offset: int) -> Anchor:
        """Return character ``offset`` of block ``index`` as it is laid now as an anchor."""
        laid, start = self.laid(index), self.start_of(index)
        if not laid.shaped:
            return Anchor(start + offset)
        size = self.blocks[index].size
        return Anchor(start + min(offset * size // max(len(laid.text), 1), size - 1), offset)

    def locate(self, anchor: Anchor) -> tuple[int, int]:
        """Return the block an anchor stands in, and the character of it as it is laid now."""
        index = self._block_at(anchor.at)
        laid, offset = self.laid(index), anchor.at - self.start_of(index)
        if laid.shaped:
            offset = anchor.shaped if anchor.shaped >= 0 else offset * len(laid.text) // max(self.blocks[index].size, 1)
        return index, max(min(offset, len(laid.text)), 0)

    def anchor(self, place: Place) -> Anchor:
        """Return the first character of a row as an anchor."""
        starts = self.laid(place.block).starts
        return self.anchor_of(place.block, starts[place.row] if place.row < len(starts) else 0)

    def at(self, anchor: Anchor) -> Place:
        """Return the row that holds the character an anchor names."""
        index, offset = self.locate(anchor)
        return Place(index, max(bisect_right(self.laid(index).starts, offset) - 1, 0))
