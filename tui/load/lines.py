"""Lines of text in named tones, cut and wrapped to a width; what the Queue view is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from tui.figures import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Piece = tuple[str, str]
"""Text and its tone: ``head``, ``dim``, ``live``, ``good``, ``warn``, ``bad`` or nothing."""
Line = tuple[Piece, ...]

GAP: Final = " · "


def size(line: Iterable[Piece]) -> int:
    """Return how many cells a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Iterable[Piece], width: int) -> Line:
    """Return a line cut at ``width`` cells, with an ellipsis where something was left out."""
    pieces: list[Piece] = []
    left = width
    for text, tone in line:
        taken = cell_len(text)
        if taken > left:
            if left > 0:
                pieces.append((cut(text, left), tone))
            break
        pieces.append((text, tone))
        left -= taken
    return tuple(pieces)


def padded(line: Line, width: int) -> Line:
    """Return a line of exactly ``width`` cells."""
    line = fit(line, width)
    return (*line, (" " * (width - size(line)), ""))


def flow(items: Sequence[Piece], width: int, *, head: Line = (), indent: int = 0) -> list[Line]:
    """Return items one after the other, wrapped between them; the lines after the first begin at ``indent``."""
    lines: list[Line] = []
    line: list[Piece] = list(head)
    taken = begin = size(head)
    for text, tone in items:
        room = cell_len(text)
        if taken > begin and taken + len(GAP) + room > width:
            lines.append(tuple(line))
            line, taken, begin = [(" " * indent, "")], indent, indent
        if taken > begin:
            line.append((GAP, "dim"))
            taken += len(GAP)
        line.append((text, tone))
        taken += room
    return [fit(each, width) for each in (*lines, tuple(line))]


def column(text: str, width: int, *, right: bool = True) -> str:
    """Return ``text`` in a column of ``width`` cells."""
    shown = cut(text, width)
    return " " * (width - cell_len(shown)) + shown if right else set_cell_size(shown, width)


def count(number: float) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,.0f}"
