"""What a person does in a streaming pane: scroll, select and copy, open citations and links, by keys and by mouse.

How a pane is drawn is :mod:`tui.widgets.drawn_pane`'s, searching is :mod:`tui.widgets.searched_pane`'s, and what is shown
:mod:`tui.widgets.pane_view`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.message import Message

from tui.key_table import bindings
from tui.slices import in_slices
from tui.widgets.searched_pane import SearchedPane

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from textual import events
    from textual.binding import BindingType
    from textual.timer import Timer

_UNITS: Final = {2: "words", 3: "rows"}
_EDGE_EVERY: Final = 0.05
"""Seconds between two steps of scrolling while the mouse is held beyond the edge."""


class StreamPane(SearchedPane, can_focus=True):
    """A pane one can move about in. A click marks it; the focus stays where a person types."""

    FOCUS_ON_CLICK = False
    DEFAULT_CSS = """
    StreamPane {
        width: 1fr;
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .stream-pane--heading { text-style: bold; color: $text-primary; }
        & > .stream-pane--code { background: $surface; color: $foreground; }
        & > .stream-pane--fence { background: $surface; color: $text-muted; }
        & > .stream-pane--prompt { color: $text-accent; text-style: bold; }
        & > .stream-pane--note { color: $text-muted; text-style: italic; }
        & > .stream-pane--empty { color: $text-muted; }
        & > .stream-pane--track { color: $text-muted; }
        & > .stream-pane--thumb { color: $text-muted; }
        & > .stream-pane--citation { color: $text-accent; text-style: underline; }
        & > .stream-pane--citation-marked { color: $text-accent; text-style: bold reverse; }
        & > .stream-pane--match { background: $warning-muted; color: $text-warning; text-style: underline; }
        & > .stream-pane--match-current { background: $warning; color: $block-cursor-foreground; text-style: bold underline; }
        & > .stream-pane--selection { background: $primary; color: $block-cursor-foreground; }
        & > .stream-pane--md-heading1 { text-style: bold underline; color: $text-primary; }
        & > .stream-pane--md-heading2 { text-style: bold; color: $text-primary; }
        & > .stream-pane--md-heading3 { text-style: bold italic; color: $text-primary; }
        & > .stream-pane--md-strong { text-style: bold; }
        & > .stream-pane--md-emphasis { text-style: italic; }
        & > .stream-pane--md-strike { text-style: strike; }
        & > .stream-pane--md-code { color: $text-secondary; }
        & > .stream-pane--md-link { color: $text-accent; text-style: underline; }
        & > .stream-pane--md-quote { color: $text-muted; }
        & > .stream-pane--md-bullet { color: $text-accent; }
        & > .stream-pane--md-rule { color: $text-muted; }
        & > .stream-pane--md-fence { color: $text-muted; }
        & > .stream-pane--md-table-head { text-style: bold; color: $text-primary; }
        & > .stream-pane--md-table-border { color: $text-muted; }
        & > .stream-pane--md-kw { color: $text-accent; text-style: bold; }
        & > .stream-pane--md-name { color: $text-primary; }
        & > .stream-pane--md-string { color: $text-success; }
        & > .stream-pane--md-number { color: $text-warning; }
        & > .stream-pane--md-comment { color: $text-muted; text-style: italic; }
        & > .stream-pane--md-operator { color: $foreground; }
        & > .stream-pane--md-builtin { color: $text-secondary; }
        & > .stream-pane--md-decorator { color: $text-warning; }
        & > .stream-pane--md-inserted { color: $text-success; }
        & > .stream-pane--md-deleted { color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("pane"))

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

    class Pressed(Message):
        """A person clicked into the pane."""

        def __init__(self, pane: StreamPane) -> None:
            super().__init__()
            self.pane = pane

        @property
        def control(self) -> StreamPane:
            """The pane."""
            return self.pane

    def __init__(self, *, empty: str = "", id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(empty=empty, id=id, classes=classes)
        self._dragging = False
        self._pressed: tuple[int, int] | None = None
        """Where the mouse was pressed that is still held."""
        self._edge: Timer | None = None
        self._pointer = (0, 0)
        self._by_keys = False

    # Scrolling

    def scroll_rows(self, by: int) -> None:
        """Scroll by rows, down when positive. At the end, the pane follows again."""
        if self._view.scroll(by):
            self._draw()

    def scroll_to_start(self) -> None:
        """Show the first row, and stay there."""
        if self._view.go_to_start():
            self._draw()

    def scroll_to_end(self) -> None:
        """Show the end and follow it."""
        if self._view.go(None):
            self._draw()

    def scroll_to_share(self, share: float) -> None:
        """Show about the row that stands after this share of all rows."""
        self._drag(round(share * max(self._view.room - 1, 0)))

    def action_move(self, by: int) -> None:
        """Scroll, or draw the selection further, by rows."""
        if self._by_keys:
            self._view.widen_rows(by)
            self._draw()
        else:
            self.scroll_rows(by)

    def action_page(self, by: int) -> None:
        """Do the same by pages, less one row to keep the place."""
        self.action_move(by * max(self._view.room - 1, 1))

    def action_start(self) -> None:
        """Go to the first row, with the selection if one is drawn."""
        if self._by_keys:
            self._view.widen((0, 0))
        self.scroll_to_start()
        self._draw()

    def action_end(self) -> None:
        """Go to the end, with the selection if one is drawn."""
        if self._by_keys:
            self._view.widen(self._view.end)
        self.scroll_to_end()
        self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_rows(-3)

    # Mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scrollbar, or begin to select."""
        if event.button != 1:
            return
        event.stop()
        self.post_message(self.Pressed(self))
        self.capture_mouse()
        if event.x == self.size.width - 1 and self._view.doc.total > self._view.room:
            self._dragging = True
            self._drag(event.y)
        else:
            self._pressed = self._pointer = (event.x, event.y)
            self._by_keys = False
            self._select_nothing()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scrollbar, or draw the selection."""
        if self._dragging:
            event.stop()
            self._drag(event.y)
        elif self._pressed is not None and (event.x, event.y) != self._pointer:
            event.stop()
            if self._view.selection is None and self._view.doc:
                self._view.select(self._view.spot(*self._pressed), "characters")
            self._pointer = (event.x, event.y)
            self._reach()
            beyond = not 0 <= event.y < self._view.room
            if beyond and self._edge is None:
                self._edge = self.set_interval(_EDGE_EVERY, self._reach)
            elif not beyond:
                self._leave_edge()

    def on_mouse_up(self) -> None:
        """Let go."""
        if self._dragging or self._pressed is not None:
            self._dragging, self._pressed = False, None
            self._leave_edge()
            self.release_mouse()

    def _leave_edge(self) -> None:
        if self._edge is not None:
            self._edge.stop()
            self._edge = None

    def _reach(self) -> None:
        """Draw the selection to where the pointer is, scrolling when that is beyond the edge."""
        x, y = self._pointer
        beyond = min(y, 0) or max(y - self._view.room + 1, 0)
        if beyond:
            self._view.scroll(beyond)
            self._draw()
        self._view.widen(self._view.spot(x, y))
        self._draw()

    def _drag(self, y: int) -> None:
        if self._view.drag(y):
            self._draw()

    def on_click(self, event: events.Click) -> None:
        """Open what is under the pointer; select a word, or a row, when clicked again at once."""
        unit = _UNITS.get(event.chain)
        if unit is not None and self._view.doc:
            event.stop()
            self._view.select(self._view.spot(event.x, event.y), "words" if unit == "words" else "rows")
            self._draw()
            return
        found = self._view.target_at(event.x, event.y)
        if found is not None and self._view.selection is None:
            event.stop()
            self._open(found.number, found.url)

    # Citations and links

    def action_mark_citation(self, by: int) -> None:
        """Mark the next or previous citation or link in view."""
        if self._view.mark_target(by):
            self._draw()

    def action_open_citation(self) -> None:
        """Open the marked citation or link."""
        found = self._view.marked
        if found is not None:
            self._open(found.number, found.url)

    def _open(self, number: int, url: str) -> None:
        if url:
            from tui.screens.links import LinksScreen

            self.app.push_screen(LinksScreen([url]))
        else:
            self.post_message(self.Citation(self, number))

    def show_links(self) -> None:
        """Show the web addresses in the text, to open or copy one."""
        self._look_through(self._show_links())

    async def _show_links(self) -> None:
        from tui.screens.links import LinksScreen

        self.app.push_screen(LinksScreen(await in_slices(self.links())))

    def links(self) -> Generator[None, None, list[str]]:
        """Return the web addresses in the text, those in view first, then the last ones, each once. Yields often."""
        from tui.screens.links import address_list

        shown = [found.url for found in self._view.targets() if found.url]
        yield from self._taking()
        doc = self._view.doc
        text = yield from doc.gathered(0, doc.size)
        found = yield from address_list(text)
        return list(dict.fromkeys([*shown, *reversed(found)]))

    def _look_through(self, work: Coroutine[None, None, None]) -> None:
        """Do what goes through the whole text, once: a key pressed again meanwhile begins it anew."""
        self.run_worker(work, name="look through", group="look through", description="look through", exclusive=True)

    # Selecting and copying

    @property
    def selected(self) -> str:
        """The selected text as it is shown, less the breaks that wrapping made."""
        return self._view.selected

    def action_select(self) -> None:
        """Begin to select rows by keys, from the last row while the end is followed, else from the first in view; or end it."""
        if self._by_keys or not self._view.rows:
            self._select_nothing()
            return
        row = self._view.rows[-1 if self.follows else 0]
        self._view.select((row.block, row.start), "rows")
        self._by_keys = True
        self._draw()

    def _select_nothing(self) -> None:
        self._by_keys = False
        if self._view.selection is not None:
            self._view.selection = None
            self._draw()

    def action_copy(self) -> None:
        """Copy what is selected, else the last answer as the model wrote it."""
        selected = self.selected
        self.copy(selected or self.answer, "the selection" if selected else "the answer")
        if self._by_keys:
            self._select_nothing()

    def copy(self, text: str, what: str) -> None:
        """Send ``text`` to the terminal's clipboard and say that it was ``what``."""
        if not text:
            self.notify("There is nothing to copy yet.", timeout=2, markup=False)
            return
        self.app.copy_to_clipboard(text)
        count = text.removesuffix("\n").count("\n") + 1
        size = f"{count} lines" if count > 1 else f"{len(text)} characters"
        self.notify(f"Sent {what} to the terminal's clipboard: {size}.", timeout=2, markup=False)

    def copy_code(self) -> None:
        """Copy a code block; a person is asked which when there are several."""
        self._look_through(self._copy_code())

    async def _copy_code(self) -> None:
        blocks = await in_slices(self.code_blocks())
        if len(blocks) < 2:
            self.copy("".join(blocks), "the code")
            return
        from tui.screens.code import CodeScreen

        self.app.push_screen(CodeScreen(blocks), self._chosen)

    def _chosen(self, code: str | None) -> None:
        if code is not None:
            self.copy(code, "the code")

    # Leaving

    def action_close(self) -> None:
        """End searching or selecting."""
        self.close()

    def close(self) -> bool:
        """End searching, or else selecting; return whether there was anything to end."""
        if self.end_search():
            return True
        found = self._view.selection is not None
        self._select_nothing()
        return found

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave Escape to others while there is nothing to end."""
        if action == "close":
            return self.searches or self._view.selection is not None
        return super().check_action(action, parameters)

    async def action_leave(self) -> None:
        """Go back to the prompt."""
        await self.run_action("app.focus_prompt")
