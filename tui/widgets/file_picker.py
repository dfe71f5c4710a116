"""Files below the working folder, offered over the prompt while a name behind an @ is typed there."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from agents.browse import Listing, list_files, rank
from tui.key_table import bindings
from tui.safe import safe_line
from tui.widgets.own_keys import do_own_key

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType
    from textual.document._document import Location

    from tui.widgets.prompt_area import PromptArea

MOST_SHOWN: Final = 8
_LONGEST_NAME: Final = 300
"""Characters before the cursor in which an @ is looked for."""
_FRESH: Final = 10.0
"""Seconds a listing is used for."""
_TYPED = re.compile(r"""(?:^|[\s(\[{])@(?P<name>"[^"]*|[^\s"]*)$""")


class FilePicker(Widget):
    """Follows the word before the prompt's cursor; it takes the keys that choose while it has something to choose from."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("files"))

    class Chosen(Message):
        """A file was chosen; the prompt holds its name."""

    def __init__(self, prompt: PromptArea) -> None:
        super().__init__(id="files")
        self.display = False
        self._prompt = prompt
        self._begin: Location = (0, 0)
        self._refused: Location | None = None
        """Where the @ stands that a person does not want to be asked about."""
        self._query: str | None = None
        self._found: list[str] = []
        self._marked = 0
        self._listing: Listing | None = None
        self._listed = 0.0
        self._lists = False
        """Whether files are being listed."""
        self._width = 0
        """Cells of the longest name since it opened."""

    def look(self) -> None:
        """Look at what stands before the cursor, and open, narrow or close."""
        row, column = self._prompt.cursor_location
        line = self._prompt.document.get_line(row)[max(column - _LONGEST_NAME, 0) : column]
        match = _TYPED.search(line)
        if match is None:
            self._refused = None
            self.close()
            return
        self._begin = (row, column - len(match["name"]) - 1)
        if self._begin == self._refused:
            return
        query = match["name"].removeprefix('"')
        if query != self._query:
            self._query = query
            if self.display:  # what no longer fits is gone at once, so that a quick Tab does not take it
                self._offer(rank(query, self._found, MOST_SHOWN))
            if self._listing is not None and time.monotonic() - self._listed < _FRESH:
                self._rank(self._listing)
            elif not self._lists:
                self._lists = True
                self.run_worker(self._list(), name="files", description="files", group="list", exit_on_error=False)

    async def _list(self) -> None:
        """List the files. What is typed meanwhile starts no other listing: a large folder takes seconds."""
        try:
            listing = self._listing = await asyncio.to_thread(list_files, str(Path.cwd()))
            self._listed = time.monotonic()
        finally:
            self._lists = False
        self._rank(listing)

    def _rank(self, listing: Listing) -> None:
        if self._query is not None:
            work = self._search(self._query, listing)
            self.run_worker(work, name="files", description="files", group="rank", exit_on_error=False)

    async def _search(self, query: str, listing: Listing) -> None:
        found = await asyncio.to_thread(rank, query, listing.paths, MOST_SHOWN)
        if query == self._query:
            self._offer(found)

    def _offer(self, found: list[str]) -> None:
        if found != self._found:
            self._found, self._marked = found, 0
        self.display = bool(self._found)
        self._prompt.over = self if self.display else None
        if self.display:
            rows = len(self._found)
            # Once open it grows only: every change lays the screen out anew.
            widest = max(self._width, *map(cell_len, map(_shown, self._found)))
            self._width, width = widest, min(widest + 4, max(self.screen.size.width - 2, 10))
            region = self._prompt.region
            x = min(region.x + self._column(), self.screen.size.width - width)
            self.styles.width, self.styles.height = width, rows
            self.styles.offset = (max(x, 0), max(region.y - rows, 0))
            self.refresh()

    def _column(self) -> int:
        return self._prompt.wrapped_document.location_to_offset(self._begin).x

    def render(self) -> Content:
        """Draw the files; the marked one also has a sign."""
        width = self.size.width
        lines = []
        for index, path in enumerate(self._found):
            marked = index == self._marked
            text = f"{'›' if marked else ' '} {_shown(path)}"
            line = Content(text).truncate(width, ellipsis=True).pad_right(max(width - cell_len(text), 0))
            lines.append(line.stylize("reverse") if marked else line)
        return Content("\n").join(lines)

    async def take(self, event: events.Key) -> bool:
        """Do what the key does here, if it does anything here now: with the files that fit what is typed by now."""
        self.look()
        return self.display and await do_own_key(self, event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave Enter to its usual work where the marked name is typed whole."""
        return action != "choose" or self._query != self._found[self._marked]

    def action_mark(self, by: int) -> None:
        """Mark the file ``by`` places further round."""
        self._marked = (self._marked + by) % len(self._found)
        self.refresh()

    def action_choose(self) -> None:
        """Put the marked name into the prompt."""
        self._choose(self._found[self._marked])

    def action_complete(self) -> None:
        """Put the marked name into the prompt, also where it is typed whole."""
        self._choose(self._found[self._marked])

    def _choose(self, path: str) -> None:
        self.close()
        name = f'@"{path}" ' if any(char.isspace() for char in path) else f"@{path} "
        self._prompt.replace(name, self._begin, self._prompt.cursor_location, maintain_selection_offset=False)
        self._refused = self._begin
        self._prompt.focus()

    def close(self) -> bool:
        """Close; return whether it was open."""
        was_open = bool(self.display)
        self.display = False
        self._query = None
        self._width = 0
        self._found, self._marked = [], 0
        self._prompt.over = None
        return was_open

    def refuse(self) -> bool:
        """Close, and stay closed for this @; return whether it was open."""
        if self.display:
            self._refused = self._begin
        return self.close()

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked on."""
        event.stop()
        if event.y < len(self._found):
            self._choose(self._found[event.y])


def _shown(path: str) -> str:
    return safe_line(path, 120)
