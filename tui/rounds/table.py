"""A table of figures: a head, rows, a marked row. Columns that have no room are left out, the last ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.figures import cut, wrap
from tui.key_table import bindings
from tui.safe import safe_line
from tui.widgets.own_keys import do_own_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType
    from textual.geometry import Size

_GAP = 2
_LONGEST_CELL = 400


class Column(NamedTuple):
    """One column: its head, and how its cells stand."""

    head: str
    right: bool = False
    """Figures stand at the right."""
    grows: bool = False
    """It takes the room that is left; its cells are wrapped when it is the last."""
    least: int = 4
    """Cells under which a column that grows tells nothing."""


class Table(Widget, can_focus=True):
    """Rows of cells; text from outside is made safe here."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("table"))
    hints: ClassVar[tuple[tuple[str, str], ...]] = (("↑ ↓", "rows"),)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--head", "table--marked", "table--rule"}
    DEFAULT_CSS = """
    Table {
        height: auto;
        min-height: 2;
        background: transparent;
        color: $foreground;
        & > .table--head { color: $text-muted; text-style: bold; }
        & > .table--marked { background: $primary-muted; color: $foreground; text-style: bold; }
        & > .table--rule { color: $text-muted; }
    }
    """

    class Marked(Message):
        """Another row is marked."""

    def __init__(self, columns: Sequence[Column], *, empty: str = "", marks: bool = True, name: str | None = None) -> None:
        super().__init__(id=name)
        self._columns = list(columns)
        self._empty = empty
        self._marks = marks
        self._rows: list[tuple[str, ...]] = []
        self._widths: list[int] = []
        self._lines: list[tuple[int, str]] = []
        self._laid = -1
        self._top = 0
        self.cursor = 0
        """The marked row."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def show(self, rows: Sequence[Sequence[str]], columns: Sequence[Column] | None = None) -> None:
        """Show these rows instead; the marked row stays where it is."""
        fresh = [tuple(safe_line(cell, _LONGEST_CELL) for cell in row) for row in rows]
        if columns is not None:
            self._columns = list(columns)
        elif fresh == self._rows:
            return
        taller = len(fresh) != len(self._rows) or any(column.grows for column in self._columns)
        self._rows = fresh
        self.cursor = min(self.cursor, max(len(fresh) - 1, 0))
        self._laid = -1
        self.refresh(layout=taller)

    def say(self, empty: str) -> None:
        """Show this line while there are no rows."""
        self._empty = empty
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Take the head and a line for each line of the rows."""
        self._lay(width)
        return 1 + max(len(self._lines), 1)

    def _lay(self, width: int) -> None:
        if self._laid == width:
            return
        self._laid = width
        widths = [
            max([cell_len(column.head), *(cell_len(row[at]) for row in self._rows)]) if not column.grows else column.least
            for at, column in enumerate(self._columns)
        ]
        if widths:
            widths[0] = min(widths[0], max(width // 2 - _GAP, 8))
        shown = len(widths)
        while shown > 1 and sum(widths[:shown]) + _GAP * (shown - 1) > width - 2:
            shown -= 1
        del widths[shown:]
        left = width - 2 - sum(widths) - _GAP * (len(widths) - 1)
        for at, column in enumerate(self._columns[:shown]):
            if column.grows:
                widths[at] += max(left, 0)
                break
        self._widths = widths
        self._lines = [(number, line) for number, row in enumerate(self._rows) for line in self._row_lines(row)]

    def _row_lines(self, row: Sequence[str]) -> list[str]:
        last = len(self._widths) - 1
        if last < 0 or not self._columns[last].grows:
            # What is wrapped in a wide table stands below the figures in a narrow one.
            below = row[-1] if self._columns and self._columns[-1].grows else ""
            return [self._line(row), *(f"  {line}" for line in wrap(below, max(self._laid - 4, 4)))]
        wrapped = wrap(row[last], self._widths[last]) or [""]
        head = [*row[:last], wrapped[0]]
        blank = [""] * last
        return [self._line(head), *(self._line([*blank, line]) for line in wrapped[1:])]

    def _line(self, cells: Sequence[str]) -> str:
        parts = []
        for cell, width, column in zip(cells, self._widths, self._columns, strict=False):
            text = cut(cell, width)
            space = " " * (width - cell_len(text))
            parts.append(space + text if column.right else text + space)
        return (" " * _GAP).join(parts)

    def render_line(self, y: int) -> Strip:
        """Return the head or a line of a row."""
        width = self.size.width
        self._lay(width)
        if y == 0:
            text, style = self._line([column.head for column in self._columns]), self.get_component_rich_style("table--head")
            return _strip(f" {text}", width, style)
        if not self._rows:
            return _strip(f" {self._empty}" if y == 1 else "", width, self.get_component_rich_style("table--rule"))
        self._keep_in_view()
        at = self._top + y - 1
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        number, text = self._lines[at]
        if not (self._marks and number == self.cursor):
            return _strip(f" {text}", width, self.rich_style)
        # A sign besides the colour: the marked row is found without it, too.
        sign = "›" if at == 0 or self._lines[at - 1][0] != number else " "
        return _strip(f"{sign}{text}", width, self.get_component_rich_style("table--marked"))

    def _keep_in_view(self) -> None:
        room = max(self.size.height - 1, 1)
        first = next((at for at, (number, _) in enumerate(self._lines) if number == self.cursor), 0)
        last = first
        while last + 1 < len(self._lines) and self._lines[last + 1][0] == self.cursor:
            last += 1
        self._top = min(max(self._top, last - room + 1), first, max(len(self._lines) - room, 0))

    def move(self, by: int) -> None:
        """Mark the row ``by`` rows further."""
        target = min(max(self.cursor + by, 0), max(len(self._rows) - 1, 0))
        if target != self.cursor:
            self.cursor = target
            self._keep_in_view()
            self.refresh()
            self.post_message(self.Marked())

    async def on_key(self, event: events.Key) -> None:
        """Walk the rows."""
        await do_own_key(self, event)

    def action_step(self, by: int) -> None:
        """Mark the next row, or the one before."""
        self.move(by)

    def action_page(self, by: int) -> None:
        """Mark a row a page further."""
        self.move(by * max(self.size.height - 2, 1))

    def action_edge(self, by: int) -> None:
        """Mark the first row or the last."""
        self.move(by * len(self._rows))

    def on_click(self, event: events.Click) -> None:
        """Mark the row under the pointer."""
        at = self._top + event.y - 1
        if event.y > 0 and at < len(self._lines):  # above the rows is the head
            self.move(self._lines[at][0] - self.cursor)

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.move(1)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.move(-1)


def _strip(text: str, width: int, style: Style) -> Strip:
    return Strip([Segment(set_cell_size(text, width), style)], width)
