"""What is selected in a pane, from one character to another, also while the text grows and is shaped."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from tui.widgets.pane_wrap import graphemes, is_narrow, row_cells

if TYPE_CHECKING:
    from tui.widgets.pane_blocks import Row
    from tui.widgets.pane_text import Anchor, PaneText

Unit = Literal["characters", "words", "rows"]
Spot = tuple[int, int]
"""A block, and a character of it as it is laid."""

_MANY_BLOCKS: Final = 64
"""Blocks that are copied as they are shown; of more, those that nobody looked at are copied as their source."""
_WORD: Final = re.compile(r"[\w\-./:@~]+|\s+|.", re.DOTALL)


class Selection(NamedTuple):
    """From where it was begun to where it was drawn, in whole units."""

    fixed: Anchor
    moving: Anchor
    unit: Unit = "characters"

    def span(self, doc: PaneText) -> tuple[Spot, Spot]:
        """Return the first character of the selection and the one after the last."""
        ends = [_whole(doc, doc.locate(anchor), self.unit) for anchor in (self.fixed, self.moving)]
        return min(start for start, _ in ends), max(end for _, end in ends)

    def text(self, doc: PaneText) -> str:
        """Return the selected text as it is shown, less the breaks that wrapping made."""
        (first, start), (last, end) = self.span(doc)
        parts = []
        for index in range(first, last + 1):
            shown = last - first <= _MANY_BLOCKS or index in {first, last}
            text = doc.laid(index).text if shown else doc.source_of(index)
            parts.append(text[start if index == first else 0 : end if index == last else len(text)])
        return "\n".join(line.rstrip(" ") for line in row_text("".join(parts)).split("\n")).strip("\n")


def row_text(text: str) -> str:
    """Return shown text as it may be copied: without joiners that join nothing."""
    return row_cells(text.replace("\t", "\0")).replace("\0", "\t")


def _whole(doc: PaneText, spot: Spot, unit: Unit) -> tuple[Spot, Spot]:
    index, offset = spot
    if unit == "characters":
        return spot, spot
    laid = doc.laid(index)
    number = max(bisect_right(laid.starts, offset) - 1, 0)
    if number >= len(laid):
        return spot, spot
    row = laid.row(index, number)
    if unit == "rows":
        return (index, row.start), (index, row.end)
    for found in _WORD.finditer(laid.text, row.start, row.end):
        if found.start() <= offset < found.end():
            return (index, found.start()), (index, found.end())
    return spot, spot


def offset_at(text: str, cells: int) -> int:
    """Return which character of a row's text stands at ``cells``, or the end of the text."""
    if cells <= 0:
        return 0
    if is_narrow(text):
        return min(cells, len(text))
    seen = 0
    for at, _, size in graphemes(text, 0, len(text)):
        seen += size
        if seen > cells:
            return at
    return len(text)


def cells_before(text: str, offset: int) -> int:
    """Return the cells of the first ``offset`` characters of a row's text."""
    if is_narrow(text):
        return min(offset, len(text))
    return sum(size for at, _, size in graphemes(text, 0, len(text)) if at < offset)


def part_of(span: tuple[Spot, Spot], row: Row) -> tuple[int, int] | None:
    """Return the selected characters of a row, None for none."""
    (first, start), (last, end) = span
    if not first <= row.block <= last:
        return None
    low = max(start - row.start, 0) if row.block == first else 0
    high = min(end, row.end) - row.start if row.block == last else row.end - row.start
    return (low, high) if low < high else None
