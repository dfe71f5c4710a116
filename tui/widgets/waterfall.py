"""Steps as bars over time: a row for every run and step, an axis above, and below what overlapped and what held the run up.

Only rows in view are drawn, from intervals that :mod:`tui.timeline` keeps, so a frame costs the same however long the session is.
Phases differ by glyph, ends by glyph and word; colour only repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.figures import cut
from tui.key_table import bindings
from tui.overlap import Overlap, overlap
from tui.overlap_words import path, sums, waiting
from tui.time_window import TimeWindow, label, ticks
from tui.timeline import Bar, Row, Timeline, Track
from tui.widgets.step_log import STATES
from tui.widgets.time_bars import LEGEND, cell_of, paint, tone_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType

_AGAIN: Final = 0.1
"""Seconds after which a window in which something runs is drawn again, though no event came."""
_FIGURES_EVERY: Final = 0.5
"""Seconds after which the figures of a run that goes on are made again."""
_SHARE: Final = 0.02
"""Share of the time that may go into making them."""
_LEAST: Final = 0.5
"""Seconds the axis is long at least while a run goes on."""
_ZOOM: Final = 1.5


@dataclass(slots=True)
class _Summary:
    """The figures of one run as they were at its ``version``."""

    track: Track
    version: int
    due: float
    """When they may be made anew."""
    figures: Overlap
    waiting: str

    def is_due(self, now: float) -> bool:
        """Return whether they are out of date and may be made anew; those of a run that is over only once more for each event."""
        return now >= self.due and (self.track.ended is None or self.track.version != self.version)


class Waterfall(Widget, can_focus=True):
    """Rows of runs and steps; one is marked, and its run's figures stand at the foot."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("waterfall"))
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "waterfall--head",
        "waterfall--dim",
        "waterfall--live",
        "waterfall--good",
        "waterfall--bad",
        "waterfall--run",
        "waterfall--marked",
    }

    @dataclass
    class Opened(Message):
        """A person wants to see all of a row."""

        row: Row

    class Left(Message):
        """A person wants back to the prompt."""

    def __init__(
        self, timeline: Timeline, clock: Callable[[], float], cap: Callable[[str], int | None], *, calm: bool = False
    ) -> None:
        super().__init__()
        self.timeline = timeline
        self.window = TimeWindow()
        self.marked: Row | None = None
        self._clock = clock
        self._cap = cap
        self._calm = calm
        self._chosen = False
        """Whether a person has moved the mark, so that a new run does not take it away."""
        self._top = 0
        self._now = 0.0
        self._seen = -1
        self._dirty = True
        self._summary: _Summary | None = None
        self._styles: dict[tuple[str, bool], Style] = {}

    @property
    def track(self) -> Track | None:
        """The run that is marked, or whose step is."""
        return self.marked.track if isinstance(self.marked, Bar) else self.marked

    def flush(self, now: float) -> None:
        """Draw if anything changed, or if something runs and grows. ``now`` is the engine's monotonic time."""
        changed = self._dirty or self.timeline.version != self._seen or (self._summary is not None and self._summary.is_due(now))
        if not changed and not (self.timeline.running and now - self._now >= _AGAIN):
            return
        self._now, self._seen, self._dirty = now, self.timeline.version, False
        self._settle()
        self._summarise()
        self._styles.clear()
        self.refresh()

    def _settle(self) -> None:
        """Keep the mark on something that is there, the window on it, and the mark in view."""
        latest = self.timeline.latest()
        if self.marked is not None and self.timeline.index(self.marked) is None:
            self.marked, self._chosen = None, False
        if not self._chosen and latest is not self.track:
            self.marked = latest
            if self.window.mode == "free":
                self.window.mode = "fit"
        self.window.advance(*self._extent(), self._now, calm=self._calm)
        rows = len(self.timeline)
        at = 0 if self.marked is None else self.timeline.index(self.marked) or 0
        if self.marked is latest and latest is not None and not self._chosen:
            # A run that has just come brings its steps into view with it, as far as they fit below it.
            self._top = max(self._top, min(at, rows - self._room))
        self._top = max(min(self._top, rows - self._room), 0)

    def _extent(self) -> tuple[float, float]:
        """Return the beginning and end of the marked run."""
        track = self.track
        if track is None:
            return self._now, self._now + 1
        end = track.until(self._now)
        return track.began, max(end, track.began + _LEAST) if track.ended is None else end

    def _whole(self) -> tuple[float, float]:
        """Return the beginning and end of everything that is kept."""
        return self.timeline.began, max(self._now, self.timeline.began + _LEAST)

    @property
    def _foot(self) -> int:
        return 4 if self.size.height >= 14 else 2 if self.size.height >= 8 else 1 if self.size.height >= 4 else 0

    @property
    def _room(self) -> int:
        return max(self.size.height - 1 - self._foot, 1)

    def mark(self, row: Row) -> None:
        """Mark a row and bring it into view."""
        other = self.track
        self.marked, self._chosen = row, True
        at = self.timeline.index(row) or 0
        self._top = min(max(self._top, at - self._room + 1), at)
        if self.window.mode == "fit" and self.track is not other:
            self.window.fit(*self._extent())
        self._dirty = True

    def action_move(self, by: int) -> None:
        """Mark another row."""
        rows = len(self.timeline)
        if rows:
            at = 0 if self.marked is None else self.timeline.index(self.marked) or 0
            self.mark(self.timeline.row(min(max(at + by, 0), rows - 1)))

    def action_page(self, pages: int) -> None:
        """Mark a row a page further."""
        self.action_move(pages * max(self._room - 1, 1))

    def action_first(self) -> None:
        """Mark the first row."""
        self.action_move(-len(self.timeline))

    def action_last(self) -> None:
        """Mark the last row."""
        self.action_move(len(self.timeline))

    def action_pan(self, by: int) -> None:
        """Move the window in time by a quarter of it."""
        self.window.pan(by / 4, *self._whole())
        self._dirty = True

    def action_zoom(self, by: int) -> None:
        """Show less time (``by`` above 0) or more."""
        self._zoom(by, None)

    def _zoom(self, by: int, around: float | None) -> None:
        self.window.zoom(_ZOOM**-by, *self._whole(), around=around)
        self._dirty = True

    def action_fit(self) -> None:
        """Show the whole of the marked run."""
        self.window.fit(*self._extent())
        self._dirty = True

    def action_follow(self) -> None:
        """Keep the present in view, and mark the newest run."""
        self._chosen = False
        self.marked = self.timeline.latest()
        self.window.follow(self._clock())
        self._dirty = True

    def action_open(self) -> None:
        """Show all of the marked row."""
        if self.marked is not None:
            self.post_message(self.Opened(self.marked))

    def action_leave(self) -> None:
        """Go back to the prompt."""
        self.post_message(self.Left())

    def on_click(self, event: events.Click) -> None:
        """Mark the row that was clicked; a second click opens it."""
        index = self._top + event.y - 1
        if 0 < event.y <= self._room and index < len(self.timeline):
            self.mark(self.timeline.row(index))
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down; with Ctrl, show more time."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up; with Ctrl, show less time."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        if event.ctrl:
            begin, width = self._columns()[1:3]
            share = (event.x - begin) / max(width, 1)
            self._zoom(-by, self.window.left + share * self.window.span)
            return
        self._top = max(min(self._top + 3 * by, len(self.timeline) - self._room), 0)
        self._dirty = True

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._dirty = True

    def _columns(self) -> tuple[int, int, int, int]:
        """Return the width of names, where bars begin, their width, and the width of what is said of the end."""
        width = self.size.width
        end = 17 if width >= 76 else 9 if width >= 48 else 0
        name = max(min(width * 3 // 10, 44), min(width // 3, 12))
        begin = 1 + name + 1
        return name, begin, max(width - begin - end, 0), end

    def _style(self, tone: str, *, marked: bool = False) -> Style:
        """Return a style, looked up once a frame: a look-up costs more than drawing what it is for."""
        found = self._styles.get((tone, marked))
        if found is None:
            found = self.get_component_rich_style(f"waterfall--{tone}") if tone else self.rich_style
            if marked:
                found += self._style("marked")
            self._styles[tone, marked] = found
        return found

    def render_line(self, y: int) -> Strip:
        """Return the axis, a row, or a line of the foot."""
        width = self.size.width
        foot = self.size.height - self._foot
        if y == 0:
            strip = Strip([Segment(self._axis(), self._style("head"))])
        elif y >= foot:
            strip = self._foot_line(y - foot)
        elif (index := self._top + y - 1) < len(self.timeline):
            strip = self._row(self.timeline.row(index))
        elif index == 0:
            strip = Strip([Segment(" Nothing has run yet.", self._style("dim"))])
        else:
            strip = Strip([Segment(self._rest(), self._style("dim"))])
        return strip.adjust_cell_length(width, self._style("")).crop(0, width)

    def _rest(self) -> str:
        """Return a row without a step: only the present is in it."""
        _, begin, width, _ = self._columns()
        now = cell_of(self._now, self.window, width)
        return " " * (begin + now) + "│" if self.timeline.running and 0 <= now < width else ""

    def _axis(self) -> str:
        _, begin, width, _ = self._columns()
        window, track = self.window, self.track
        origin = self.timeline.began if track is None else track.began
        cells = [" "] * width
        after = 0
        for moment in ticks(window.left, window.span, origin, max(width // 12, 1)):
            text = f"╷{label(moment - origin, window.span)}"
            at = cell_of(moment, window, width)
            if after <= at and at + len(text) <= width:
                cells[at : at + len(text)] = text
                after = at + len(text) + 1
        mode = {"fit": "fits run", "follow": "follows", "free": "zoomed"}[window.mode]
        return f" {cut(mode, begin - 2):<{begin - 1}}{''.join(cells)}"

    def _row(self, row: Row) -> Strip:
        name, _, width, end = self._columns()
        marked, now = row is self.marked, self._now
        pointer = "▸" if marked else " "
        if isinstance(row, Track):
            words, state, label_tone, begin = f"{row.kind} {row.title}", _state_of(row), "run", row.began
        else:
            words, state, label_tone, begin = "  " * (row.depth + 1) + row.name, row.state, "", row.queued
            if not marked and self._is_critical(row):
                pointer = "◆"
        label_style = self._style(label_tone, marked=marked)
        painted = paint(row, self.window, now, width, going_on=self.timeline.running)
        segments = [
            Segment(pointer, self._style("head", marked=marked)),
            *Strip([Segment(cut(words, name), label_style)]).adjust_cell_length(name + 1, label_style),
            *(Segment(text, self._style(tone, marked=marked)) for text, tone in painted),
        ]
        if end:
            glyph, word = STATES[state]
            length = _short(row.until(now) - begin)
            said = f" {glyph} {word:<9.9}{length:>5}" if end > 9 else f" {glyph}{length:>7}"
            segments.append(Segment(said, self._style(tone_of(state), marked=marked)))
        return Strip(segments).adjust_cell_length(self.size.width, self._style("", marked=marked))

    def _summarise(self) -> None:
        """Make the figures of the marked run, not more often than a small share of the time allows."""
        track, kept = self.track, self._summary
        if track is None:
            self._summary = None
            return
        if kept is not None and kept.track is track and not kept.is_due(self._now):
            return
        before = perf_counter()
        figures = overlap(track, self._now)
        waiter = figures.waiter
        cap = self._cap(waiter.endpoint) if waiter is not None and waiter.endpoint else None
        words = waiting(figures, self.timeline, cap, self._now)
        pause = max(_FIGURES_EVERY, (perf_counter() - before) / _SHARE)
        self._summary = _Summary(track, track.version, self._now + pause, figures, words)

    def _is_critical(self, bar: Bar) -> bool:
        kept = self._summary
        return kept is not None and kept.track is bar.track and bar in kept.figures.critical

    def _foot_line(self, number: int) -> Strip:
        kept, width = self._summary, self.size.width
        if kept is None:
            text = LEGEND if number == 0 else ""
        elif number == 0:
            text = sums(kept.figures, going_on=kept.track.ended is None)
        elif number == 3:
            text = f"{LEGEND}  ◆ critical"
        elif number == 2 or self._foot == 2:
            text = path(kept.figures, self._now, width - 1)
        else:
            text = kept.waiting
        return Strip([Segment(cut(f" {text}", width), self._style("dim" if number else "head"))])


def _state_of(track: Track) -> str:
    if track.ended is None:
        return "first" if any(bar.state == "first" for bar in track.order) else "started" if track.order else "queued"
    return "saved" if track.saved and track.ended.outcome == "done" else track.ended.outcome


def _short(value: float) -> str:
    """Return a duration in at most five cells."""
    if value < 0.9995:
        return f"{value * 1000:.0f}ms"
    if value < 99.95:
        return f"{value:.1f}s"
    return f"{value:.0f}s" if value < 6000 else f"{value / 3600:.0f}h"
