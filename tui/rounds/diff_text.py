"""Two texts beside or under each other with what differs set off: by a sign at the row's start, by an underline, and by colour."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise, zip_longest
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.diff import Piece
from tui.key_table import bindings
from tui.widgets.own_keys import do_own_key
from tui.widgets.pane_wrap import wrap_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.binding import BindingType

    from tui.diff import Difference, Row

WIDE: Final = 100
"""Columns from which the texts stand beside each other."""
_RULE: Final = " │ "
_SIGNS: Final = ("-", "+")
_BUDGET: Final = 0.004
"""Seconds of a frame that wrapping may take."""
_SLICE: Final = 2048
"""Characters of a line that are wrapped at once, so that a line as long as an answer does not hold up the loop."""
_SLICE_ROWS: Final = 20
"""Rows that make a slice where rows are long: a row of wide or joined characters has up to five characters a cell."""


class _Line(NamedTuple):
    """One side of a row on the screen."""

    pieces: tuple[Piece, ...]
    side: int
    differs: bool


_Pair = tuple[_Line | None, _Line | None]


class DiffText(Widget, can_focus=True):
    """Shows a difference; scrolls by keys and wheel. What only the left has is marked -, what only the right has +."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("diff"))
    COMPONENT_CLASSES: ClassVar[set[str]] = {"diff--left", "diff--right", "diff--left-sign", "diff--right-sign", "diff--rule"}
    DEFAULT_CSS = """
    DiffText {
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .diff--left { color: $text-error; text-style: bold underline; }
        & > .diff--right { color: $text-success; text-style: bold underline; }
        & > .diff--left-sign { color: $text-error; text-style: bold; }
        & > .diff--right-sign { color: $text-success; text-style: bold; }
        & > .diff--rule { color: $text-muted; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._difference: Difference | None = None
        self._notice = ""
        self._lines: list[_Pair] = []
        """Rows on the screen: left and right where they stand beside each other, else one of them alone."""
        self._row_of: list[int] = []
        """The row of the difference each belongs to."""
        self._changes: list[int] = []
        """Where rows begin that differ, one for each run of them."""
        self._laying: Iterator[None] | None = None
        self._top = 0
        self._place = 0
        """The row of the difference that is to be in view once it is laid out."""

    @property
    def beside(self) -> bool:
        """Whether the texts stand beside each other."""
        return self.size.width >= WIDE

    @property
    def changes(self) -> int:
        """How many places differ, as far as the text is laid out."""
        return len(self._changes)

    def tell(self, line: str) -> None:
        """Show one line in place of a difference."""
        self._difference, self._notice = None, line
        self._begin()

    def show(self, difference: Difference) -> None:
        """Show a difference from its start."""
        self._difference = difference
        self._begin()

    def on_resize(self) -> None:
        """Wrap anew; the row at the top stays there."""
        self._begin(self._row_of[self._top] if self._top < len(self._row_of) else self._place)

    def _begin(self, place: int = 0) -> None:
        self._lines, self._row_of, self._changes = [], [], []
        self._top, self._place = 0, place
        self._laying = self._lay() if self._difference is not None and self.size.width else None
        self.flush()
        self.refresh()

    def flush(self) -> None:
        """Wrap a frame's worth of what is not wrapped yet."""
        laying = self._laying
        if laying is None:
            return
        before = len(self._lines)
        until = perf_counter() + _BUDGET
        while perf_counter() < until:
            if next(laying, laying) is laying:
                self._laying = None
                break
        if self._place and (self._laying is None or self._row_of[-1] > self._place):
            self._top, self._place = bisect_left(self._row_of, self._place), 0
            self._hold()
            self.refresh()
        elif before < self._top + self.size.height:
            self.refresh()

    def _lay(self) -> Iterator[None]:
        assert self._difference is not None  # noqa: S101  # nothing is laid out without one
        room = (self.size.width - len(_RULE)) // 2 - 2 if self.beside else self.size.width - 2
        differed = False
        for number, row in enumerate(self._difference.rows):
            for pair in _beside(row, room) if self.beside else _under(row, room):
                differs = any(line is not None and line.differs for line in pair)
                if differs and not differed:
                    self._changes.append(len(self._lines))
                differed = differs
                self._lines.append(pair)
                self._row_of.append(number)
                yield None

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        width = self.size.width
        if self._difference is None:
            text = f" {self._notice}" if y == 0 else ""
            return Strip([Segment(set_cell_size(text, width), self.get_component_rich_style("diff--rule"))], width)
        at = self._top + y
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        left, right = self._lines[at]
        if not self.beside:
            return Strip(self._segments(left or right, width), width)
        side = (width - len(_RULE)) // 2
        rule = Segment(_RULE, self.get_component_rich_style("diff--rule"))
        return Strip([*self._segments(left, side), rule, *self._segments(right, width - side - len(_RULE))], width)

    def _segments(self, line: _Line | None, width: int) -> list[Segment]:
        plain = self.rich_style
        if line is None or width < 3:
            return [Segment(" " * width, plain)]
        name = "diff--right" if line.side else "diff--left"
        own = self.get_component_rich_style(name)
        sign = (
            Segment(f"{_SIGNS[line.side]} ", self.get_component_rich_style(f"{name}-sign"))
            if line.differs
            else Segment("  ", plain)
        )
        segments = [sign]
        left = width - 2
        for text, is_own in line.pieces:
            segments.append(Segment(text, own if is_own else plain))
            left -= cell_len(text)
        return [*segments, Segment(" " * left, plain)] if left > 0 else Segment.adjust_line_length(segments, width, plain)

    def _hold(self) -> None:
        self._top = min(max(self._top, 0), max(len(self._lines) - self.size.height, 0))

    def move(self, rows: int) -> None:
        """Move the view by rows."""
        self._top += rows
        self._hold()
        self.refresh()

    def change(self, by: int) -> bool:
        """Bring the next or the previous place that differs to the top; False when there is none."""
        at = bisect_right(self._changes, self._top) if by > 0 else bisect_left(self._changes, self._top) - 1
        if not 0 <= at < len(self._changes):
            return False
        before = self._top
        self.move(self._changes[at] - before)
        return self._top != before

    async def on_key(self, event: events.Key) -> None:
        """Scroll."""
        await do_own_key(self, event)

    def action_scroll(self, by: int) -> None:
        """Scroll by a row."""
        self.move(by)

    def action_page(self, by: int) -> None:
        """Scroll by a page."""
        self.move(by * max(self.size.height - 1, 1))

    def action_edge(self, by: int) -> None:
        """Go to the first row or the last."""
        self.move(by * len(self._lines))

    def on_mouse_scroll_down(self) -> None:
        """Go down three rows."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up three rows."""
        self.move(-3)


def _beside(row: Row, room: int) -> Iterator[_Pair]:
    yield from zip_longest(_wrapped(row.left, 0, room), _wrapped(row.right, 1, room))


def _under(row: Row, room: int) -> Iterator[_Pair]:
    for line in _wrapped(row.left, 0, room):
        yield line, None
    if row.differs:
        for line in _wrapped(row.right, 1, room):
            yield None, line


def _wrapped(pieces: Sequence[Piece] | None, side: int, room: int) -> Iterator[_Line]:
    """Cut a line into rows of at most ``room`` cells, between words where that is possible, a slice of its text at a time."""
    pieces = [piece for piece in pieces or () if piece.text] or pieces
    if not pieces:
        return
    text, ends = "".join(piece.text for piece in pieces), [*accumulate(len(piece.text) for piece in pieces)]
    at = 0
    for start, end in _rows(text, max(room, 4)):
        row: list[Piece] = []
        while start < end:
            stop = min(ends[at], end)
            row.append(Piece(text[start:stop], pieces[at].own))
            at += stop == ends[at]
            start = stop  # noqa: PLW2901  # the row is walked through piece by piece
        yield _Line(tuple(row), side, any(piece.own for piece in row))


def _rows(text: str, room: int) -> Iterator[tuple[int, int]]:
    """Yield where the rows of ``text`` begin and end."""
    start, most = 0, max(_SLICE, _SLICE_ROWS * room)
    while True:
        end = min(start + most, len(text))
        starts = array("I", [start])
        wrap_line(text, start, end, room, starts)
        if end == len(text):
            yield from pairwise([*starts, end])
            return
        # All rows but the last two are final, whatever follows.
        yield from pairwise(starts[:-1])
        start = starts[-2]
