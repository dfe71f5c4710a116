"""The first line of the screen: which views there are, which one is on screen, and the keys that bring the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual import events

_NAME = " stretto "


class ViewTabs(Widget):
    """Draws the tabs as wide as there is room for; the one on screen is always whole."""

    ALLOW_SELECT = False

    class Clicked(Message):
        """A person clicked on the tab of a view."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._tabs: tuple[tuple[str, str, str], ...] = ()
        self._current = ""

    def show(self, tabs: Iterable[tuple[str, str, str]], current: str) -> None:
        """Show tabs, each a view's id, its title and its key; ``current`` is the id of the one on screen."""
        self._tabs, self._current = tuple(tabs), current
        self.refresh()

    def _labels(self) -> tuple[str, Sequence[str]]:
        """Return what stands before the tabs, and the tabs' labels: the longest that fit."""
        forms = (
            (_NAME, [f" {key} {title} ".replace("  ", " ") for _, title, key in self._tabs]),
            (_NAME, [f" {title} " for _, title, _ in self._tabs]),
            ("", [f" {title} " for _, title, _ in self._tabs]),
            ("", [f" {title if view == self._current else title[:2]} " for view, title, _ in self._tabs]),
            ("", [f" {title if view == self._current else title[:1]} " for view, title, _ in self._tabs]),
        )
        for before, labels in forms:
            if cell_len(before) + sum(map(cell_len, labels)) <= self.size.width:
                return before, labels
        return "", [f" {title} " if view == self._current else "" for view, title, _ in self._tabs]

    def render(self) -> Content:
        """Return the line."""
        before, labels = self._labels()
        parts: list[tuple[str, str]] = [(before, "bold $primary")]
        for (view, _, _), label in zip(self._tabs, labels, strict=True):
            parts.append((label, "bold reverse" if view == self._current else "$text-muted"))
        return Content.assemble(*parts).truncate(max(self.size.width, 1))

    def on_click(self, event: events.Click) -> None:
        """Go to the view that was clicked on."""
        event.stop()
        before, labels = self._labels()
        at = cell_len(before)
        for (view, _, _), label in zip(self._tabs, labels, strict=True):
            if at <= event.x < at + cell_len(label):
                self.post_message(self.Clicked(view))
                return
            at += cell_len(label)
