"""One SQLite connection on one aiosqlite thread: opened and closed without leaking either, and called with whole functions.

A function sent here runs from its first to its last statement with nothing in between, so no cancelled ``await`` can leave half
a transaction behind. This is the only module that touches aiosqlite.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_JOIN_SECONDS = 1.0
_STEPS_BETWEEN_CHECKS = 20_000


class ConnectionThread:
    """A connection and the thread all its work runs on, used once: opened, called, closed."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._raw: sqlite3.Connection | None = None
        self._stopped = threading.Event()

        def connector() -> sqlite3.Connection:
            self._raw = connect()
            return self._raw

        self._proxy = aiosqlite.Connection(connector, iter_chunk_size=64)
        # aiosqlite's thread is not a daemon: a connection that something still refers to would keep the process from ever
        # ending. WAL makes dying in the middle safe. There is no public way to say so.
        self._thread: threading.Thread = self._proxy._thread  # noqa: SLF001
        self._thread.daemon = True

    async def open(self) -> None:
        """Start the thread and connect."""
        try:
            await self._proxy
        except BaseException:
            # aiosqlite has told its thread to stop but forgets a connection that was made meanwhile.
            self._thread.join(_JOIN_SECONDS)
            if self._raw is not None:
                self._raw.close()
            raise

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on the thread. Cancelling gives up the wait; the work goes on."""
        # No public call takes a function.
        result: T = await self._proxy._execute(self._run, work)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work``, which must only read, on the thread. Cancelling interrupts it, also between two of its statements."""
        stopped = self._stopped = threading.Event()

        def job(raw: sqlite3.Connection) -> T:
            if stopped.is_set():
                raise InterruptedError
            raw.set_progress_handler(stopped.is_set, _STEPS_BETWEEN_CHECKS)
            try:
                return work(raw)
            finally:
                raw.set_progress_handler(None, 0)
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

        try:
            return await self.call(job)
        except asyncio.CancelledError:
            self.interrupt()
            raise

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._raw is None:
            raise sqlite3.ProgrammingError("the connection is closed")
        return work(self._raw)

    def interrupt(self) -> None:
        """Abort the statement that runs now, and with it the present query."""
        self._stopped.set()
        if self._raw is not None:
            with suppress(sqlite3.ProgrammingError):
                self._raw.interrupt()

    async def close(self, within: float) -> bool:
        """Close after the work sent so far and end the thread; False when that took longer than ``within`` seconds."""
        stopped = self._proxy.stop()
        if stopped is None:
            return False
        done, _ = await asyncio.wait([stopped], timeout=within)
        if not done or stopped.exception() is not None:
            return False
        self._thread.join(_JOIN_SECONDS)
        return True
