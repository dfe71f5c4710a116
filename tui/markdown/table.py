"""Tables as lines that fit a width: with wrapped cells, or one field a line where there is no room for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.markdown.fit import cells_of, fit_columns, padding, wrap_cell
from tui.markdown.shaped import NEVER, PLAIN, TABLE, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.markdown.draft import Cell, Draft

_BAR: Final = " │ "
_NARROWEST: Final = 6
"""Cells a column needs for its text to be readable; with less, the fields stand one under the other."""


class Table(NamedTuple):
    """A table's cells and how its columns are aligned (``left``, ``right``, ``center``)."""

    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    aligns: Sequence[str]


def natural_widths(table: Table) -> tuple[int, ...]:
    """Return the cells each column would take if there was room."""
    widths = [1] * len(table.aligns)
    for row in (table.head, *table.rows):
        for column, cell in enumerate(row[: len(widths)]):
            widths[column] = max(widths[column], *(cells_of(line) for line in cell.text.split("\n")))
    return tuple(widths)


def draw_table(draft: Draft, table: Table, natural: Sequence[int], width: int, *, goes_on: bool = False) -> None:
    """Add the lines of ``table`` with columns of ``natural`` width, or less where they do not fit into ``width`` cells.

    A table that ``goes_on`` with what another piece began has its head drawn there.
    """
    room = width - len(_BAR) * (len(natural) - 1)
    if sum(natural) > room and room < sum(min(cells, _NARROWEST) for cells in natural):
        _draw_fields(draft, table)
        return
    widths = fit_columns(natural, room)
    if not goes_on:
        _draw_row(draft, table.head, widths, table.aligns, "table-head")
        _draw_rule(draft, widths, "─", "┼")
    wrapped = any(len(wrap_cell(cell.text, widths[column])) > 1 for row in table.rows for column, cell in enumerate(row))
    for index, row in enumerate(table.rows):
        if wrapped and (index or goes_on):
            _draw_rule(draft, widths, "┄", "┼")
        _draw_row(draft, row, widths, table.aligns, "")


def _draw_rule(draft: Draft, widths: Sequence[int], line: str, cross: str) -> None:
    draft.begin(TABLE, NEVER)
    draft.put(f"{line}{cross}{line}".join(line * cells for cells in widths), "table-border")


def _draw_row(draft: Draft, row: Sequence[Cell], widths: Sequence[int], aligns: Sequence[str], style: str) -> None:
    wrapped = [wrap_cell(cell.text, cells) for cell, cells in zip(row, widths, strict=True)]
    for index in range(max(map(len, wrapped), default=0)):
        draft.begin(TABLE, NEVER)
        for column, cell in enumerate(row):
            if column:
                draft.put(_BAR, "table-border")
            start, end = wrapped[column][index] if index < len(wrapped[column]) else (0, 0)
            before, after = padding(cell.text[start:end], widths[column], aligns[column])
            draft.put(" " * before)
            if style:
                draft.enter(style)
            draft.place(cell, start, end)
            if style:
                draft.leave()
            if column < len(row) - 1:
                draft.put(" " * after)


def _draw_fields(draft: Draft, table: Table) -> None:
    """Draw every row as its fields, one under the other, each after the name of its column."""
    for index, row in enumerate(table.rows):
        if index:
            draft.blank()
        for name, cell in zip(table.head, row, strict=True):
            if not cell.text:
                continue
            draft.begin(PLAIN, WORDS)
            if name.text:
                draft.enter("table-head")
                _place_line(draft, name)
                draft.leave()
                draft.put(": ")
            _place_line(draft, cell)
    if not table.rows:
        for name in table.head:
            draft.begin(PLAIN, WORDS)
            draft.enter("table-head")
            _place_line(draft, name)
            draft.leave()


def _place_line(draft: Draft, cell: Cell) -> None:
    start = 0
    for line in cell.text.split("\n"):
        if start:
            draft.put(" ")
        draft.place(cell, start, start + len(line))
        start += len(line) + 1
