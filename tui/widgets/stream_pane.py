"""A pane whose text grows, made so that eight of them can stream at once without the loop noticing.

Text is appended at any rate and drawn when :meth:`StreamPane.flush` is called by the one clock all panes share. The pane keeps its
own scroll offset and draws its own scrollbar, because Textual lays the whole screen out again when a widget's virtual size
changes; it hands the compositor the same strips again for rows that did not change, and names only the changed rows as dirty.
Nothing here parses Markdown: lines get one plain style each.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.safe import safe_text
from tui.widgets.pane_text import PaneText, Row
from tui.widgets.pane_wrap import CODE, FENCE, HEADING, PLAIN, is_narrow, row_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.style import Style
    from textual import events
    from textual.app import RenderResult

    from tui.widgets.pane_text import Place

_CITATION: Final = re.compile(r"\[(\d{1,3})\]")
_SLICE: Final = 8192
_WIDE_SLICE: Final = 2048
"""Characters wrapped between two looks at the clock, for plain text and for text with wide characters: about half a millisecond."""
_FOLD_AT: Final = 256
_NO_BAR, _TRACK, _THUMB = range(3)
_STYLES: Final = ("text", "heading", "code", "fence", "citation", "citation-marked", "empty", "error", "track", "thumb")


class StreamPane(Widget, can_focus=True):
    """Shows text that grows; follows its end for as long as a person has not scrolled away from it."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"stream-pane--{name}" for name in _STYLES}
    DEFAULT_CSS = """
    StreamPane {
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .stream-pane--heading { text-style: bold; color: $text-primary; }
        & > .stream-pane--code { color: $text-secondary; }
        & > .stream-pane--fence { color: $text-muted; }
        & > .stream-pane--citation { color: $text-accent; text-style: underline; }
        & > .stream-pane--citation-marked { color: $text-accent; text-style: bold reverse; }
        & > .stream-pane--empty { color: $text-muted; }
        & > .stream-pane--error { color: $text-error; }
        & > .stream-pane--track { color: $text-muted; }
        & > .stream-pane--thumb { color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="pane.up"),
        Binding("down", "move(1)", "Down", show=False, id="pane.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="pane.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="pane.page_down"),
        Binding("home", "start", "Start", show=False, id="pane.start"),
        Binding("end", "end", "End", show=False, id="pane.end"),
        Binding("right_square_bracket", "mark_citation(1)", "Next citation", show=False, id="pane.next_citation"),
        Binding("left_square_bracket", "mark_citation(-1)", "Previous citation", show=False, id="pane.previous_citation"),
        Binding("enter", "open_citation", "Open citation", show=False, id="pane.open_citation"),
    ]

    class Citation(Message):
        """A person opened the citation ``[number]``."""

        def __init__(self, pane: StreamPane, number: int) -> None:
            super().__init__()
            self.pane = pane
            self.number = number

        @property
        def control(self) -> StreamPane:
            """The pane it stands in."""
            return self.pane

    def __init__(self, *, empty: str = "", id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._empty = safe_text(empty)
        self._error = ""
        self._doc = PaneText(78)
        self._pieces: list[str] = []
        self._backlog = ""
        self._taken = 0
        self._top: Place | None = None
        self._marked: tuple[int, int] | None = None
        self._citations = 0
        self._strips: dict[tuple[Row, int], Strip] = {}
        self._shown: list[Strip] = []
        self._rows: list[Row] = []
        self._stale = True
        self._restyle = True
        self._look: tuple[object, ...] = ()
        self._style: dict[str, Style] = {}
        self._dragging = False

    # Text

    @property
    def text(self) -> str:
        """The whole text as it is shown, also what waits for the next frame."""
        waiting = "".join([self._backlog[self._taken :], *self._pieces])
        return f"{self._doc}{safe_text(waiting)}"

    @property
    def has_text(self) -> bool:
        """Whether there is any text, without building it."""
        return bool(self._doc or self._pieces or self._backlog)

    @property
    def follows(self) -> bool:
        """Whether the end stays in view as text grows."""
        return self._top is None

    @property
    def citations(self) -> int:
        """How many passages can be cited: ``[1]`` up to this are shown as citations, none when 0."""
        return self._citations

    @citations.setter
    def citations(self, count: int) -> None:
        if count != self._citations:
            self._citations, self._marked = count, None
            self._redraw()

    def append(self, text: str) -> None:
        """Add ``text`` from outside at the end. Costs next to nothing; it is drawn at the next :meth:`flush`."""
        if text:
            self._pieces.append(text)
            if len(self._pieces) >= _FOLD_AT:
                self._fold()

    def set_text(self, text: str) -> None:
        """Show ``text`` instead of what is there, from its end."""
        self.clear()
        self.append(text)

    def clear(self) -> None:
        """Forget text, error and scroll position."""
        self._doc = PaneText(self._doc.width)
        self._pieces.clear()
        self._backlog, self._taken = "", 0
        self._error = ""
        self._top = self._marked = None
        self._redraw()

    def set_error(self, message: str | None) -> None:
        """Show one error under the text, or none."""
        line = safe_text(message or "").strip()
        if line != self._error:
            self._error = line
            self._redraw()

    def _fold(self) -> None:
        self._backlog = "".join([self._backlog[self._taken :], *self._pieces])
        self._taken = 0
        self._pieces.clear()

    # Frames

    @property
    def _hidden(self) -> bool:
        return not (self.is_attached and self.display and self.size and self.screen.is_current and self.is_on_screen)

    def flush(self, budget: float = 0.002) -> bool:
        """Take in what was appended, for about ``budget`` seconds at most, and have the changed rows drawn.

        What is left over comes with the next call. Returns whether there was anything to do. A hidden pane does nothing.
        """
        waiting = bool(self._pieces or self._backlog)
        if not waiting and (self._doc.settled or self._top is None):
            return False
        if self._hidden:
            return False
        until = perf_counter() + budget
        if waiting:
            self._take(until)
        elif not self._doc.settled:
            self._doc.settle(lambda: perf_counter() < until)
        self._draw()
        return True

    def _take(self, until: float) -> None:
        if self._pieces:
            self._fold()
        text, at = self._backlog, self._taken
        while at < len(text):
            step = _SLICE
            if not is_narrow(text[at : at + 64]) or not text[at : at + _SLICE].isascii():
                step = _WIDE_SLICE
            self._doc.append(safe_text(text[at : at + step]))
            at += step
            if perf_counter() >= until:
                break
        self._taken = at
        if at >= len(text):
            self._backlog, self._taken = "", 0

    def _redraw(self) -> None:
        """Forget every strip and draw all rows anew."""
        self._strips.clear()
        self._stale = True
        if self.is_attached:
            self.refresh()

    def _draw(self) -> None:
        """Compose the rows in view and have those drawn that changed."""
        before = self._shown
        self._lay_rows()
        after = self._shown
        if len(before) != len(after):
            self.refresh()
            return
        dirty = [y for y, strip in enumerate(after) if strip is not before[y]]
        if dirty:
            self.refresh(Region(0, dirty[0], self.size.width, dirty[-1] - dirty[0] + 1))

    def _frame(self) -> list[Strip]:
        if self._restyle or self._stale or len(self._shown) != self.size.height:
            self._lay_rows()
        return self._shown

    def _lay_rows(self) -> None:
        width, height = self.size
        if self._restyle:
            self._take_styles()
        inner = max(width - 2, 1)
        if inner != self._doc.width:
            self._resize(inner)
        self._stale = False
        foot = self._foot(height)
        room = height - len(foot)
        blank = Strip.blank(width, self._style["text"])
        if self._doc:
            strips = self._text_strips(room)
        else:
            self._rows = []
            strips = [self._plain(line, "empty") for line in self._wrapped(self._empty, room)]
        strips += [blank] * (room - len(strips))
        self._shown = strips + foot
        if len(self._strips) > 16 * height + 256:
            self._trim()

    def _trim(self) -> None:
        """Keep the strips in view, and drop the others."""
        shown = {id(strip) for strip in self._shown}
        self._strips = {key: strip for key, strip in self._strips.items() if id(strip) in shown}

    def _resize(self, inner: int) -> None:
        anchor = None if self._top is None else self._doc.anchor(self._top)
        self._doc.resize(inner)
        self._top = None if anchor is None else self._doc.at(anchor)
        self._strips.clear()

    def _text_strips(self, room: int) -> list[Strip]:
        top = self._first(room)
        self._rows = rows = self._doc.rows(top, room)
        first, size = self._bar(room)
        strips = []
        cache = self._strips
        for y, row in enumerate(rows):
            bar = _NO_BAR if size == 0 else _THUMB if first <= y < first + size else _TRACK
            strip = cache.get((row, bar))
            if strip is None:
                strip = cache[row, bar] = self._strip(row, bar)
            strips.append(strip)
        return strips

    def _first(self, room: int) -> Place:
        if self._top is None:
            return self._doc.tail(room)
        return self._top

    def _bar(self, room: int) -> tuple[int, int]:
        """Return where the scrollbar's thumb starts and how long it is; 0 long when everything is in view."""
        total = self._doc.total
        if total <= room or room < 1:
            return (0, 0)
        size = max(room * room // total, 1)
        span = total - room
        before = span if self._top is None else min(self._doc.number(self._top), span)
        return (round(before * (room - size) / span), size)

    # Rows to strips

    def _take_styles(self) -> None:
        self._restyle = False
        style = {name: self.get_component_rich_style(f"stream-pane--{name}") for name in _STYLES}
        style["text"] = self.rich_style
        look = (style, tuple(self.app.get_line_filters()), self.background_colors[1])
        if look != self._look:
            self._look, self._style = look, style
            self._strips.clear()

    def _strip(self, row: Row, bar: int) -> Strip:
        width = self.size.width
        text = row_cells(self._doc.text_of(row))
        inner = width - 2
        text = f"{text:<{inner}}" if is_narrow(text) and len(text) <= inner else set_cell_size(text.rstrip(" "), inner)
        style = self._style[
            "heading" if row.kind == HEADING else "code" if row.kind == CODE else "fence" if row.kind == FENCE else "text"
        ]
        if self._citations and row.kind in {PLAIN, HEADING} and "[" in text:
            segments = list(self._cited(row, text, style))
        else:
            segments = [Segment(f" {text}", style)]
        segments.append(
            Segment(" ", self._style["text"])
            if bar == _NO_BAR
            else Segment("▐", self._style["thumb"])
            if bar == _THUMB
            else Segment("│", self._style["track"])
        )
        return self._filtered(segments)

    def _filtered(self, segments: list[Segment]) -> Strip:
        strip = Strip(segments, self.size.width)
        background = self.background_colors[1]
        for line_filter in self.app.get_line_filters():
            strip = strip.apply_filter(line_filter, background)
        return strip

    def _cited(self, row: Row, text: str, style: Style) -> Iterator[Segment]:
        yield Segment(" ", style)
        at = 0
        for start, end, _ in self._found(text):
            marked = self._marked == (row.block, row.start + start)
            if start > at:
                yield Segment(text[at:start], style)
            yield Segment(text[start:end], self._style["citation-marked" if marked else "citation"])
            at = end
        if at < len(text):
            yield Segment(text[at:], style)

    def _found(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield start, end and number of each citation in a row's text."""
        for match in _CITATION.finditer(text):
            number = int(match[1])
            if 1 <= number <= self._citations:
                yield match.start(), match.end(), number

    def _plain(self, line: str, name: str) -> Strip:
        inner = max(self.size.width - 2, 1)
        return self._filtered([Segment(f" {set_cell_size(line, inner)} ", self._style[name])])

    def _wrapped(self, text: str, limit: int) -> list[str]:
        """Return at most ``limit`` rows of a short text that is not part of the document."""
        doc = PaneText(self._doc.width)
        doc.append(text)
        return [row_cells(doc.text_of(row)).rstrip() for row in doc.rows(doc.first, max(limit, 0))]

    def _foot(self, height: int) -> list[Strip]:
        if not self._error or height < 1:
            return []
        return [self._plain(line, "error") for line in self._wrapped(f"✗ {self._error}", max(height // 3, 1))]

    # Textual's side

    def render(self) -> RenderResult:
        """Return nothing: this widget draws rows, see :meth:`render_lines`."""
        return Content("")

    def render_line(self, y: int) -> Strip:
        """Return row ``y``."""
        frame = self._frame()
        return frame[y] if 0 <= y < len(frame) else Strip.blank(self.size.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows in ``crop``: the very strips of the last frame where nothing changed."""
        self._dirty_regions.clear()
        frame = self._frame()
        if crop.height != len(frame) or crop.y:
            frame = frame[crop.y : crop.bottom]
        if crop.x or crop.width != self.size.width:
            return [strip.crop(crop.x, crop.right) for strip in frame]
        return frame

    def notify_style_update(self) -> None:
        """Look at the styles again before the next frame."""
        super().notify_style_update()
        self._restyle = True

    def on_resize(self) -> None:
        """Wrap at the new width when the rows are next drawn."""
        self._stale = True

    def on_show(self) -> None:
        """Draw what came while the pane was hidden."""
        self._stale = True
        self.flush()

    # Scrolling

    @property
    def _room(self) -> int:
        return max(len(self._shown) - len(self._foot(self.size.height)), 1)

    def scroll_rows(self, by: int) -> None:
        """Scroll by rows, down when positive. At the end, the pane follows again."""
        if not self._doc:
            return
        self._go(self._doc.move(self._first(self._room), by))

    def scroll_pages(self, by: int) -> None:
        """Scroll by pages, less one row to keep the place."""
        self.scroll_rows(by * max(self._room - 1, 1))

    def scroll_to_start(self) -> None:
        """Show the first row, and stay there."""
        self._go(self._doc.first)

    def scroll_to_end(self) -> None:
        """Show the end and follow it."""
        self._go(None)

    def _go(self, top: Place | None) -> None:
        if top is not None and top >= self._doc.tail(self._room):
            top = None
        if top != self._top:
            self._top = top
            self._draw()

    def action_move(self, by: int) -> None:
        """Scroll by rows."""
        self.scroll_rows(by)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        self.scroll_pages(by)

    def action_start(self) -> None:
        """Go to the start."""
        self.scroll_to_start()

    def action_end(self) -> None:
        """Go to the end and follow."""
        self.scroll_to_end()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_rows(-3)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scrollbar."""
        if event.x == self.size.width - 1 and self._doc.total > self._room:
            event.stop()
            self._dragging = True
            self.capture_mouse()
            self._drag(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scrollbar."""
        if self._dragging:
            event.stop()
            self._drag(event.y)

    def on_mouse_up(self) -> None:
        """Let go of the scrollbar."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag(self, y: int) -> None:
        room = self._room
        span = self._doc.total - room
        self._go(None if y >= room - 1 else self._doc.place(max(y, 0) * span // max(room - 1, 1)))

    # Citations

    def on_click(self, event: events.Click) -> None:
        """Open the citation under the pointer."""
        if self._citations and 0 <= event.y < len(self._rows):
            text = row_cells(self._doc.text_of(self._rows[event.y]))
            for start, end, number in self._found(text):
                if cell_len(text[:start]) <= event.x - 1 < cell_len(text[:end]):
                    event.stop()
                    self.post_message(self.Citation(self, number))
                    return

    def action_mark_citation(self, by: int) -> None:
        """Mark the next or previous citation in view."""
        places = [
            (row.block, row.start + start)
            for row in self._rows
            if row.kind in {PLAIN, HEADING}
            for start, _, _ in self._found(row_cells(self._doc.text_of(row)))
        ]
        if not places:
            return
        first = 0 if by > 0 else -1
        self._marked = places[(places.index(self._marked) + by) % len(places) if self._marked in places else first]
        self._strips.clear()
        self._draw()

    def action_open_citation(self) -> None:
        """Open the marked citation."""
        for row in self._rows:
            for start, _, number in self._found(row_cells(self._doc.text_of(row))):
                if self._marked == (row.block, row.start + start):
                    self.post_message(self.Citation(self, number))
                    return
