"""The engine under load as lines: a block for each endpoint, one of them marked, then routes, cache, batches and cost.

What the lines say comes from :mod:`tui.load`; here they are laid out, in two columns where there is room, and only those that
changed are drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.key_table import bindings
from tui.load import engine
from tui.load.doors import block, minute
from tui.load.lines import fit, padded
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType

    from agents.metrics import MetricsSnapshot
    from agents.models.figures import EngineFigures
    from agents.offers import SpeculationFigures
    from agents.prefetch import PrefetchFigures
    from agents.settings import Route
    from tui.load.doors import Door
    from tui.load.lines import Line

_EVERY: Final = 0.25
"""Seconds between two looks while calls wait or run, and while nothing does."""
_AT_REST: Final = 1.0
_WIDE: Final = 150
"""Cells from which on there are two columns."""
_TALL: Final = 34
"""Rows from which on curves are two rows high."""
_ENTRY: Final = "Nothing is opened yet."

Change = Literal["cap", "adaptive", "requests", "tokens"]


class Look(NamedTuple):
    """Everything the board shows, as of one moment."""

    doors: Sequence[Door]
    figures: EngineFigures
    metrics: MetricsSnapshot
    speculation: SpeculationFigures
    prefetch: PrefetchFigures
    routes: Mapping[str, Route]
    files: Sequence[str]
    """How far files of prompts are."""

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return any(each.depth or each.door.in_flight for each in self.doors)


class QueueBoard(Widget, can_focus=True):
    """Shows a look at the engine a few times a second, while it is on screen, and tells what a person wants of it."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("queue"))
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "board--head",
        "board--dim",
        "board--live",
        "board--good",
        "board--warn",
        "board--bad",
        "board--marked",
    }

    @dataclass
    class Wanted(Message):
        """A person wants something of the marked endpoint changed; ``by`` is how much of the cap."""

        endpoint: str
        change: Change
        by: int = 0

    @dataclass
    class Opened(Message):
        """A person wants to see all of an endpoint."""

        endpoint: str

    class Cleared(Message):
        """A person wants the cache of answers emptied."""

    class Switched(Message):
        """A person wants likely next questions asked beforehand, or no longer."""

    class Left(Message):
        """A person wants back to the prompt."""

    def __init__(self, read: Callable[[], Look | None]) -> None:
        super().__init__()
        self.marked = ""
        """The name of the marked endpoint."""
        self._read = read
        self._names: list[str] = []
        self._lines: list[Line] = []
        self._heads: list[tuple[int, str]] = []
        """Where the block of each endpoint begins."""
        self._left = 0
        """Cells of the left column; all where there is one."""
        self._top = 0
        self._due = 0.0
        self._dirty = True
        self._styles: dict[tuple[str, bool], Style] = {}

    def flush(self, now: float) -> None:
        """Look again if it is time. ``now`` is the engine's monotonic time."""
        if not self._dirty and now < self._due:
            return
        self._dirty = False
        look = self._read()
        self._due = now + (_EVERY if look is not None and look.busy else _AT_REST)
        self._show(self._lay(look))

    def changed(self) -> None:
        """Look again with the next frame: something was changed here."""
        self._dirty = True

    def _show(self, lines: list[Line]) -> None:
        """Draw the rows that are other than before."""
        before, top = self._lines, self._top
        self._lines = lines
        self._settle()
        if self._top != top or not before:
            self.refresh()
            return
        height, width = self.size.height, self.size.width
        rows = zip_longest(before[top : top + height], lines[top : top + height])
        regions = [Region(0, y, width, 1) for y, (old, new) in enumerate(rows) if old != new]
        if regions:
            self.refresh(*regions)

    def _settle(self) -> None:
        """Keep the top within the lines."""
        self._top = max(min(self._top, len(self._lines) - self.size.height), 0)

    # Laying out

    def _lay(self, look: Look | None) -> list[Line]:
        width = max(self.size.width, 1)
        self._heads = []
        if look is None:
            self._names = []
            return [fit(((f" {_ENTRY}", "dim"),), width)]
        self._names = [each.name for each in look.doors]
        if self.marked not in self._names:
            busiest = max(look.doors, key=lambda each: (each.depth, each.door.in_flight), default=None)
            self.marked = "" if busiest is None else busiest.name
        self._left = width * 11 // 20 if width >= _WIDE else width
        doors = self._doors(look, self._left - (1 if width >= _WIDE else 0))
        if width < _WIDE:
            return [*doors, (), *self._rest(look, width)]
        right = width - self._left - 2
        others = [*self._minute(look, right), *self._rest(look, right)]
        pairs = zip_longest(doors, others, fillvalue=())
        return [(*padded(one, self._left), ("│ ", "dim"), *other) for one, other in pairs]

    def _doors(self, look: Look, width: int) -> list[Line]:
        longest = max((cell_len(safe_line(each.name, 60)) for each in look.doors), default=8)
        names = max(min(longest, width // 4, 28), 6)
        lines: list[Line] = []
        for each in look.doors:
            marked = each.name == self.marked
            self._heads.append((len(lines), each.name))
            rows = block(each, width, names, marked=marked)
            if marked and self._left == self.size.width:
                rows += minute(each, width)
            if len(rows) > 1 and lines and lines[-1]:
                lines.append(())
                self._heads[-1] = len(lines), each.name
            lines += rows
            if len(rows) > 1:
                lines.append(())
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _minute(self, look: Look, width: int) -> list[Line]:
        """Return the marked endpoint's last minute under a heading, for a column of its own."""
        each = next((each for each in look.doors if each.name == self.marked), None)
        lines = [] if each is None else minute(each, width, 2 if self.size.height >= _TALL else 1)
        if each is None or not lines:
            return []
        return [fit(((f" The last minute at {safe_line(each.name, 60)}", "head"),), width), *lines, ()]

    def _rest(self, look: Look, width: int) -> list[Line]:
        figures = look.figures
        return [
            *engine.files(look.files, width),
            *engine.routes(figures, look.routes, width),
            *engine.cache(figures.cache, look.metrics, figures.joined, width),
            *engine.speculation(look.speculation, width),
            *engine.prefetch(look.prefetch, width),
            *engine.batches(figures.batches, width),
            *engine.cost(figures.spend, width),
        ]

    # Drawing

    def notify_style_update(self) -> None:
        """Look colours up again: the theme is another."""
        super().notify_style_update()
        self._styles.clear()

    def _style(self, tone: str, *, marked: bool) -> Style:
        found = self._styles.get((tone, marked))
        if found is None:
            found = self.get_component_rich_style(f"board--{tone}") if tone else self.rich_style
            if marked:
                found += self.get_component_rich_style("board--marked")
            self._styles[tone, marked] = found
        return found

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width, at = self.size.width, self._top + y
        line: Line = self._lines[at] if at < len(self._lines) else ()
        marked = any(row == at and name == self.marked for row, name in self._heads)
        segments: list[Segment] = []
        taken = 0
        for text, tone in line:
            # The mark goes over the column of endpoints alone.
            segments.append(Segment(text, self._style(tone, marked=marked and taken < self._left)))
            taken += cell_len(text)
        rest = self._style("", marked=marked and taken < self._left)
        return Strip(segments).adjust_cell_length(width, rest).crop(0, width)

    # What a person does

    def _mark(self, at: int) -> None:
        if not self._names:
            return
        self.marked = self._names[min(max(at, 0), len(self._names) - 1)]
        self._show(self._lay(self._read()))
        begin = next((row for row, name in self._heads if name == self.marked), 0)
        later = [row for row, _ in self._heads if row > begin]
        end = min(later, default=len(self._lines))
        # All of its block if that fits, its head in any case.
        top = self._top
        self._top = min(max(top, end - self.size.height), begin)
        self._settle()
        if self._top != top:
            self.refresh()

    def action_move(self, by: int) -> None:
        """Mark another endpoint."""
        at = self._names.index(self.marked) if self.marked in self._names else 0
        self._mark(at + by)

    def action_edge(self, by: int) -> None:
        """Mark the first endpoint or the last."""
        self._mark(by * len(self._names))

    def action_page(self, pages: int) -> None:
        """Scroll by a page."""
        self._scroll(pages * max(self.size.height - 2, 1))

    def _scroll(self, by: int) -> None:
        self._top += by
        self._settle()
        self.refresh()

    def _want(self, change: Change, by: int = 0) -> None:
        if self.marked:
            self.post_message(self.Wanted(self.marked, change, by))

    def action_cap(self, by: int) -> None:
        """Let more or fewer calls be in flight at the marked endpoint."""
        self._want("cap", by)

    def action_adaptive(self) -> None:
        """Have the cap found out, or keep the one there is."""
        self._want("adaptive")

    def action_limit(self, which: Literal["requests", "tokens"]) -> None:
        """Ask for a limit per minute."""
        self._want(which)

    def action_open(self) -> None:
        """Show all of the marked endpoint."""
        if self.marked:
            self.post_message(self.Opened(self.marked))

    def action_clear(self) -> None:
        """Empty the cache of answers."""
        self.post_message(self.Cleared())

    def action_switch(self) -> None:
        """Switch likely next questions on or off."""
        self.post_message(self.Switched())

    def action_leave(self) -> None:
        """Go back to the prompt."""
        self.post_message(self.Left())

    def on_click(self, event: events.Click) -> None:
        """Mark the endpoint that was clicked; a second click opens it."""
        above = [name for row, name in self._heads if row <= self._top + event.y]
        if above and event.x < self._left:
            self._mark(self._names.index(above[-1]))
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down."""
        event.stop()
        self._scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        self._scroll(-3)

    def on_resize(self) -> None:
        """Lay out for the new size."""
        self._lines = []
        self._dirty = True
