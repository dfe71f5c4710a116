"""How late the event loop is: the one figure that says whether a key press would be answered now, and the name of what blocked.

A task sleeps a fixed time over and over and measures how much later than asked it wakes. A thread watches that it does; when
it is overdue the thread looks at what the loop's thread is executing. Neither touches anything else.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from agents.percentiles import RecentSamples

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PERIOD = 0.05
_SELDOM = 4
"""How many times as long it sleeps while nothing runs: what is then late is seldom seen, and weighs less."""
STALL = 0.05
"""Seconds of lateness from which on it is called a stall, and its cause is looked for."""
_LOOP = ("selectors", "asyncio.events", "asyncio.base_events", "asyncio.runners")
_OURS = ("tui", "agents", "storage", "themes")


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """One time the loop stood still."""

    at: float
    """When it went on, seconds on the monotonic clock."""
    lag: float
    """Seconds it was late."""
    what: str | None
    """``module.function:line`` that was executing, ours and, behind an arrow, what it had called. ``None`` when nothing on the
    loop's thread was caught at it: it ended too soon, or the machine or another thread was busy."""


class LagSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The loop's lateness. ``None``: not measured yet."""

    now: float | None
    """The worst of the last second, in seconds."""
    p99: float | None
    """Of all wakes of the last minute (twenty a second), the lateness that one in a hundred exceeds, in seconds."""
    worst: Stall | None
    """The worst stall since the start."""
    stalls: tuple[Stall, ...]
    """The latest stalls, oldest first, sixteen at most."""


class LagProbe:
    """Measures the loop it runs on, for as long as :meth:`run` does."""

    def __init__(self, *, period: float = PERIOD, stall: float = STALL, busy: Callable[[], bool] = lambda: True) -> None:
        self._period = period
        self._busy = busy
        self._stall = stall
        self._minute = RecentSamples(60.0)
        self._second = RecentSamples(1.0)
        self._worst: Stall | None = None
        self._stalls: deque[Stall] = deque(maxlen=16)
        self._due = 0.0
        """When the next wake is due; written by the loop, read by the watching thread."""
        self._caught: tuple[float, str | None] = (0.0, None)
        """Which wake was overdue and what ran; written by the watching thread, read by the loop."""

    async def run(self) -> None:
        """Measure until cancelled."""
        over = threading.Event()
        self._due = time.monotonic() + self._period
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(), over), name="stretto-lag", daemon=True)
        watcher.start()
        try:
            while True:
                period = self._period if self._busy() else self._period * _SELDOM
                self._due = due = time.monotonic() + period
                await asyncio.sleep(period)
                self._note(due, time.monotonic())
        finally:
            over.set()
            watcher.join(1.0)  # it waits on nothing but ``over``

    def _note(self, due: float, now: float) -> None:
        late = max(now - due, 0.0)
        self._minute.add(now, late)
        self._second.add(now, late)
        if late < self._stall:
            return
        overdue, what = self._caught
        stall = Stall(at=now, lag=late, what=what if overdue == due else None)
        self._stalls.append(stall)
        if self._worst is None or late > self._worst.lag:
            self._worst = stall

    def _watch(self, loop_thread: int, over: threading.Event) -> None:
        looked = 0.0
        while True:
            due = self._due
            # A wake that was looked at already may stay overdue for long; the next one is due a period after it at the earliest.
            wait = due + self._stall - time.monotonic() if due != looked else self._period
            if over.wait(max(wait, 0.001)):
                return
            if self._due == due != looked and time.monotonic() >= due + self._stall:
                self._caught = (due, name_of(sys._current_frames().get(loop_thread)))  # noqa: SLF001  # the documented way
                looked = due

    def snapshot(self) -> LagSnapshot:
        """Return the figures as of now; cheap."""
        now = time.monotonic()
        return LagSnapshot(
            now=self._second.worst(now),
            p99=self._minute.read(now).p99,
            worst=self._worst,
            stalls=tuple(self._stalls),
        )


def name_of(frame: FrameType | None) -> str | None:
    """Return what ``frame`` executes, as a person would look for it: the innermost function of ours, and what that had called.

    ``None`` for a loop that waits for something to do.
    """
    if frame is None or _module(frame) in _LOOP:
        return None
    ours: FrameType | None = frame
    while ours is not None and _module(ours).partition(".")[0] not in _OURS:
        # What called the loop is not what blocks it.
        ours = None if _module(ours) in _LOOP else ours.f_back
    if ours is None or ours is frame:
        return _place(frame)
    return f"{_place(ours)} → {_place(frame)}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))


def _place(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}:{frame.f_lineno}"
