"""The one clock all panes are drawn by.

It slows down when the loop is late and never drops anything: a frame that comes later shows more.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LATE: Final = 0.012
"""Seconds a frame may wake too late before the clock gives the loop more room."""


class FrameClock:
    """Calls ``frame`` at ``fps`` or, while the loop is late, less often, down to ``slowest`` times a second."""

    def __init__(self, frame: Callable[[], object], *, fps: float = 20, slowest: float = 4) -> None:
        self._frame = frame
        self._shortest = 1 / max(fps, 1)
        self._longest = max(1 / slowest, self._shortest)
        self.interval = self._shortest
        """Seconds between two frames now."""
        self.frames = 0
        """Frames so far."""
        self.late = 0.0
        """Seconds the last frame came too late."""

    async def run(self) -> None:
        """Draw frames until cancelled."""
        due = perf_counter() + self.interval
        while True:
            await asyncio.sleep(max(due - perf_counter(), 0.001))
            self.tick(perf_counter() - due)
            due = perf_counter() + self.interval

    def tick(self, late: float) -> None:
        """Draw one frame that came ``late`` seconds after its time, and set the pace of the next."""
        self.late = max(late, 0.0)
        self.frames += 1
        self.interval = min(self.interval * 1.5, self._longest) if self.late > _LATE else max(self.interval * 0.9, self._shortest)
        self._frame()
