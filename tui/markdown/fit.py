"""Text in columns of terminal cells: how wide columns may be, and how a cell's text is wrapped and padded to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, split_graphemes

if TYPE_CHECKING:
    from collections.abc import Sequence

_NARROW: Final = re.compile("[ -~]*")


def cells_of(text: str) -> int:
    """Return the cells ``text`` takes, as the terminal library counts them."""
    return len(text) if text.isascii() else cell_len(text)


def fit_columns(natural: Sequence[int], room: int) -> list[int]:
    """Return widths of at most ``room`` cells in all: narrow columns stay as they are, the others share what is left."""
    widths = list(natural)
    left, open_columns = room, sorted(range(len(widths)), key=lambda column: natural[column])
    while open_columns:
        share = left // len(open_columns)
        column = open_columns[0]
        if natural[column] > share:
            for index, wide in enumerate(open_columns):
                widths[wide] = max(share + (index < left - share * len(open_columns)), 1)
            break
        left -= natural[column]
        open_columns.pop(0)
    return widths


def wrap_cell(text: str, width: int) -> list[tuple[int, int]]:
    """Return the rows of ``text``, as starts and ends, none wider than ``width`` cells if its characters are not."""
    rows: list[tuple[int, int]] = []
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        rows.extend(_wrap_line(text, start, end, width))
        start = end + 1
    return rows


def _wrap_line(text: str, start: int, end: int, width: int) -> list[tuple[int, int]]:
    line = text[start:end]
    if cells_of(line) <= width:
        return [(start, end)]
    rows: list[tuple[int, int]] = []
    row, cells, space, after_space = start, 0, -1, 0
    for first, last, size in split_graphemes(line)[0]:
        at, blank = start + first, line[first:last] == " "
        if cells + size > width and at > row:
            if blank:
                rows.append((row, at))
                row, cells, space = start + last, 0, -1
                continue
            if space > row:
                rows.append((row, space))
                row, cells = space + 1, cells - after_space
            if cells + size > width and at > row:
                rows.append((row, at))
                row, cells = at, 0
            space = -1
        cells += size
        if blank:
            space, after_space = at, cells
    if row < end or not rows:
        rows.append((row, end))
    return rows


def padding(text: str, width: int, align: str) -> tuple[int, int]:
    """Return the spaces before and after ``text`` that fill ``width`` cells."""
    free = max(width - cells_of(text), 0)
    if align == "right":
        return free, 0
    if align == "center":
        return free // 2, free - free // 2
    return 0, free
