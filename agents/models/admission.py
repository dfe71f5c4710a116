"""Who may call an endpoint now: a cap on calls in flight, priority classes, first come first served within a class."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.requests import Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_FAIR_SHARE = 8
"""Every eighth place goes to whoever waits longest, whatever its class, so that no class starves."""


class _Waiter:
    __slots__ = ("future", "since")

    def __init__(self, future: asyncio.Future[None], since: float) -> None:
        self.future, self.since = future, since


class Admission:
    """The one door to an endpoint. What waits here is the queue depth that the screen shows."""

    def __init__(self, cap: int, clock: Callable[[], float]) -> None:
        self.in_flight = 0
        self._cap = cap
        self._clock = clock
        self._lines: dict[Priority, deque[_Waiter]] = {priority: deque() for priority in Priority}
        self._turns = itertools.count(1)

    @property
    def cap(self) -> int:
        """Calls in flight at once. Raising it lets waiting calls in at once; lowering it waits for those in flight to end."""
        return self._cap

    @cap.setter
    def cap(self, cap: int) -> None:
        self._cap = cap
        self._admit()

    @property
    def depth(self) -> int:
        """How many calls wait."""
        return sum(map(len, self._lines.values()))

    @property
    def oldest_wait(self) -> float:
        """Seconds the call has waited that waits longest; 0 when none does."""
        heads = [line[0].since for line in self._lines.values() if line]
        return self._clock() - min(heads) if heads else 0.0

    @asynccontextmanager
    async def place(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for a place at the endpoint and hold it for the length of the block. Safe to cancel at any moment."""
        if self.in_flight < self._cap and not self.depth:
            self.in_flight += 1
        else:
            await self._wait(priority)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, priority: Priority) -> None:
        waiter = _Waiter(asyncio.get_running_loop().create_future(), self._clock())
        line = self._lines[priority]
        line.append(waiter)
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                self._leave()  # the place came in the same moment as the cancel: pass it on
            elif waiter in line:
                line.remove(waiter)
            raise

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self.in_flight < self._cap:
            lines = [line for line in self._lines.values() if line]
            if not lines:
                return
            fair = next(self._turns) % _FAIR_SHARE == 0
            line = min(lines, key=lambda line: line[0].since) if fair else lines[0]
            waiter = line.popleft()
            if not waiter.future.cancelled():
                self.in_flight += 1
                waiter.future.set_result(None)
