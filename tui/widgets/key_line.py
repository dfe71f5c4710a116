"""The last line of the screen: the few keys one begins with, as many as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from tui.keys import Key


class KeyLine(Widget):
    """Draws keys and labels on one line; a click does what the key does. Cheaper than one widget a key."""

    ALLOW_SELECT = False

    class Clicked(Message):
        """A person clicked on a key."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[Key, ...] = ()

    def show(self, rows: Sequence[Key]) -> None:
        """Show these rows, the most useful first."""
        if (new := tuple(rows)) != self._rows:
            self._rows = new
            self.refresh()

    def _fitting(self) -> list[tuple[int, Key, str]]:
        """Return where each row that fits begins, and its key as shown."""
        fitting, at = [], 1
        for row in self._rows:
            name = row.shown_keys[0]
            width = cell_len(name) + 1 + cell_len(row.label)
            if at + width > self.size.width:
                break
            fitting.append((at, row, name))
            at += width + 2
        return fitting

    def render(self) -> Content:
        """Return the line."""
        parts: list[str | tuple[str, str]] = [" "]
        for _, row, name in self._fitting():
            parts += [(name, "$footer-key-foreground bold"), " ", (row.label, "$footer-description-foreground"), "  "]
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked on."""
        event.stop()
        for at, row, name in reversed(self._fitting()):
            if at <= event.x < at + cell_len(name) + 1 + cell_len(row.label):
                self.post_message(self.Clicked(row))
