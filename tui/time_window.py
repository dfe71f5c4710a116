"""The stretch of time a chart shows: fitted to something, following the present, or where a person has put it.

Pure arithmetic in seconds of one monotonic clock; it draws nothing and knows no steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["fit", "follow", "free"]

SHORTEST: Final = 0.02
"""Seconds the window shows at least."""
_MARGIN: Final = 0.04
"""Share of the window that stays empty after what it is fitted to."""
_NICE: Final = (1.0, 2.0, 5.0)


@dataclass
class TimeWindow:
    """What part of time is in view."""

    left: float = 0.0
    span: float = 1.0
    mode: Mode = "fit"
    """``fit``: all of what is chosen, as it grows. ``follow``: the present stays at the right. ``free``: it stays where it is."""

    @property
    def right(self) -> float:
        """The end of what is in view."""
        return self.left + self.span

    def longest(self, first: float, last: float) -> float:
        """Return the most seconds it may show of what lies between ``first`` and ``last``."""
        return max((last - first) * (1 + 2 * _MARGIN), 1.0)

    def fit(self, first: float, last: float) -> None:
        """Show all between ``first`` and ``last``, and go on doing so."""
        self.mode = "fit"
        self.left = first
        self.span = max((last - first) * (1 + _MARGIN), SHORTEST)

    def follow(self, now: float) -> None:
        """Keep the present in view, near the right edge."""
        self.mode = "follow"
        self.left = now - self.span * (1 - _MARGIN)

    def advance(self, first: float, last: float, now: float, *, calm: bool = False) -> None:
        """Go along with time: ``first`` and ``last`` bound what is chosen.

        With ``calm`` nothing glides: the window stays until something has left it, and then makes room for as much again.
        """
        if self.mode == "fit":
            if calm and self.left == first and last <= self.right:
                return
            self.fit(first, first + (last - first) * 2 if calm and self.left == first else last)
        elif self.mode == "follow" and not (calm and self.left <= now <= self.right):
            self.follow(now)
            if calm:
                self.left += self.span / 2

    def pan(self, share: float, first: float, last: float) -> None:
        """Move by a share of the window; a tenth of it always shows something between ``first`` and ``last``."""
        self.mode = "free"
        self.left += share * self.span
        self._hold(first, last)

    def zoom(self, factor: float, first: float, last: float, *, around: float | None = None) -> None:
        """Show ``factor`` times as much time, keeping the moment ``around`` (the middle, if not given) where it is on screen."""
        following = self.mode == "follow"
        around = min(max(self.left + self.span / 2 if around is None else around, self.left), self.right)
        where = (around - self.left) / self.span
        self.span = min(max(self.span * factor, SHORTEST), self.longest(first, last))
        if following:
            self.follow(last)
            return
        self.mode = "free"
        self.left = around - where * self.span
        self._hold(first, last)

    def _hold(self, first: float, last: float) -> None:
        least = self.span * 0.1
        self.left = min(max(self.left, first - self.span + least), max(last - least, first - self.span + least))


def ticks(left: float, span: float, origin: float, room: int) -> list[float]:
    """Return at most ``room`` moments in view that are round numbers of seconds after ``origin``, earliest first."""
    if room < 1 or span <= 0:
        return []
    step = _step(span / room)
    number = -((origin - left) // step)
    if origin + number * step < left:
        number += 1
    found: list[float] = []
    while (moment := origin + number * step) < left + span and len(found) < room:
        found.append(moment)
        number += 1
    return found


def _step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least ``least``."""
    power = 1e-6
    while True:
        for nice in _NICE:
            if nice * power >= least:
                return nice * power
        power *= 10


def label(seconds: float, span: float) -> str:
    """Return a moment on the axis, as exact as the ``span`` in view asks for: ``250 ms``, ``3.5 s``, ``2:05``."""
    if span < 0.9:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 100:
        return f"{seconds:.1f} s" if span < 8 else f"{seconds:.0f} s"
    sign, whole = ("-" if seconds < 0 else ""), round(abs(seconds))
    if whole < 3600:
        return f"{sign}{whole // 60}:{whole % 60:02d}"
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
