"""How long all streams together may decode before the loop has its turn: else a server that floods would starve the screen."""

from __future__ import annotations

import asyncio
from time import perf_counter

SHARE = 0.006
"""Seconds of one turn of the loop."""


class Turn:
    """One turn of the loop, shared by every stream that reads on it."""

    def __init__(self, share: float = SHARE) -> None:
        self._share = share
        self._began: float | None = None

    def _end(self) -> None:
        self._began = None

    async def breathe(self) -> None:
        """Let the loop go on when the streams have had their share of this turn; costs next to nothing when they have not."""
        now = perf_counter()
        if self._began is None:
            self._began = now
            asyncio.get_running_loop().call_soon(self._end)
        elif now - self._began > self._share:
            await asyncio.sleep(0)
