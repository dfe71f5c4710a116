"""An event loop whose time passes only when nothing is left to do, so that a minute of waiting takes a moment and is exact."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Clocked(selectors.SelectSelector):
    """Moves the time on instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits, and nothing will wake it")
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Takes no real time for timers; meant for code that waits for nothing but them."""

    def __init__(self) -> None:
        self._clocked = _Clocked()
        super().__init__(self._clocked)

    def time(self) -> float:
        """Return the virtual time, which begins at 0."""
        return self._clocked.now


def run(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
