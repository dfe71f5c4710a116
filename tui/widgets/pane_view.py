"""What a streaming pane shows: its text, where the view stands in it, and the strips of the rows in view.

Everything a pane does apart from being a widget is here, so that it can be used and tested without a screen.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from tui.safe import safe_text
from tui.widgets.pane_clock import SHAPING
from tui.widgets.pane_find import Search
from tui.widgets.pane_inbox import Inbox
from tui.widgets.pane_rows import MARGIN, RowPainter
from tui.widgets.pane_select import Selection, cells_before, offset_at, part_of
from tui.widgets.pane_text import PaneText
from tui.widgets.pane_wrap import row_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.strip import Strip

    from tui.widgets.pane_find import Match
    from tui.widgets.pane_rows import Mark
    from tui.widgets.pane_select import Spot, Unit
    from tui.widgets.pane_text import Anchor, Place, Row


class Target(NamedTuple):
    """A citation or a link in view, by row of the view and cells from its edge."""

    y: int
    start: int
    end: int
    spot: Spot
    number: int = 0
    """The passage a citation names; 0 for a link."""
    url: str = ""


class PaneView:
    """Text, position and strips of one pane."""

    def __init__(self, empty: str, *, markdown: bool = True) -> None:
        self.painter = RowPainter()
        self.doc = PaneText(78, markdown=markdown, allowance=SHAPING)
        self.top: Anchor | None = None
        """The first row in view; None while the end is followed."""
        self.rows: list[Row] = []
        """The rows of text in view after :meth:`lay`."""
        self.room = 1
        """Rows there are for text."""
        self.selection: Selection | None = None
        self.search: Search | None = None
        self.current = -1
        """The match the view went to last."""
        self._wanted: int | None = None
        self.changed = False
        """Whether there is something new that was not laid yet."""
        self._empty = safe_text(empty)
        self.inbox = Inbox()

    # Text

    @property
    def waiting(self) -> bool:
        """Whether something was appended and not taken in yet."""
        return self.inbox.waiting

    def clear(self) -> None:
        """Forget text and position."""
        self.doc = PaneText(self.doc.width, markdown=self.doc.markdown, allowance=SHAPING)
        self.inbox = Inbox()
        self.top = self.painter.marked = self.selection = None
        if self.search is not None:
            self.search, self.current = Search(self.doc, self.search.words), -1
        self.painter.forget()

    def take(self, until: float) -> None:
        """Take in what waits until the clock reaches ``until``; the rest goes on waiting."""
        self.changed = True
        self.inbox.take(self.doc, until)

    def take_all(self) -> None:
        """Take in everything that waits."""
        if self.waiting:
            self.take(float("inf"))

    # Rows

    def lay(self, height: int) -> list[Strip]:
        """Return ``height`` strips, as wide as the painter was told."""
        painter = self.painter
        inner = max(painter.width - MARGIN, 1)
        if inner != self.doc.width:
            self.doc.resize(inner)
            painter.forget()
        self.changed = False
        self.room = max(height, 1)
        if self.doc:
            self.rows = self.doc.rows(self._first(), self.room)
            strips = painter.rows(self.doc, self.rows, self._bar(), self._marks())
        else:
            self.rows = []
            strips = [painter.line(line) for line in self._wrapped(self._empty, self.room)]
        shown = [*strips, *[painter.blank] * (height - len(strips))][:height]
        painter.trim(shown, 4 * height + 64)
        if self.rows:
            self.doc.trim(self.rows[0].block, self.rows[-1].block)
        return shown

    @property
    def owes(self) -> bool:
        """Whether blocks in view are still plain that shall be Markdown."""
        return bool(self.doc.owed) and any(row.block in self.doc.owed for row in self.rows)

    def shape(self, until: float) -> None:
        """Shape blocks in view, one at least if the common allowance has room, until the clock reaches ``until``."""
        self.changed = True
        for index in sorted({row.block for row in self.rows} & self.doc.owed, reverse=self.top is None):
            if not SHAPING:
                return
            self.doc.shape(index)
            if perf_counter() >= until:
                return

    def _first(self) -> Place:
        tail = self.doc.tail(self.room)
        return tail if self.top is None else min(self.doc.at(self.top), tail)

    def _bar(self) -> range | None:
        """Return the rows that show the scrollbar's thumb, None when everything is in view."""
        total, room = self.doc.total, self.room
        if total <= room:
            return None
        size = max(room * room // total, 1)
        span = total - room
        before = span if self.top is None else min(self.doc.number(self.doc.at(self.top)), span)
        start = round(before * (room - size) / span)
        return range(start, start + size)

    def _wrapped(self, text: str, limit: int) -> list[str]:
        """Return at most ``limit`` rows, at least one, of a short text that is not part of the document."""
        doc = PaneText(self.doc.width)
        doc.append(text)
        return [row_cells(doc.text_of(row)).rstrip() for row in doc.rows(doc.first, max(limit, 1))]

    def _marks(self) -> dict[int, tuple[Mark, ...]]:
        """Return what is marked in the rows in view: matches, then the selection, then the link a key would open."""
        if self.selection is None and self.search is None and self.painter.marked is None:
            return {}
        found: dict[int, list[Mark]] = {}
        if self.search is not None and self.search.words:
            self._mark_matches(self.search, found)
        if self.selection is not None:
            span = self.selection.span(self.doc)
            for y, row in enumerate(self.rows):
                part = part_of(span, row)
                if part is not None:
                    found.setdefault(y, []).append((*part, "selection"))
        for target in self.targets() if self.painter.marked is not None else ():
            if target.url and target.spot == self.painter.marked:
                row = self.rows[target.y]
                link = next(link for link in self.doc.laid(row.block).links if link.start == target.spot[1])
                found.setdefault(target.y, []).append((link.start - row.start, link.end - row.start, "citation-marked"))
        return {y: tuple(marks) for y, marks in found.items()}

    def _mark_matches(self, search: Search, found: dict[int, list[Mark]]) -> None:
        match = search.match(self.current)
        for y, row in enumerate(self.rows):
            for number, (start, end) in enumerate(search.marks(row.block, self.doc.laid(row.block))):
                if start < row.end and end > row.start:
                    current = match is not None and (match.block, match.number) == (row.block, number)
                    style = "match-current" if current else "match"
                    found.setdefault(y, []).append((max(start - row.start, 0), min(end, row.end) - row.start, style))

    # Position

    def scroll(self, by: int) -> bool:
        """Move by rows; return whether the view moved."""
        if not self.doc:
            return False
        place = self.doc.move(self._first(), by)
        return self.go(None if place >= self.doc.tail(self.room) else self.doc.anchor(place))

    def go(self, top: Anchor | None) -> bool:
        """Show ``top`` first, or follow the end when it is None or as far down; return whether the view moved."""
        if top is not None and self.doc.at(top) >= self.doc.tail(self.room):
            top = None
        moved = top != self.top
        self.top = top
        return moved

    def go_to_start(self) -> bool:
        """Show the first row."""
        return self.go(self.doc.anchor(self.doc.first))

    def drag(self, y: int) -> bool:
        """Move the scrollbar's thumb to row ``y``; return whether the view moved."""
        span, last = self.doc.total - self.room, self.room - 1
        if y >= last:
            return self.go(None)
        return self.go(self.doc.anchor(self.doc.place(max(y, 0) * span // max(last, 1))))

    def reveal(self, spot: Spot, *, centre: bool = True) -> bool:
        """Bring a character into view; return whether the view moved."""
        place = self.doc.at(self.doc.anchor_of(*spot))
        first = self._first()
        last = self.doc.move(first, self.room - 1)
        if first <= place <= last:
            return False
        above = self.room // 2 if centre else 0 if place < first else self.room - 1
        return self.go(self.doc.anchor(self.doc.move(place, -above)))

    def spot(self, x: int, y: int) -> Spot:
        """Return the character under a cell of the view: of the nearest row, and the end of a row right of it."""
        if not self.rows:
            return (0, 0)
        row = self.rows[min(max(y, 0), len(self.rows) - 1)]
        if y >= len(self.rows):
            return (row.block, row.end)
        text = self.doc.text_of(row)
        return (row.block, row.start + offset_at(text, x - 1 - len(row.hang)))

    # Citations and links

    def targets(self) -> Iterator[Target]:
        """Yield the citations and links in view, in reading order."""
        doc = self.doc
        for y, row in enumerate(self.rows):
            text, edge = doc.text_of(row), 1 + len(row.hang)
            found = [(start, end, number, "") for start, end, number in self.painter.find_citations(doc, row, text)]
            found += [
                (link.start - row.start, link.end - row.start, 0, link.url)
                for link in doc.laid(row.block).links
                if link.start < row.end and link.end > row.start
            ]
            for start, end, number, url in sorted(found):
                cells = edge + cells_before(text, max(start, 0)), edge + cells_before(text, min(end, len(text)))
                yield Target(y, *cells, (row.block, row.start + start), number, url)

    def target_at(self, x: int, y: int) -> Target | None:
        """Return the citation or link under a cell of the view."""
        return next((found for found in self.targets() if found.y == y and found.start <= x < found.end), None)

    @property
    def marked(self) -> Target | None:
        """The citation or link that is marked, if it is in view."""
        return next((found for found in self.targets() if found.spot == self.painter.marked), None)

    def mark_target(self, by: int) -> bool:
        """Mark the next or previous citation or link in view; return whether there is one."""
        places = list(dict.fromkeys(found.spot for found in self.targets()))
        if not places:
            return False
        marked, first = self.painter.marked, 0 if by > 0 else -1
        self.painter.marked = places[(places.index(marked) + by) % len(places) if marked in places else first]
        self.painter.forget()
        return True

    # Selecting

    def select(self, spot: Spot, unit: Unit) -> None:
        """Begin a selection."""
        anchor = self.doc.anchor_of(*spot)
        self.selection = Selection(anchor, anchor, unit)

    def widen(self, spot: Spot) -> None:
        """Draw the selection as far as ``spot``."""
        if self.selection is not None:
            self.selection = self.selection._replace(moving=self.doc.anchor_of(*spot))

    def widen_rows(self, by: int) -> None:
        """Draw the selection further by rows, and keep its end in view."""
        if self.selection is not None:
            place = self.doc.move(self.doc.at(self.selection.moving), by)
            self.selection = self.selection._replace(moving=self.doc.anchor(place))
            self.reveal(self.doc.locate(self.selection.moving), centre=False)

    @property
    def end(self) -> Spot:
        """The end of the text."""
        last = self.doc.move(self.doc.tail(1), 0).block
        return last, len(self.doc.laid(last).text)

    @property
    def selected(self) -> str:
        """The text that is selected."""
        return "" if self.selection is None else self.selection.text(self.doc)

    # Searching

    def look_for(self, words: str, match: int | None = None) -> None:
        """Search for ``words`` from now on; nothing when empty. Then go to ``match``, or the first one from the view on."""
        self.search, self.current, self.changed = (Search(self.doc, words) if words else None), -1, True
        self._wanted = match

    @property
    def searching(self) -> bool:
        """Whether some text was not looked through yet."""
        return self.search is not None and not self.search.complete

    def scan(self, until: float) -> None:
        """Look on until the clock reaches ``until``; when the first match from the view on is known, go to it."""
        search = self.search
        if search is None:
            return
        search.scan(until)
        if self.current < 0 and search.complete and search.total:
            at = 0 if not self.rows else self.doc.anchor_of(self.rows[0].block, self.rows[0].start).at
            self.find(search.first_from(at) if self._wanted is None else self._wanted)
        self.changed = True

    def find(self, number: int) -> None:
        """Go to match ``number``, counted round."""
        if self.search is None or not self.search.total:
            return
        self.current = number % self.search.total
        match = self.search.match(self.current)
        if match is not None:
            self.reveal(self._spot_of(self.search, match))
        self.changed = True

    def _spot_of(self, search: Search, match: Match) -> Spot:
        marks = search.marks(match.block, self.doc.laid(match.block))
        if match.number < len(marks):
            return (match.block, marks[match.number][0])
        # What was found is not shown as it was written, an address for example: about there, then.
        laid, start = self.doc.laid(match.block), self.doc.start_of(match.block)
        size = max(len(self.doc.source_of(match.block)), 1)
        return (match.block, (match.at - start) * len(laid.text) // size)
