"""The line at a pane's foot where words to look for are typed, and how many were found is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.key_table import bindings
from tui.safe import safe_content
from tui.widgets.line import Line
from tui.widgets.told import Told

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class SearchBar(Horizontal):
    """An input, and beside it what came of it."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("search"))
    DEFAULT_CSS = """
    SearchBar {
        dock: bottom;
        height: 1;
        background: $panel;
        color: $foreground;
        & > Static { width: auto; padding: 0 1; }
        & > #search-words { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
        & > #search-words:focus { border: none; background: $panel; background-tint: transparent; }
    }
    """

    class Changed(Message):
        """Other words are looked for."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    class Go(Message):
        """The next match is wanted, or the one before."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Close(Message):
        """Searching is over."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._input = Line(words, id="search-words", compact=True, select_on_focus=True)
        self._told = Told()

    def compose(self) -> ComposeResult:
        """Lay out from left to right."""
        yield Static("/", markup=False)
        yield self._input
        yield self._told

    def type(self) -> None:
        """Take the focus at once: what is typed next is for here."""
        self.screen.set_focus(self._input)

    def pass_on(self, event: events.Key) -> None:
        """Take a key that another widget got."""
        self._input.post_message(events.Key(event.key, event.character))

    def tell(self, line: str) -> None:
        """Show what was found."""
        self._told.tell(safe_content(line))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for what is typed."""
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next match: the input takes Enter before the bar can."""
        event.stop()
        self.action_go(1)

    def action_go(self, by: int) -> None:
        """Go to another match."""
        self.post_message(self.Go(by))

    def action_close(self) -> None:
        """End searching."""
        self.post_message(self.Close())
