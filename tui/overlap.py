"""What overlapped in a run and what held it up: sums against wall time, the longest wait, the steps that decided its end.

Events tell no dependencies, so those are inferred: a call that waited for a place at its endpoint follows the one that left it;
any other step follows the one beside it that ended just before it was queued, else whichever of the run ended last before that.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.timeline import Bar, Timeline, Track

_LINKS: Final = 64
"""Steps of a critical path that are looked for."""
_AT_ONCE: Final = 0.1
"""Seconds after a step's end within which the next one beside it counts as following from it."""
_HANDOVER: Final = 0.03
"""Seconds by which a step's end may be told after its place was given to the next; they do not count as overlap."""


class Overlap(NamedTuple):
    """One run in figures; seconds."""

    steps: int
    busy: float
    """Sum of the leaf steps' own time, without their waits in a queue."""
    wall: float
    most: int
    """Most leaf steps that went on at the same time."""
    waiter: Bar | None
    """The step that waited longest in a queue."""
    critical: tuple[Bar, ...]
    """The step that ended last, and before it what it followed, in the order of time."""

    @property
    def ratio(self) -> float | None:
        """How many steps went on at once on average; ``None`` while there is nothing to divide."""
        return self.busy / self.wall if self.wall > 0 and self.busy > 0 else None


def overlap(track: Track, now: float) -> Overlap:
    """Return the figures of a run; one that goes on counts up to ``now``."""
    leaves = track.leaves
    busy, longest, waiter = 0.0, 0.0, None
    times: list[tuple[float, float]] = []
    # One pass, because a run may have thousands of steps and the screen waits.
    for bar in leaves:
        until = now if bar.ended is None else bar.ended
        started = bar.attempts[0].started if bar.attempts else None
        wait = (until if started is None else started) - bar.queued
        if wait > longest:
            longest, waiter = wait, bar
        if started is not None:
            length = max(until - started, 0.0)
            busy += length
            times.append((started, started + length - min(_HANDOVER, length / 2)))
    wall = track.until(now) - track.began
    return Overlap(len(leaves), busy, wall, most_at_once(times), waiter, critical_path(leaves, now))


def most_at_once(intervals: Sequence[tuple[float, float]]) -> int:
    """Return how many of ``intervals`` hold the same moment at most; one that ends where another begins does not overlap it."""
    begins, ends = sorted(begin for begin, _ in intervals), sorted(max(begin, end) for begin, end in intervals)
    most, over = min(len(begins), 1), 0  # what has no length was there, too
    for begun, begin in enumerate(begins, 1):
        while ends[over] <= begin and over < begun - 1:
            over += 1
        most = max(most, begun - over)
    return most


def critical_path(leaves: list[Bar], now: float) -> tuple[Bar, ...]:
    """Return the chain of steps that led to the one that ended last; of those that go on, to the one that began first."""
    begun = [bar for bar in leaves if bar.started is not None]
    if not begun:
        return ()
    bar: Bar | None = max(begun, key=lambda bar: (bar.until(now), -bar.queued))
    ends = _Ends([bar for bar in begun if bar.ended is not None])
    chain: list[Bar] = []
    while bar is not None and len(chain) < _LINKS:
        chain.append(bar)
        bar = ends.before(bar)
    return tuple(reversed(chain))


def shares(critical: tuple[Bar, ...], now: float) -> list[float]:
    """Return the seconds that each step of a critical path added to it."""
    ends = [bar.until(now) for bar in critical]
    begins = [critical[0].queued, *ends] if critical else []
    return [max(end - begin, 0.0) for begin, end in zip(begins, ends, strict=False)]


def _end(bar: Bar) -> float:
    return 0.0 if bar.ended is None else bar.ended


class _Ends:
    """Steps that have ended, by when."""

    def __init__(self, bars: list[Bar]) -> None:
        self._all = sorted(bars, key=_end)
        self._beside: dict[Bar | None, list[Bar]] = {}
        self._calls: dict[str, list[Bar]] = {}
        for bar in self._all:
            self._beside.setdefault(bar.parent, []).append(bar)
            self._calls.setdefault(bar.endpoint, []).append(bar)

    def before(self, bar: Bar) -> Bar | None:
        """Return the step that ``bar`` followed."""
        started = bar.started
        if started is None:
            return None
        found: Bar | None = None
        if bar.endpoint and started - bar.queued > _AT_ONCE:
            found = _latest(self._calls.get(bar.endpoint, []), started + _HANDOVER, _AT_ONCE)
        if found is None or found is bar:
            found = _latest(self._beside.get(bar.parent, []), bar.queued, _AT_ONCE) or _latest(self._all, bar.queued)
        # Strictly earlier, so that steps without any length cannot lead in a circle.
        return found if found is not None and found.started is not None and found.started < started else None


def _latest(bars: list[Bar], moment: float, within: float | None = None) -> Bar | None:
    """Return the step that ended last before ``moment``, if that was ``within`` so many seconds."""
    at = bisect_right(bars, moment, key=_end)
    if not at or (within is not None and moment - _end(bars[at - 1]) > within):
        return None
    return bars[at - 1]


class Wait(NamedTuple):
    """What a model call waited for before it began."""

    endpoint: str
    cap: int | None
    """Calls in flight at once there; ``None`` while that is not known."""
    held: int
    """Calls in flight there while it waited."""

    @property
    def full(self) -> bool:
        """Whether all places at the endpoint were taken, so that the cap is what it waited for."""
        return self.cap is not None and self.held >= self.cap


def waited_for(bar: Bar, timeline: Timeline, cap: int | None, now: float) -> Wait | None:
    """Return what ``bar`` waited for in its endpoint's queue; ``None`` for steps that call no model."""
    if not bar.endpoint:
        return None
    # At its end and a little before: by then who holds a place has begun, and the place that came free has just been left.
    end = bar.queued + bar.wait(now)
    begin = end - min(_AT_ONCE, bar.wait(now) / 2)
    held = sum(
        1
        for other in timeline.calls(bar.endpoint)
        if other is not bar and other.started is not None and other.started <= end and other.until(now) >= begin
    )
    return Wait(bar.endpoint, cap, held)
