"""What a streaming pane shows: its text, where the view stands in it, and the strips of the rows in view.

Everything a pane does apart from being a widget is here, so that it can be used and tested without a screen.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len

from tui.safe import safe_text
from tui.widgets.pane_rows import MARGIN, RowPainter
from tui.widgets.pane_text import PaneText
from tui.widgets.pane_wrap import row_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.strip import Strip

    from tui.widgets.pane_text import Place, Row

_SLICE: Final = 8192
_DEAR_SLICE: Final = 1024
"""Characters wrapped between two looks at the clock, for plain prose and for what is dearer to wrap: well under a millisecond."""
_FOLD_AT: Final = 256


class ShownCitation(NamedTuple):
    """A citation in view, by row of the view and cells of its text."""

    y: int
    start: int
    end: int
    number: int
    anchor: tuple[int, int]


class PaneView:
    """Text, position and strips of one pane."""

    def __init__(self, empty: str) -> None:
        self.painter = RowPainter()
        self.doc = PaneText(78)
        self.top: Place | None = None
        """The first row in view; None while the end is followed."""
        self.rows: list[Row] = []
        """The rows of text in view after :meth:`lay`."""
        self.room = 1
        """Rows there are for text."""
        self._empty = safe_text(empty)
        self._pieces: list[str] = []
        self._folded: list[str] = []
        self._backlog = ""
        self._taken = 0

    # Text

    @property
    def waiting(self) -> bool:
        """Whether some text was appended and not taken in yet."""
        return bool(self._pieces or self._folded or self._backlog)

    @property
    def text(self) -> str:
        """The whole text, also what waits."""
        return f"{self.doc}{safe_text(''.join([self._backlog[self._taken :], *self._folded, *self._pieces]))}"

    def append(self, text: str) -> None:
        """Keep ``text`` until :meth:`take`."""
        if text:
            self._pieces.append(text)
            if len(self._pieces) >= _FOLD_AT:  # a hidden pane may wait for long, and a string for each token is dear
                self._folded.append("".join(self._pieces))
                self._pieces.clear()

    def clear(self) -> None:
        """Forget text and position."""
        self.doc = PaneText(self.doc.width)
        self._pieces.clear()
        self._folded.clear()
        self._backlog, self._taken = "", 0
        self.top = self.painter.marked = None
        self.painter.forget()

    def take(self, until: float) -> None:
        """Take in waiting text slice by slice, at least one, until the clock reaches ``until``; the rest goes on waiting."""
        while self.waiting:
            if not self._backlog:
                self._backlog, self._taken = "".join([*self._folded, *self._pieces]), 0
                self._folded.clear()
                self._pieces.clear()
            raw = self._backlog[self._taken : self._taken + _SLICE]
            text = safe_text(raw)
            if not text.isascii() or "\t" in text or text.count("\n") > _DEAR_SLICE // 4:
                raw = raw[:_DEAR_SLICE]
                text = safe_text(raw)
            self.doc.append(text)
            self._taken += len(raw)
            if self._taken >= len(self._backlog):
                self._backlog = ""
            if perf_counter() >= until:
                return

    # Rows

    def lay(self, height: int) -> list[Strip]:
        """Return ``height`` strips, as wide as the painter was told."""
        painter = self.painter
        inner = max(painter.width - MARGIN, 1)
        if inner != self.doc.width:
            self._resize(inner)
        self.room = max(height, 1)
        if self.doc:
            self.rows = self.doc.rows(self._first(), self.room)
            strips = painter.rows(self.doc, self.rows, self._bar())
        else:
            self.rows = []
            strips = [painter.line(line) for line in self._wrapped(self._empty, self.room)]
        shown = [*strips, *[painter.blank] * (height - len(strips))][:height]
        painter.trim(shown, 4 * height + 64)
        return shown

    def _resize(self, inner: int) -> None:
        anchor = None if self.top is None else self.doc.anchor(self.top)
        self.doc.resize(inner)
        self.top = None if anchor is None else self.doc.at(anchor)
        self.painter.forget()

    def _first(self) -> Place:
        tail = self.doc.tail(self.room)
        return tail if self.top is None else min(self.top, tail)

    def _bar(self) -> range | None:
        """Return the rows that show the scrollbar's thumb, None when everything is in view."""
        total, room = self.doc.total, self.room
        if total <= room:
            return None
        size = max(room * room // total, 1)
        span = total - room
        before = span if self.top is None else min(self.doc.number(self.top), span)
        start = round(before * (room - size) / span)
        return range(start, start + size)

    def _wrapped(self, text: str, limit: int) -> list[str]:
        """Return at most ``limit`` rows, at least one, of a short text that is not part of the document."""
        doc = PaneText(self.doc.width)
        doc.append(text)
        return [row_cells(doc.text_of(row)).rstrip() for row in doc.rows(doc.first, max(limit, 1))]

    # Position

    def scroll(self, by: int) -> bool:
        """Move by rows; return whether the view moved."""
        return self.go(self.doc.move(self._first(), by)) if self.doc else False

    def go(self, top: Place | None) -> bool:
        """Show ``top`` first, or follow the end when it is None or as far down; return whether the view moved."""
        if top is not None and top >= self.doc.tail(self.room):
            top = None
        moved = top != self.top
        self.top = top
        return moved

    def drag(self, y: int) -> bool:
        """Move the scrollbar's thumb to row ``y``; return whether the view moved."""
        span, last = self.doc.total - self.room, self.room - 1
        return self.go(None if y >= last else self.doc.place(max(y, 0) * span // max(last, 1)))

    # Citations

    def citations(self) -> Iterator[ShownCitation]:
        """Yield the citations in view."""
        for y, row in enumerate(self.rows if self.painter.citations else ()):
            text = row_cells(self.doc.text_of(row))
            for start, end, number in self.painter.find_citations(row, text):
                yield ShownCitation(y, cell_len(text[:start]), cell_len(text[:end]), number, (row.block, row.start + start))

    def mark_citation(self, by: int) -> bool:
        """Mark the next or previous citation in view; return whether there is one."""
        places = [found.anchor for found in self.citations()]
        if not places:
            return False
        marked, first = self.painter.marked, 0 if by > 0 else -1
        self.painter.marked = places[(places.index(marked) + by) % len(places) if marked in places else first]
        self.painter.forget()
        return True
