"""The live step log: a run's steps as a tree, each with when it was queued, started, gave its first token and ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from agents.events import (
    FirstToken,
    Log,
    Retried,
    RunEnded,
    RunStarted,
    Saved,
    StepEnded,
    StepEvent,
    StepQueued,
    StepStarted,
)
from tui.figures import NONE, cut, short_name
from tui.safe import safe_line

if TYPE_CHECKING:
    from textual import events

    from agents.events import AnyEvent

STATES = {
    "queued": ("◌", "queued"),
    "started": ("◍", "waiting"),
    "first": ("●", "streaming"),
    "done": ("◆", "saving"),
    "saved": ("✓", "saved"),
    "cut": ("✂", "cut"),
    "late": ("◷", "late"),
    "failed": ("✗", "failed"),
    "cancelled": ("■", "stopped"),
}
"""State to glyph and word, the same wherever steps are shown."""
_UNSAVED = "not saved: "
_LEAST_NOTE = 12
"""Cells under which a note tells nothing."""
_BAD = {"cut", "late", "failed"}


@dataclass
class _Row:
    step: str
    depth: int
    label: str
    queued: float
    started: float | None = None
    first: float | None = None
    ended: float | None = None
    state: str = "queued"
    note: str = ""
    attempts: int = 1
    children: list[str] = field(default_factory=list)


class StepLog(Widget, can_focus=True):
    """Rows of steps, drawn on the frame clock; the marked row's text is what the view shows beside it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "step-log--head",
        "step-log--dim",
        "step-log--live",
        "step-log--good",
        "step-log--bad",
        "step-log--marked",
    }

    @dataclass
    class Marked(Message):
        """Another step is marked."""

        step: str

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._rows: dict[str, _Row] = {}
        self._order: list[str] = []
        self._began = 0.0
        self._now = 0.0
        self._ended: RunEnded | None = None
        self._cursor: str | None = None
        self._top = 0
        self._dirty = False

    @property
    def marked(self) -> str | None:
        """The marked step, if there is one."""
        return self._cursor

    @property
    def steps(self) -> list[str]:
        """Steps in the order shown."""
        return self._order

    def mark(self, step: str) -> None:
        """Mark a step without telling anyone."""
        if step in self._rows:
            self._cursor = step
            self._follow()
            self._dirty = True

    def move(self, by: int) -> None:
        """Mark the step ``by`` rows further."""
        if not self._order:
            return
        at = self._order.index(self._cursor) if self._cursor in self._rows else 0
        self.mark(self._order[min(max(at + by, 0), len(self._order) - 1)])
        assert self._cursor is not None  # noqa: S101
        self.post_message(self.Marked(self._cursor))

    def handle(self, event: AnyEvent) -> None:
        """Take one event of the run shown; :meth:`flush` draws."""
        self._dirty = True
        match event:
            case RunStarted():
                self._rows.clear()
                self._order.clear()
                self._cursor, self._ended, self._top = None, None, 0
                self._began = event.at
            case RunEnded():
                self._ended = event
            case StepQueued():
                self._insert(event)
            case Saved(step=step) if step is not None:
                self._saved(event)
            case StepEvent(step=step) if step in self._rows:
                self._change(self._rows[step], event)
            case _:
                pass

    def _insert(self, event: StepQueued) -> None:
        parent = self._rows.get(event.parent) if event.parent else None
        row = _Row(event.step, parent.depth + 1 if parent else 0, safe_line(short_name(event.name), 80), event.at)
        at = len(self._order)
        if parent is not None:
            last = parent
            while last.children:
                last = self._rows[last.children[-1]]
            at = self._order.index(last.step) + 1
            parent.children.append(event.step)
        self._rows[event.step] = row
        self._order.insert(at, event.step)

    def _saved(self, event: Saved) -> None:
        row = self._rows.get(event.step or "")
        if row is None:
            return
        if event.error is not None:
            row.note = safe_line(f"{_UNSAVED}{event.error}", 200)
            return
        if row.state == "done":
            row.state = "saved"
        if row.note.startswith(_UNSAVED):
            row.note = ""

    @staticmethod
    def _change(row: _Row, event: StepEvent) -> None:
        match event:
            case StepStarted():
                row.started = event.at if row.started is None else row.started
                row.state, row.attempts = "started", event.attempt
            case FirstToken():
                row.first, row.state = event.at, "first"
            case Log():
                row.note = safe_line(event.message, 200)
            case Retried():
                row.state, row.note = "queued", safe_line(f"again in {event.delay:.1f} s: {event.reason}", 200)
            case StepEnded():
                row.ended, row.state = event.timings.ended, event.outcome
                if event.error:
                    row.note = safe_line(event.error, 200)
                elif event.similar is not None:
                    row.note = safe_line(f"≈ {event.similar:.2f} alike: {event.similar_to}", 200)
                elif event.cached or event.speculated:
                    row.note = "from the cache" if event.cached else "made before it was asked for"
            case _:
                pass

    def flush(self, now: float) -> None:
        """Draw if anything changed, or if something runs and its bar grows. ``now`` is the engine's monotonic time."""
        running = self._ended is None and bool(self._rows)
        if self._dirty or (running and now - self._now > 0.2):
            self._now = now
            self._dirty = False
            self.refresh()

    def _follow(self) -> None:
        if self._cursor is None:
            return
        at, room = self._order.index(self._cursor), max(self.size.height - 2, 1)
        self._top = min(max(self._top, at - room + 1), at)

    def render_line(self, y: int) -> Strip:
        """Return the head, a row, or the line of totals at the bottom."""
        width = self.size.width
        if y == 0:
            text, style = self._head(width), self._style("head")
        elif y == self.size.height - 1:
            text, style = self._totals(), self._style("head")
        elif (index := self._top + y - 1) < len(self._order):
            return self._row(self._rows[self._order[index]], width)
        else:
            text, style = "", self.rich_style
        return Strip([Segment(text, style)]).adjust_cell_length(width, self.rich_style).crop(0, width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"step-log--{name}")

    @staticmethod
    def _columns(width: int) -> tuple[int, int]:
        """Return the widths of the name and of the bar."""
        rest = width - 12 - 7 - 3 * 6
        bar = max(min(rest - 16, rest // 2, 40), 0)
        return max(rest - bar, 4), bar

    def _head(self, width: int) -> str:
        name, bar = self._columns(width)
        columns = "".join(f"{label:>{6 if at else 7}}" for at, label in enumerate(("queued", "start", "first", "end")))
        return f"  {'state':<10}{'step':<{name}.{name}}{columns}" + (f" {'time':<{bar}.{bar}}" if bar > 5 else "")

    def _totals(self) -> str:
        if self._ended is None:
            return f"  {len(self._order)} steps" if self._order else "  No steps yet."
        ended = self._ended
        text = f"  wall {ended.wall:.2f} s, sum of steps {ended.busy:.2f} s"
        return text if ended.error is None else f"  {ended.outcome}: {safe_line(ended.error, 300)}"

    def _row(self, row: _Row, width: int) -> Strip:
        glyph, word = STATES[row.state]
        name, bar = self._columns(width)
        tone = (
            "bad"
            if row.state in _BAD
            else "good"
            if row.state == "saved"
            else "live"
            if row.state in {"started", "first"}
            else "dim"
        )
        base = self._style("marked") if row.step == self._cursor else Style()
        moments = (row.queued, row.started, row.first, row.ended)
        times = "".join(f"{self._time(moment):>{6 if at else 7}}" for at, moment in enumerate(moments))
        label = "  " * row.depth + row.label + (f" ({row.attempts} attempts)" if row.attempts > 1 else "")
        room = name - cell_len(label) - 2
        note = f"  {cut(row.note, room)}" if row.note and room >= _LEAST_NOTE else ""
        label = cut(label, name)
        left = Strip([Segment(label, self.rich_style + base), Segment(note, self._style("dim") + base)])
        segments = [
            Segment("▸" if row.step == self._cursor else " ", self._style(tone) + base),
            Segment(f"{glyph} {word:<10}", self._style(tone) + base),
            *left.adjust_cell_length(name, self.rich_style + base).crop(0, name),
            Segment(times, self._style("dim") + base),
        ]
        if bar > 5:
            segments += [Segment(" ", base), *self._bar(row, bar, base)]
        return Strip(segments).adjust_cell_length(width, self.rich_style + base).crop(0, width)

    def _time(self, at: float | None) -> str:
        if at is None:
            return NONE
        since = max(at - self._began, 0.0)
        return f"{since:.2f}" if since < 100 else f"{since:.0f}"

    def _bar(self, row: _Row, width: int, base: Style) -> list[Segment]:
        end = self._ended.at if self._ended else self._now
        span = max(end - self._began, 0.5)

        def cell(at: float | None) -> int:
            return width if at is None else min(max(round((at - self._began) / span * width), 0), width)

        queued, stop = cell(row.queued), cell(row.ended if row.ended is not None else end)
        started = min(cell(row.started), stop)
        first = min(cell(row.first), stop)
        parts = (
            (" " * queued, "dim"),
            ("·" * (started - queued), "dim"),
            ("░" * (first - started), "live"),
            ("█" * max(stop - first, 0), "bad" if row.state in _BAD else "good"),
        )
        return [Segment(text, self._style(tone) + base) for text, tone in parts if text]

    def on_click(self, event: events.Click) -> None:
        """Mark the row that was clicked."""
        index = self._top + event.y - 1
        if 0 <= index < len(self._order) and event.y > 0:
            self.mark(self._order[index])
            self.post_message(self.Marked(self._order[index]))

    def on_mouse_scroll_down(self) -> None:
        """Scroll down."""
        self._top = min(self._top + 1, max(len(self._order) - self.size.height + 2, 0))
        self._dirty = True

    def on_mouse_scroll_up(self) -> None:
        """Scroll up."""
        self._top = max(self._top - 1, 0)
        self._dirty = True
