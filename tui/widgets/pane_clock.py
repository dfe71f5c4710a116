"""The one clock all panes are drawn by, and the allowance they share for work that can wait a frame.

The clock slows down when the loop is late and never drops anything: a frame that comes later shows more. While nothing happens it
dozes, so that a full screen at rest costs next to nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_LATE: Final = 0.012
"""Seconds a frame may wake too late before the clock gives the loop more room."""


_DOZE_AFTER: Final = 40
"""Frames in which nothing happened before the clock dozes."""
_DOZE: Final = 1.0
"""Seconds between two frames of a dozing clock."""


class FrameClock:
    """Calls ``frame`` at ``fps`` or, while the loop is late, less often, down to ``slowest`` times a second.

    A ``frame`` that returns ``False`` says that nothing happened and nothing is left to draw. After some of those in a row frames
    come once a second, until one says otherwise or :meth:`wake` is called.
    """

    def __init__(self, frame: Callable[[], bool | None], *, fps: float = 20, slowest: float = 4) -> None:
        self._frame = frame
        self._shortest = 1 / max(fps, 1)
        self._longest = max(1 / slowest, self._shortest)
        self.interval = self._shortest
        """Seconds between two frames now."""
        self.frames = 0
        """Frames so far."""
        self.late = 0.0
        """Seconds the last frame came too late."""
        self._quiet = 0
        self._awake = asyncio.Event()

    @property
    def dozing(self) -> bool:
        """Whether nothing has happened for a while."""
        return self._quiet >= _DOZE_AFTER

    def wake(self) -> None:
        """Say that something will happen; a dozing clock draws its next frame at once."""
        self._quiet = 0
        self._awake.set()

    async def run(self) -> None:
        """Draw frames until cancelled."""
        due = perf_counter() + self.interval
        while True:
            if self.dozing:
                await self._doze()
                due = perf_counter()
            else:
                await asyncio.sleep(max(due - perf_counter(), 0.001))
            self.tick(perf_counter() - due)
            due = perf_counter() + self.interval

    async def _doze(self) -> None:
        self._awake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_DOZE):
                await self._awake.wait()

    def tick(self, late: float) -> None:
        """Draw one frame that came ``late`` seconds after its time, and set the pace of the next."""
        self.late = max(late, 0.0)
        self.frames += 1
        self.interval = min(self.interval * 1.5, self._longest) if self.late > _LATE else max(self.interval * 0.9, self._shortest)
        self._quiet = self._quiet + 1 if self._frame() is False else 0


class Allowance:
    """Seconds of work all panes together may spend, ``most`` at once, that come back at the rate ``share`` of the time.

    Used as a context it takes note of what the work in it cost, be it more than there was: then nothing is left for a while.
    """

    def __init__(self, most: float, share: float, clock: Callable[[], float] = perf_counter) -> None:
        self._most, self._share, self._clock = most, share, clock
        self._left, self._at = most, clock()
        self._began = 0.0

    def __bool__(self) -> bool:
        now = self._clock()
        self._left = min(self._left + (now - self._at) * self._share, self._most)
        self._at = now
        return self._left > 0

    def __enter__(self) -> None:
        self._began = self._clock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left -= self._clock() - self._began


CATCHING_UP: Final = Allowance(0.010, 0.9)
"""For taking in much text between two frames."""
SHAPING: Final = Allowance(0.003, 0.25)
"""For shaping Markdown: what it has no room for is shown plain until the next frame."""
