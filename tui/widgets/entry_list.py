"""A long list of things with what they do, in columns that fit the width; only the rows in view are drawn."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.figures import wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from textual import events

_WIDE: Final = 90
_NARROW: Final = 52
_KEYS: Final = 22
_LEADER: Final = 12
_NAME: Final = 24
"""Cells of the columns, where there is room for columns."""

_Part = tuple[str, str]
"""Text, and which of the styles it has."""


class Entry(NamedTuple):
    """One thing of the list."""

    keys: str
    leader: str
    """The way by the leader key; empty without one."""
    text: str
    name: str
    """Its id; empty where there is none."""

    def fits(self, words: Sequence[str], title: str) -> bool:
        """Return whether all words occur in it or in the title above it."""
        whole = f"{title} {' '.join(self)}".lower()
        return all(word in whole for word in words)


class EntryList(ScrollView, can_focus=False):
    """Shows sections of entries."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"entries--head", "entries--key", "entries--text", "entries--name"}

    def __init__(self) -> None:
        super().__init__()
        self._sections: list[tuple[str, list[Entry]]] = []
        self._lines: list[list[_Part]] = []

    def show(self, sections: Iterable[tuple[str, list[Entry]]]) -> None:
        """Show these sections, from the first row."""
        self._sections = list(sections)
        self._fit()
        self.scroll_home(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        """Give the columns the width that there is."""
        self._fit()

    def _fit(self) -> None:
        width = max(self.scrollable_content_region.width - 1, 8)
        self._lines = []
        for title, entries in self._sections:
            self._lines += [[(line, "head")] for line in _wrapped(title, width)]
            for entry in entries:
                self._lines += _rows(entry, width)
            self._lines.append([])
        if not self._sections:
            self._lines = [[("Nothing fits; Esc clears what was typed.", "text")]]
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return row ``y`` of what is in view."""
        width, base, at = self.size.width, self.rich_style, y + self.scroll_offset.y
        parts = self._lines[at] if at < len(self._lines) else []
        segments = [Segment(text, base + self.get_component_rich_style(f"entries--{style}")) for text, style in parts]
        return Strip(segments).adjust_cell_length(width, base).apply_style(base)


def _rows(entry: Entry, width: int) -> Iterator[list[_Part]]:
    """Yield an entry's rows: columns where there is room, one below the other where there is not."""
    ways = [way for way in (entry.keys, entry.leader) if way]
    if width >= _WIDE:
        yield from _beside(
            (_wrapped(entry.keys or "–", _KEYS), "key", _KEYS),
            (_wrapped(entry.leader, _LEADER), "key", _LEADER),
            (_wrapped(entry.text, width - _KEYS - _LEADER - _NAME - 6), "text", width - _KEYS - _LEADER - _NAME - 6),
            ([entry.name], "name", _NAME),
        )
    elif width >= _NARROW:
        keys = [line for way in ways for line in _wrapped(way, _KEYS - 4)] or ["–"]
        room = width - _KEYS + 2
        text = [(line, "text") for line in _wrapped(entry.text, room)] + ([(entry.name, "name")] if entry.name else [])
        for left, right in zip_longest(keys, text, fillvalue=None):
            yield [(f"{left or '':<{_KEYS - 4}}  ", "key"), right if isinstance(right, tuple) else ("", "text")]
    else:
        for line in _wrapped(" or ".join(ways) or "–", width):
            yield [(line, "key")]
        for line in _wrapped(entry.text, width - 2):
            yield [(f"  {line}", "text")]
        for line in _wrapped(entry.name, width - 2) if entry.name else ():
            yield [(f"  {line}", "name")]


def _beside(*columns: tuple[list[str], str, int]) -> Iterator[list[_Part]]:
    for row in range(max(len(lines) for lines, _, _ in columns)):
        yield [(set_cell_size(lines[row] if row < len(lines) else "", width) + "  ", style) for lines, style, width in columns]


def _wrapped(text: str, width: int) -> list[str]:
    return [text] if cell_len(text) <= width else wrap(text, width)
