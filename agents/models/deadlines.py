"""The time limits of one attempt: first token, silence between tokens, total, and the short wait after a finish reason."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

    from agents.settings import Timeouts

Phase = Literal["first_token", "idle", "total", "ending"]


class Watch:
    """An async context manager that ends its block with :class:`TimeoutError` once a limit has passed; ``expired`` says which.

    :meth:`touch` is called for every token, so it only notes the time; one timer looks at it when a limit could have passed.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self.expired: Phase | None = None
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._began = self._loop.time()
        self._last: float | None = None
        self._ending: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._check()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def touch(self) -> None:
        """Note that the model said something."""
        first = self._last is None
        self._last = self._loop.time()
        if first:
            # From now on silence is limited, most often to less than the first token was; later texts only move that limit away.
            self._set_anew()

    def ending(self, grace: float) -> None:
        """Note that the answer is whole: what may still follow has ``grace`` seconds."""
        self._ending = self._loop.time() + grace
        self._set_anew()

    def _set_anew(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._check()

    def _due(self) -> tuple[float, Phase]:
        total: tuple[float, Phase] = (self._began + self._timeouts.total, "total")
        if self._ending is not None:
            return min(total, (self._ending, "ending"))
        if self._last is None:
            return min(total, (self._began + self._timeouts.first_token, "first_token"))
        return min(total, (self._last + self._timeouts.idle, "idle"))

    def _check(self) -> None:
        when, phase = self._due()
        if when > self._loop.time():
            self._timer = self._loop.call_at(when, self._check)
        else:
            self.expired = phase
            self._limit.reschedule(when)
