"""Every run and step of this session as intervals of time: what a waterfall draws. Pure: it reads events and draws nothing.

It keeps the latest runs, with their steps in the order of the tree, and never the text of any. Names come from outside and are
made safe here, once, so that drawing a row is cheap.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

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
from tui.figures import short_name
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agents.events import AnyEvent

RUNS: Final = 200
"""Runs kept; the oldest that has ended goes first."""

Phase = Literal["group", "queued", "waiting", "streaming", "working", "paused"]
"""``waiting``: for the first token. ``working``: a step that is no model call. ``paused``: before a further attempt."""


@dataclass(eq=False, slots=True)
class Attempt:
    """One try of a step."""

    started: float
    failed: float | None = None
    """When it was given up for another."""
    reason: str = ""
    delay: float = 0.0


@dataclass(eq=False, slots=True)
class Bar:
    """One step's time."""

    track: Track
    step: str
    kind: str
    name: str
    lane: str
    parent: Bar | None
    depth: int
    queued: float
    first: float | None = None
    ended: float | None = None
    state: str = "queued"
    note: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    children: list[Bar] = field(default_factory=list)
    end: StepEnded | None = None

    @property
    def started(self) -> float | None:
        """When its first attempt began."""
        return self.attempts[0].started if self.attempts else None

    @property
    def endpoint(self) -> str:
        """The endpoint a model call goes to; empty for other steps."""
        return self.lane.partition("/")[0] if self.kind == "model" else ""

    def until(self, now: float) -> float:
        """Return when it ended, or ``now``."""
        return now if self.ended is None else self.ended

    def busy(self, now: float) -> float:
        """Return its seconds from start to end, without the wait in the queue."""
        return 0.0 if self.started is None else max(self.until(now) - self.started, 0.0)

    def wait(self, now: float) -> float:
        """Return its seconds from queued to the first attempt's start."""
        return max((self.until(now) if self.started is None else self.started) - self.queued, 0.0)

    def phases(self, now: float) -> Iterator[tuple[Phase, float, float]]:
        """Yield what it did when, without gaps, from queued to its end or ``now``."""
        end = max(self.until(now), self.queued)
        if self.kind == "group" and self.children:
            yield "group", self.queued, end
            return
        at, phase = self.queued, "queued"
        for attempt in self.attempts:
            if phase == "paused":
                again = min(max(at, at + self._delay_before(attempt)), attempt.started)
                yield "paused", at, again
                at = again
            yield "queued", at, attempt.started
            at = attempt.started
            if attempt.failed is not None:
                yield self._busy_as(), at, attempt.failed
                at, phase = attempt.failed, "paused"
            else:
                phase = "started"
        if phase == "paused":
            again = min(at + self.attempts[-1].delay, end)
            yield "paused", at, again
            yield "queued", again, end
        elif phase == "queued":
            yield "queued", at, end
        elif self.first is None:
            yield self._busy_as(), at, end
        else:
            yield self._busy_as(), at, min(max(self.first, at), end)
            yield "streaming", min(max(self.first, at), end), end

    def _delay_before(self, attempt: Attempt) -> float:
        return self.attempts[self.attempts.index(attempt) - 1].delay

    def _busy_as(self) -> Phase:
        return "waiting" if self.kind == "model" else "working"


@dataclass(eq=False, slots=True)
class Track:
    """One run: its steps in the order of their tree."""

    run: str
    kind: str
    title: str
    wall: float
    """Unix time of its start, for display."""
    began: float
    ended: RunEnded | None = None
    saved: bool = False
    bars: dict[str, Bar] = field(default_factory=dict)
    order: list[Bar] = field(default_factory=list)
    version: int = 0
    """Grows with every event of the run."""

    def until(self, now: float) -> float:
        """Return when it ended, or ``now``."""
        return max(now if self.ended is None else self.ended.at, self.began)

    @property
    def leaves(self) -> list[Bar]:
        """Steps that have no steps below them."""
        return [bar for bar in self.order if not bar.children]

    def insert(self, event: StepQueued) -> Bar:
        """Add a step, below its parent's latest descendant."""
        parent = self.bars.get(event.parent) if event.parent else None
        name, depth = safe_line(short_name(event.name), 80), parent.depth + 1 if parent else 0
        bar = Bar(self, event.step, event.kind, name, safe_line(event.lane, 120), parent, depth, event.at)
        if parent is None:
            self.order.append(bar)
        else:
            last = parent
            while last.children:
                last = last.children[-1]
            self.order.insert(self.order.index(last) + 1, bar)
            parent.children.append(bar)
        self.bars[event.step] = bar
        return bar


Row = Track | Bar


class Timeline:
    """All runs, oldest first; each is a row, followed by its steps."""

    def __init__(self, limit: int = RUNS) -> None:
        self._limit = limit
        self._tracks: dict[str, Track] = {}
        self._calls: dict[str, list[Bar]] = {}
        self._offsets: list[int] | None = None
        self.version = 0
        """Grows with every event, so that a reader knows when there is something to draw."""

    @property
    def tracks(self) -> list[Track]:
        """The runs, oldest first."""
        return list(self._tracks.values())

    @property
    def running(self) -> bool:
        """Whether any run goes on."""
        return any(track.ended is None for track in self._tracks.values())

    @property
    def began(self) -> float:
        """When the first run kept began; 0 without any."""
        return next((track.began for track in self._tracks.values()), 0.0)

    def __len__(self) -> int:
        """Return how many rows there are."""
        offsets = self._rows_before()
        return offsets[-1] if offsets else 0

    def latest(self) -> Track | None:
        """Return the run that began last."""
        return next(reversed(self._tracks.values()), None)

    def row(self, index: int) -> Row:
        """Return the row at ``index``."""
        offsets = self._rows_before()
        if not 0 <= index < (offsets[-1] if offsets else 0):
            raise IndexError(index)
        at = bisect_right(offsets, index)
        track = list(self._tracks.values())[at]
        within = index - (offsets[at - 1] if at else 0)
        return track if within == 0 else track.order[within - 1]

    def index(self, row: Row) -> int | None:
        """Return where ``row`` stands, or ``None`` when it is no longer kept."""
        track = row if isinstance(row, Track) else row.track
        if self._tracks.get(track.run) is not track:
            return None
        at = list(self._tracks).index(track.run)
        before = self._rows_before()[at - 1] if at else 0
        return before if row is track else before + 1 + track.order.index(row)  # type: ignore[arg-type]  # no track, so a bar

    def calls(self, endpoint: str) -> list[Bar]:
        """Return the model calls to ``endpoint``, in the order they were queued."""
        return self._calls.get(endpoint, [])

    def handle(self, event: AnyEvent) -> None:
        """Take one event; text is none of its business."""
        if isinstance(event, RunStarted):
            self._tracks[event.run] = Track(event.run, event.kind, safe_line(event.title, 120), event.wall, event.at)
            self._drop()
            self._changed()
            return
        track = self._tracks.get(event.run)
        if track is None:
            return
        match event:
            case RunEnded():
                track.ended = event
            case Saved():
                _saved(track, event)
            case StepQueued():
                bar = track.insert(event)
                if bar.endpoint:
                    self._calls.setdefault(bar.endpoint, []).append(bar)
                self._offsets = None
            case StepEvent(step=step) if step in track.bars:
                _change(track.bars[step], event)
            case _:
                return
        track.version += 1
        self.version += 1

    def _changed(self) -> None:
        self._offsets = None
        self.version += 1

    def _drop(self) -> None:
        """Forget the oldest runs over the limit; one that still runs is kept, and those after it."""
        while len(self._tracks) > self._limit:
            oldest = next((track for track in self._tracks.values() if track.ended is not None), None)
            if oldest is None:
                return
            del self._tracks[oldest.run]
            for endpoint in {bar.endpoint for bar in oldest.order if bar.endpoint}:
                self._calls[endpoint] = [bar for bar in self._calls[endpoint] if bar.track is not oldest]

    def _rows_before(self) -> list[int]:
        """Return, for every run, how many rows there are up to its last."""
        if self._offsets is None:
            total, self._offsets = 0, []
            for track in self._tracks.values():
                total += 1 + len(track.order)
                self._offsets.append(total)
        return self._offsets


def _saved(track: Track, event: Saved) -> None:
    if event.step is None:
        track.saved = event.error is None
        return
    bar = track.bars.get(event.step)
    if bar is None:
        return
    if event.error is not None:
        bar.note = safe_line(f"not saved: {event.error}", 200)
    elif bar.state == "done":
        bar.state = "saved"


def _change(bar: Bar, event: StepEvent) -> None:
    match event:
        case StepStarted():
            bar.attempts.append(Attempt(event.at))
            bar.state = "started"
        case FirstToken():
            bar.first, bar.state = event.at, "first"
        case Log():
            bar.note = safe_line(event.message, 200)
        case Retried():
            bar.note = safe_line(event.reason, 200)
            bar.state = "queued"
            if bar.attempts:
                last = bar.attempts[-1]
                last.failed, last.reason, last.delay = event.at, bar.note, event.delay
        case StepEnded():
            bar.end, bar.ended, bar.state = event, event.timings.ended, event.outcome
            if event.error:
                bar.note = safe_line(event.error, 300)
        case _:
            pass
