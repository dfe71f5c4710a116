"""A pane whose text grows, made so that eight of them can stream at once without the loop noticing.

Text is appended at any rate and drawn when :meth:`StreamPane.flush` is called by the one clock all panes share. The pane keeps its
own scroll offset and draws its own scrollbar, because Textual lays the whole screen out again when a widget's virtual size
changes; it hands the compositor the same strips again for rows that did not change, and names only the changed rows as dirty.
Nothing here parses Markdown: lines get one plain style each.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.pane_rows import STYLES
from tui.widgets.pane_view import PaneView

if TYPE_CHECKING:
    from textual import events
    from textual.app import RenderResult

_BUDGET: Final = 0.002
"""Seconds a pane may spend in one frame on taking in text."""


class StreamPane(Widget, can_focus=True):
    """Shows text that grows; follows its end for as long as a person has not scrolled away from it."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"stream-pane--{name}" for name in STYLES}
    DEFAULT_CSS = """
    StreamPane {
        width: 1fr;
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .stream-pane--heading { text-style: bold; color: $text-primary; }
        & > .stream-pane--code { color: $text-secondary; }
        & > .stream-pane--fence { color: $text-muted; }
        & > .stream-pane--citation { color: $text-accent; text-style: underline; }
        & > .stream-pane--citation-marked { color: $text-accent; text-style: bold reverse; }
        & > .stream-pane--empty { color: $text-muted; }
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
        self._view = PaneView(empty)
        self._shown: list[Strip] = []
        self._stale = True
        self._restyle = True
        self._dragging = False

    # Text

    @property
    def text(self) -> str:
        """The whole text as it is shown, also what waits for the next frame."""
        return self._view.text

    @property
    def has_text(self) -> bool:
        """Whether there is any text, without building it."""
        return bool(self._view.doc) or self._view.waiting

    @property
    def follows(self) -> bool:
        """Whether the end stays in view as text grows."""
        return self._view.top is None

    @property
    def citations(self) -> int:
        """How many passages can be cited: ``[1]`` up to this are shown as citations, none when 0."""
        return self._view.painter.citations

    @citations.setter
    def citations(self, count: int) -> None:
        painter = self._view.painter
        if count != painter.citations:
            painter.citations, painter.marked = count, None
            painter.forget()
            self._redraw()

    def append(self, text: str) -> None:
        """Add ``text`` from outside at the end. Costs next to nothing; it is drawn at the next :meth:`flush`."""
        self._view.append(text)

    def begin(self, kind: Literal["prompt", "answer", "note"]) -> None:
        """Begin a section: what is appended from now on is a person's prompt, a model's answer, or our own remark."""

    def finish(self) -> None:
        """Say that the section is complete, so that its last block is drawn as Markdown, too."""

    def set_text(self, text: str) -> None:
        """Show ``text`` instead of what is there, from its end."""
        self.clear()
        self.append(text)

    def clear(self) -> None:
        """Forget text and scroll position."""
        self._view.clear()
        self._redraw()

    # Frames

    def flush(self, budget: float = _BUDGET) -> bool:
        """Take in what was appended, for about ``budget`` seconds, and have the rows drawn that changed.

        What is left over comes with the next call. A hidden pane does nothing. Returns whether anything was done.
        """
        view = self._view
        unsettled = view.top is not None and not view.doc.settled
        if not (view.waiting or unsettled) or self._is_hidden():
            return False
        until = perf_counter() + budget
        if view.waiting:
            view.take(until)
        else:
            view.doc.settle(lambda: perf_counter() < until)
        self._draw()
        return True

    def _is_hidden(self) -> bool:
        return not (self.is_attached and self.size and self.screen.is_current and self.is_on_screen)

    def _redraw(self) -> None:
        self._stale = True
        if self.is_attached:
            self.refresh()

    def _draw(self) -> None:
        """Lay the rows in view and have those drawn that changed."""
        before = self._shown
        self._lay()
        after = self._shown
        if len(before) != len(after):
            self.refresh()
            return
        width, regions, first = self.size.width, [], -1
        for y, strip in enumerate(after):
            if strip is not before[y]:
                first = y if first < 0 else first
            elif first >= 0:
                regions.append(Region(0, first, width, y - first))
                first = -1
        if first >= 0:
            regions.append(Region(0, first, width, len(after) - first))
        if regions:
            self.refresh(*regions)

    def _lay(self) -> None:
        width, height = self.size
        if self._restyle or self._view.painter.width != width:
            self._restyle = False
            styles = {name: self.get_component_rich_style(f"stream-pane--{name}") for name in STYLES}
            styles["text"] = self.rich_style
            self._view.painter.dress(width, styles, tuple(self.app.get_line_filters()), self.background_colors[1])
        self._stale = False
        self._shown = self._view.lay(height)

    def _frame(self) -> list[Strip]:
        if self._restyle or self._stale or len(self._shown) != self.size.height:
            if not self.is_attached:  # removed, and its styles with it: the compositor may ask once more, for what it had
                return self._shown
            self._lay()
        return self._shown

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

    def scroll_rows(self, by: int) -> None:
        """Scroll by rows, down when positive. At the end, the pane follows again."""
        if self._view.scroll(by):
            self._draw()

    def scroll_pages(self, by: int) -> None:
        """Scroll by pages, less one row to keep the place."""
        self.scroll_rows(by * max(self._view.room - 1, 1))

    def scroll_to_start(self) -> None:
        """Show the first row, and stay there."""
        if self._view.go(self._view.doc.first):
            self._draw()

    def scroll_to_end(self) -> None:
        """Show the end and follow it."""
        if self._view.go(None):
            self._draw()

    action_move = scroll_rows
    action_page = scroll_pages
    action_start = scroll_to_start
    action_end = scroll_to_end

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
        if event.x == self.size.width - 1 and self._view.doc.total > self._view.room:
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
        if self._view.drag(y):
            self._draw()

    # Citations

    def on_click(self, event: events.Click) -> None:
        """Open the citation under the pointer."""
        for found in self._view.citations():
            if found.y == event.y and found.start <= event.x - 1 < found.end:
                event.stop()
                self.post_message(self.Citation(self, found.number))
                return

    def action_mark_citation(self, by: int) -> None:
        """Mark the next or previous citation in view."""
        if self._view.mark_citation(by):
            self._draw()

    def action_open_citation(self) -> None:
        """Open the marked citation."""
        for found in self._view.citations():
            if found.anchor == self._view.painter.marked:
                self.post_message(self.Citation(self, found.number))
                return
