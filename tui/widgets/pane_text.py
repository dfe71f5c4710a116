"""The text of a pane as blocks with their rows: a few bytes of bookkeeping per row and no object per line.

Blocks of some thousand characters are sealed behind the growing end. A sealed block never changes, so a new width costs nothing
until its rows are looked at; until then their number is estimated. This module knows no widget and no style.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.widgets.pane_wrap import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

_SEAL_AT: Final = 16_384
_SEAL_DEAR_AT: Final = 4_096
"""Characters of a block: few enough to be wrapped anew within a few milliseconds, also where that is dear."""
_MANY_ROWS: Final = 1_024


class Row(NamedTuple):
    """One row: characters ``start`` to ``end`` of block ``block``. Equal rows show equal text, for as long as the width stays."""

    block: int
    start: int
    end: int
    kind: int


class Place(NamedTuple):
    """A row by its block and number in it."""

    block: int
    row: int


class _Block:
    """Text that no longer grows. Kept as UTF-8 unless it is ASCII, because one emoji makes a Python string four times as large."""

    __slots__ = ("_data", "carried", "fenced", "lines", "rows", "size")

    def __init__(self, text: str, rows: Rows, *, fenced: bool, carried: int | None) -> None:
        self._data = text if text.isascii() else text.encode()
        self.size = len(text)
        self.lines = text.count("\n")
        self.fenced = fenced
        self.carried = carried
        self.rows: Rows | None = rows

    @property
    def text(self) -> str:
        data = self._data
        return data if isinstance(data, str) else data.decode()

    def wrapped(self, width: int) -> Rows:
        if self.rows is None:
            self.rows = Rows(width, fenced=self.fenced, carried=self.carried)
            self.rows.grow(self.text)
        return self.rows

    def count(self, width: int) -> int:
        """Return how many rows there are, or about how many."""
        return len(self.rows) if self.rows is not None else self.lines + self.size // width


class PaneText:
    """Text that grows at its end, as rows of ``width`` cells."""

    def __init__(self, width: int) -> None:
        self.width = max(width, 1)
        self._blocks: list[_Block] = []
        self._sealed_rows = 0
        self._unwrapped = 0
        self._open = ""
        self._rows = Rows(self.width)
        self._fenced = False
        self._carried: int | None = None
        self._decoded: tuple[int, str] = (-1, "")

    def __bool__(self) -> bool:
        return bool(self._open or self._blocks)

    def __str__(self) -> str:
        return "".join([*(block.text for block in self._blocks), self._open])

    @property
    def total(self) -> int:
        """How many rows there are; an estimate until everything was wrapped at this width."""
        return self._sealed_rows + len(self._rows)

    @property
    def settled(self) -> bool:
        """Whether ``total`` is exact."""
        return self._unwrapped == 0

    def append(self, text: str) -> None:
        """Add safe ``text`` at the end. Takes about 1 ms for 10,000 characters."""
        for start in range(0, len(text), _SEAL_DEAR_AT):
            self._open += text[start : start + _SEAL_DEAR_AT]
            self._rows.grow(self._open)
            while self._is_full() and self._seal():
                pass

    def _is_full(self) -> bool:
        size = len(self._open)
        dear = not self._open.isascii() or "\t" in self._open or len(self._rows) >= _MANY_ROWS
        return size >= (_SEAL_DEAR_AT if dear else _SEAL_AT)

    def _seal(self) -> bool:
        """Close the block before the open line, or within it at the start of a row when the line is long.

        Returns whether it did: one row that is as long as a block cannot be cut.
        """
        rows, text = self._rows, self._open
        within = rows.line < len(text) // 2
        keep = len(rows) - 1 if within else rows.line_row
        cut = rows.starts[keep] if within else rows.line
        if cut == 0:
            return False
        sealed = _Block(text[:cut], rows, fenced=self._fenced, carried=self._carried)
        self._fenced = rows.fenced
        self._carried = rows.line_kind if cut > rows.line else None
        self._open = text[cut:]
        self._rows = Rows(self.width, fenced=self._fenced, carried=self._carried)
        self._rows.grow(self._open)
        del rows.starts[keep:], rows.kinds[keep:]
        self._blocks.append(sealed)
        self._sealed_rows += keep
        return True

    def resize(self, width: int) -> None:
        """Wrap at another width: the open block now, the others when they are looked at."""
        self.width = max(width, 1)
        for block in self._blocks:
            block.rows = None
        self._unwrapped = len(self._blocks)
        self._sealed_rows = sum(block.count(self.width) for block in self._blocks)
        self._rows = Rows(self.width, fenced=self._fenced, carried=self._carried)
        self._rows.grow(self._open)

    def settle(self, more: Callable[[], bool]) -> None:
        """Wrap blocks, from the end backwards: one, and others for as long as ``more`` says so."""
        for index in range(len(self._blocks) - 1, -1, -1):
            if self._unwrapped == 0:
                return
            if self._blocks[index].rows is None:
                self._wrapped(index)
                if not more():
                    return

    def _wrapped(self, index: int) -> Rows:
        if index == len(self._blocks):
            return self._rows
        block = self._blocks[index]
        if block.rows is None:
            self._sealed_rows -= block.count(self.width)
            self._sealed_rows += len(block.wrapped(self.width))
            self._unwrapped -= 1
        return block.wrapped(self.width)

    def _text(self, index: int) -> str:
        if index == len(self._blocks):
            return self._open
        if self._decoded[0] != index:
            self._decoded = (index, self._blocks[index].text)
        return self._decoded[1]

    def text_of(self, row: Row) -> str:
        """Return the characters of ``row``, without the line end."""
        return self._text(row.block)[row.start : row.end].rstrip("\n")

    @property
    def first(self) -> Place:
        """The first row."""
        return Place(0, 0)

    def move(self, place: Place, by: int) -> Place:
        """Return the row ``by`` rows further on, or the first or last one there is."""
        index, row = place.block, place.row + by
        while row < 0 and index > 0:
            index -= 1
            row += len(self._wrapped(index))
        while index < len(self._blocks) and row >= (size := len(self._wrapped(index))):
            row -= size
            index += 1
        if index == len(self._blocks) and index > 0 and not self._rows:
            index, row = index - 1, len(self._wrapped(index - 1)) - 1
        return Place(index, min(max(row, 0), max(len(self._wrapped(index)) - 1, 0)))

    def tail(self, height: int) -> Place:
        """Return the row that is first when the last ``height`` rows are shown."""
        return self.move(Place(len(self._blocks), len(self._rows)), -height) if self else self.first

    def rows(self, top: Place, height: int) -> list[Row]:
        """Return up to ``height`` rows from ``top`` on."""
        found: list[Row] = []
        index, first = top
        while index <= len(self._blocks) and len(found) < height:
            rows = self._wrapped(index)
            starts, kinds = rows.starts, rows.kinds
            last = min(first + height - len(found), len(starts))
            size = len(self._open) if index == len(self._blocks) else self._blocks[index].size
            for number in range(first, last):
                end = starts[number + 1] if number + 1 < len(starts) else size
                found.append(Row(index, starts[number], end, kinds[number]))
            index, first = index + 1, 0
        return found

    def number(self, place: Place) -> int:
        """Return how many rows stand before ``place``; an estimate where ``total`` is one."""
        return sum(block.count(self.width) for block in self._blocks[: place.block]) + place.row

    def place(self, number: int) -> Place:
        """Return the row with about ``number`` rows before it."""
        index = 0
        while index < len(self._blocks) and number >= (size := self._blocks[index].count(self.width)):
            number -= size
            index += 1
        return self.move(Place(index, 0), min(max(number, 0), max(len(self._wrapped(index)) - 1, 0)))

    def anchor(self, place: Place) -> tuple[int, int]:
        """Return ``place`` as block and character, which stay true at any width."""
        starts = self._wrapped(place.block).starts
        return (place.block, starts[place.row] if place.row < len(starts) else 0)

    def at(self, anchor: tuple[int, int]) -> Place:
        """Return the row that holds the character an anchor names."""
        index, start = anchor
        return Place(index, max(bisect_right(self._wrapped(index).starts, start) - 1, 0))
