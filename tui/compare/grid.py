"""The grid of panes: who stands where, who has room, and who is shown alone. What it shows no place has ``display: none``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.containers import Container

from tui.compare.shape import NARROWEST, Shape, room, shape, turned
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.geometry import Size

    from tui.widgets.compare_pane import ComparePane

MOST_PANES: Final = 16
_WEIGHT: Final = 6
"""A column's share before anyone widened it; a step is one of these."""
_LEAST: Final = Shape(NARROWEST // 2, 3)
"""Columns and rows that widening others leaves a pane."""


class PaneGrid(Container):
    """Up to 16 panes; those that have room are shown, page by page, or one alone."""

    BLANK = True

    def __init__(self, empty: str) -> None:
        super().__init__()
        self.panes: list[ComparePane] = []
        self.shown: list[ComparePane] = []
        """Those on screen, in order."""
        self.empty = StreamPane(empty=empty)
        self.zoomed = False
        self._shape = Shape(1, 1)
        self._most = Shape(1, 1)
        self._room = (0, 0)
        self._seen: Size | None = None
        self._columns: dict[int, list[int]] = {}
        self._rows: dict[int, list[int]] = {}

    def compose(self) -> ComposeResult:
        """Hold the place until the first pane comes."""
        yield self.empty

    def add(self, pane: ComparePane) -> None:
        """Put a pane at the end."""
        self.panes.append(pane)
        self.empty.display = False
        self.mount(pane)

    def take(self, pane: ComparePane) -> None:
        """Take a pane away."""
        self.panes.remove(pane)
        pane.remove()

    def move(self, pane: ComparePane, by: int) -> bool:
        """Have a pane change places with its neighbour; False when there is none."""
        at = self.panes.index(pane)
        to = at + by
        if not 0 <= to < len(self.panes):
            return False
        if by > 0:
            self.move_child(pane, after=self.panes[to])
        else:
            self.move_child(pane, before=self.panes[to])
        self.panes[at], self.panes[to] = self.panes[to], pane
        return True

    def zoom(self) -> None:
        """Show one pane alone, or all again."""
        self.zoomed = not self.zoomed and len(self.panes) > 1

    def page_of(self, pane: ComparePane) -> int:
        """Return the page a pane stands on, from 0."""
        return self.panes.index(pane) // self._most.places

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-len(self.panes) // self._most.places)

    def first_of(self, page: int) -> ComparePane:
        """Return the first pane of a page; after the last page comes the first."""
        return self.panes[page % max(self.pages, 1) * self._most.places]

    def measure(self, size: Size, screen: Size) -> None:
        """Take note of the room there is on a screen of a size.

        A prompt line or menu that grows for a while takes rows from all panes and none from the page: what is read stays in view.
        """
        height = size.height if screen != self._seen else max(size.height, self._room[1])
        self._seen, self._room = screen, (size.width, height)
        self._most = room(*self._room)

    def lay_out(self, marked: ComparePane | None) -> None:
        """Show the page the marked pane is on, or that pane alone, and share out the room."""
        self.zoomed = self.zoomed and len(self.panes) > 1
        if marked is None:
            shown = []
        elif self.zoomed:
            shown = [marked]
        else:
            first = self.page_of(marked) * self._most.places
            shown = self.panes[first : first + self._most.places]
        for pane in self.panes:
            pane.show(pane in shown)
        self.shown = shown
        columns, _ = shape(1 if self.zoomed else min(len(self.panes), self._most.places), self._most)
        # The last page has the columns of the others, so that turning does not change how text is wrapped.
        rows = max(-(-len(shown) // columns), 1)
        self._shape = Shape(columns, rows)
        for at, pane in enumerate(shown):
            pane.styles.column_span = columns - at % columns if at == len(shown) - 1 else 1
        styles = self.styles
        styles.grid_size_columns, styles.grid_size_rows = columns, rows
        styles.grid_columns = " ".join(f"{weight}fr" for weight in self._weights(self._columns, columns))
        styles.grid_rows = " ".join(f"{weight}fr" for weight in self._weights(self._rows, rows))

    def _weights(self, kept: dict[int, list[int]], count: int) -> list[int]:
        return kept.get(count, [_WEIGHT] * count)

    @property
    def standing(self) -> Shape:
        """How many columns and rows there are on screen."""
        return self._shape

    def widen(self, pane: ComparePane, by: int) -> bool:
        """Change the share of a pane's column; False when it would leave too little to others, or there is only one."""
        return self._share(self._columns, self._shape.columns, pane, by, self._room[0], _LEAST.columns)

    def heighten(self, pane: ComparePane, by: int) -> bool:
        """Change the share of a pane's row, likewise."""
        return self._share(self._rows, self._shape.rows, pane, by, self._room[1], _LEAST.rows)

    def _share(self, kept: dict[int, list[int]], count: int, pane: ComparePane, by: int, cells: int, least: int) -> bool:
        if pane not in self.shown or count < 2:
            return False
        at = self.shown.index(pane)
        index = at % count if kept is self._columns else at // self._shape.columns
        weights = turned(self._weights(kept, count), index, by, cells, least)
        if weights is None:
            return False
        kept[count] = weights
        return True

    def line(self, key: Callable[[str], str]) -> str:
        """Return what tells that there are panes out of sight; empty when there are none. ``key`` says what to press for a row."""
        count = len(self.panes)
        if len(self.shown) in {0, count}:
            return ""
        first = self.panes.index(self.shown[0]) + 1
        if self.zoomed:
            return f"pane {first} of {count} alone · {key('pane.zoom')} shows all"
        last = first + len(self.shown) - 1
        which = f"panes {first}–{last}" if last > first else f"pane {first}"
        following = "next" if last < count else "first"
        return f"{which} of {count} · {key('pane.page_next')} shows the {following}"
