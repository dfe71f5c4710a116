"""What is known of the door to an endpoint: waits by class, refusals and what was used, in bounded memory."""

from __future__ import annotations

import msgspec

from agents.models.limits import Window
from agents.percentiles import RecentSamples
from agents.requests import Priority

LATE = 0.2
"""Seconds of waiting beyond which a call counts as late."""


class WaitFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How long calls of one class waited that were let in during the last minute, in seconds; ``None`` where there were none."""

    p50: float | None = None
    p95: float | None = None
    longest: float | None = None
    count: int = 0
    """How many the percentiles are of; the newest 1,024 of the minute at most."""
    late: int = 0
    """How many waited over 200 ms; all of the minute are counted."""


class LimitFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One limit per minute: what of it is used."""

    used: int
    configured: int | None
    learnt: int | None
    """What the server's headers say, where they do."""


class DoorFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The door to one endpoint, now."""

    cap: int
    adaptive: bool
    rate: float | None
    """Starts a second that were found to be borne; ``None`` while no such limit was met."""
    in_flight: int
    depth: dict[Priority, int]
    oldest_wait: float
    """Seconds the call has waited that waits longest."""
    oldest: dict[Priority, float]
    """The same of each class that waits."""
    waits: dict[Priority, WaitFigures]
    rejected: int
    """Refusals for too many requests in the last minute, and ever."""
    rejected_ever: int
    timed_out: int
    timed_out_ever: int
    requests: LimitFigures
    tokens: LimitFigures
    held: str
    """Why nothing is let in now, in a few words; empty when nothing but the cap keeps calls waiting."""
    held_for: float
    """Seconds until that is over."""


class DoorRecord:
    """Takes down what happens at a door."""

    def __init__(self) -> None:
        self._waits = {priority: RecentSamples(cap=1024) for priority in Priority}
        self._late = {priority: Window() for priority in Priority}
        self._rejected, self._timed_out = Window(), Window()
        self._rejected_ever = self._timed_out_ever = 0

    def let_in(self, now: float, priority: Priority, waited: float) -> None:
        """A call got its place after ``waited`` seconds."""
        self._waits[priority].add(now, waited)
        if waited > LATE:
            self._late[priority].add(now)

    def rejected(self, now: float) -> None:
        """A call was refused."""
        self._rejected.add(now)
        self._rejected_ever += 1

    def timed_out(self, now: float) -> None:
        """A call took too long."""
        self._timed_out.add(now)
        self._timed_out_ever += 1

    def waits(self, now: float) -> dict[Priority, WaitFigures]:
        """Return how long each class waited."""
        found = {}
        for priority, samples in self._waits.items():
            read = samples.read(now)
            found[priority] = WaitFigures(
                p50=read.p50,
                p95=read.p95,
                longest=samples.worst(now),
                count=read.count,
                late=round(self._late[priority].total(now)),
            )
        return found

    def alarms(self, now: float) -> tuple[int, int, int]:
        """Return the late waits and the refusals of the last minute, and all refusals."""
        late = sum(window.total(now) for window in self._late.values())
        return round(late), round(self._rejected.total(now)), self._rejected_ever

    def refusals(self, now: float) -> tuple[int, int, int, int]:
        """Return the calls refused in the last minute and ever, and those that timed out."""
        minute = round(self._rejected.total(now)), round(self._timed_out.total(now))
        return minute[0], self._rejected_ever, minute[1], self._timed_out_ever
