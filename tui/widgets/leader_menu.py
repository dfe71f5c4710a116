"""The strip that lists what one more key does after the leader key."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui.keys import shown_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from tui.keys import Key

_WIDEST: Final = 22
_NARROWEST: Final = 9
"""Cells of a column: with room it holds every label whole, without it the first letters."""


class LeaderMenu(Widget):
    """Shows keys with what they do, under the headings they stand under in help, over the foot of the screen."""

    ALLOW_SELECT = False

    class Chosen(Message):
        """A person clicked on what one of the keys does."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self.display = False
        self._rows: tuple[Key, ...] = ()
        self._note = ""
        self._columns: list[list[Key | str]] = []
        self._cells = _WIDEST

    @property
    def is_open(self) -> bool:
        """Whether the next key belongs to the menu."""
        return self.display

    def open(self, rows: Sequence[Key], note: str) -> None:
        """List these keys; ``note`` stands above them."""
        self._rows, self._note = tuple(rows), note
        self._arrange(*self.screen.size)
        self.styles.height = max(map(len, self._columns), default=0) + 2
        self.display = True
        self.refresh()

    def close(self) -> None:
        """Take the menu away."""
        self.display = False

    def say(self, note: str) -> None:
        """Say something in place of what stood above the keys."""
        self._note = note
        self.refresh()

    def find(self, key: str) -> Key | None:
        """Return what a key does here."""
        return next((row for row in self._rows if row.leader == key), None)

    def _arrange(self, width: int, height: int) -> None:
        """Put the keys into as few columns as there is height for, so that labels stay whole as long as they can."""
        entries: list[Key | str] = []
        for where, rows in groupby(self._rows, key=lambda row: row.where):
            entries += [where, *rows]
        room = max(height - 5, 1)
        most = max((width - 1) // _NARROWEST, 1)
        usual = max((width - 1) // _WIDEST, 1)
        for count in range(usual, most + 1):
            self._columns = _in_columns(entries, -(-len(entries) // count) if count < most else room, room)
            if len(self._columns) <= count:
                break
        self._columns = self._columns[:most]
        self._cells = max((width - 1) // max(len(self._columns), min(usual, most)), _NARROWEST)

    def render(self) -> Content:
        """Return the note, then the columns."""
        head, key_style, note = "$text-muted bold", "$accent bold", "$text-muted"
        lines = [Content.styled(f" {self._note}", note)]
        for y in range(max(map(len, self._columns), default=0)):
            parts: list[tuple[str, str] | str] = [" "]
            for column in self._columns:
                entry = column[y] if y < len(column) else ""
                if isinstance(entry, str):
                    parts.append((set_cell_size(entry, self._cells - 1), head))
                else:
                    name = f"{shown_key(entry.leader)} "
                    label = set_cell_size(entry.label, max(self._cells - 1 - cell_len(name), 1))
                    parts += [(name, key_style), (label, "$foreground")]
                parts.append(" ")
            lines.append(Content.assemble(*parts))
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked on."""
        event.stop()
        content = event.get_content_offset(self)
        if content is None:
            return
        column, row = (content.x - 1) // self._cells, content.y - 1
        if 0 <= column < len(self._columns) and 0 <= row < len(self._columns[column]):
            entry = self._columns[column][row]
            if not isinstance(entry, str):
                self.post_message(self.Chosen(entry))


def _in_columns(entries: Sequence[Key | str], height: int, room: int) -> list[list[Key | str]]:
    """Return the entries in columns of about ``height`` rows, at most ``room``; a heading never ends one."""
    height = min(max(height, 2), max(room, 1))
    columns: list[list[Key | str]] = [[]]
    for at, entry in enumerate(entries):
        last = columns[-1]
        lonely = isinstance(entry, str) and len(last) == height - 1 and at + 1 < len(entries)
        if len(last) >= height or (lonely and height > 1):
            last = []
            columns.append(last)
        last.append(entry)
    return columns
