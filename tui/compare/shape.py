"""How many panes have room beside and below each other, so that each can be read."""

from __future__ import annotations

from typing import Final, NamedTuple

NARROWEST: Final = 34
"""Columns a pane needs to read well."""
LOWEST: Final = 6
"""Rows a pane needs, its header among them."""
GUTTER: Final = 1
"""Columns between two panes."""


class Shape(NamedTuple):
    """Columns and rows of a grid."""

    columns: int
    rows: int

    @property
    def places(self) -> int:
        """How many panes it holds."""
        return self.columns * self.rows


def room(width: int, height: int) -> Shape:
    """Return the largest grid whose panes can be read in so many cells; one pane at least."""
    return Shape(max((width + GUTTER) // (NARROWEST + GUTTER), 1), max(height // LOWEST, 1))


def shape(count: int, most: Shape) -> Shape:
    """Return the grid for ``count`` panes, which ``most`` holds: up to three side by side, more nearly as a square."""
    count = min(max(count, 1), most.places)
    if count <= min(most.columns, 3):
        return Shape(count, 1)
    square = next(number for number in range(1, count + 1) if number * number >= count)
    columns = min(max(square, -(-count // most.rows)), most.columns)
    return Shape(columns, -(-count // columns))


def turned(weights: list[int], at: int, by: int, cells: int, least: int) -> list[int] | None:
    """Return ``weights`` with the one at ``at`` changed, or ``None`` when a share of ``cells`` would be under ``least``."""
    changed = [max(weight + by, 1) if index == at else weight for index, weight in enumerate(weights)]
    if changed == weights or min(changed) * cells // sum(changed) < least:
        return None
    return changed
