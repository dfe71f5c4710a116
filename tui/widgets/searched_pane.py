"""Searching in a pane: the line at its foot, and going from match to match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.widgets.drawn_pane import DrawnPane
from tui.widgets.own_keys import do_own_key
from tui.widgets.search_bar import SearchBar

if TYPE_CHECKING:
    from textual import events
    from textual.widget import Widget


class SearchedPane(DrawnPane):
    """A pane that can be searched."""

    def __init__(self, *, empty: str = "", id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(empty=empty, id=id, classes=classes)
        self._bar: SearchBar | None = None
        self._words = ""
        self._match = 0
        """The match the last search ended at."""
        self._before: Widget | None = None
        """What had the focus before the search bar."""
        self._hands_over = False
        """Whether keys may still come that were typed before the search bar had the focus."""

    @property
    def searches(self) -> bool:
        """Whether a search goes on."""
        return self._bar is not None

    @property
    def _foot(self) -> int:
        return 0 if self._bar is None else 1

    async def action_search(self) -> None:
        """Type what to look for. The keys that come right behind it belong to the search already."""
        if self._bar is None:
            await self._show_bar()
        if self._bar is not None and not self._bar.has_focus_within:
            self._before = self.screen.focused
            self._bar.type()
            self._hands_over = True
            self.call_later(self._handed_over)

    def _handed_over(self) -> None:
        self._hands_over = False

    async def _on_key(self, event: events.Key) -> None:
        """Do what the key does here, before the next key; what was typed behind the one that searches is the search's."""
        if self._hands_over and self._bar is not None:
            event.stop()
            event.prevent_default()
            self._bar.pass_on(event)
        elif self.has_focus:  # or else it comes from the search bar, which has keys of its own
            await do_own_key(self, event)

    async def _show_bar(self, match: int | None = None) -> None:
        self._bar = SearchBar(self._words)
        self._view.look_for(self._words, match)
        await self.mount(self._bar)
        self._redraw()
        self.flush()

    async def action_find(self, by: int) -> None:
        """Go to the next match, or the one before."""
        if self._bar is None:
            if self._words:
                await self._show_bar(self._match + by)
            else:
                await self.action_search()
            return
        if self._view.current < 0:
            return
        self._view.find(self._view.current + by)
        self._draw()
        self._tell()

    def on_search_bar_changed(self, event: SearchBar.Changed) -> None:
        """Look for other words."""
        event.stop()
        if event.words != self._words:
            self.look_for(event.words)

    def look_for(self, words: str) -> None:
        """Search for ``words`` from now on."""
        self._words = words
        self._view.look_for(words)
        self.flush()

    async def on_search_bar_go(self, event: SearchBar.Go) -> None:
        """Go to another match."""
        event.stop()
        await self.action_find(event.by)

    def on_search_bar_close(self, event: SearchBar.Close) -> None:
        """End searching."""
        event.stop()
        self.end_search()

    def _tell(self) -> None:
        bar, search = self._bar, self._view.search
        if bar is None:
            return
        if search is None:
            bar.tell("")
        elif not search.total:
            bar.tell("not found" if search.complete else "looking")
        else:
            more = "" if search.complete else "+"
            bar.tell(f"{self._view.current + 1 or '–'} of {search.total}{more}")

    def end_search(self) -> bool:
        """End searching; return whether there was anything to end."""
        bar, self._bar = self._bar, None
        if bar is None:
            return False
        if bar.has_focus_within and self._before is not None and self._before.is_attached:
            self._before.focus()
        elif bar.has_focus_within:
            self.focus()
        bar.remove()
        self._match = max(self._view.current, 0)
        self._view.look_for("")
        self._redraw()
        return True
