"""The one writer: work from any number of tasks, committed in groups.

A group is one function on the connection's thread, so nothing can come between its BEGIN and its COMMIT. Every item has a
savepoint: one that fails leaves no trace and fails alone. No item is answered before the COMMIT.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from storage.errors import StoreError, closed, explain, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from storage.connection import ConnectionThread

T = TypeVar("T")

GROUP_ITEMS = 256
GROUP_SECONDS = 0.005
WAITING_ITEMS = 1024
"""How many writes may wait; further ones wait for a place."""


class _Item:
    __slots__ = ("durable", "future", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], durable: bool, future: asyncio.Future[Any]) -> None:
        self.work, self.durable, self.future = work, durable, future


class GroupWriter:
    """Takes work with :meth:`write`; :meth:`run` is the task that commits it."""

    def __init__(self, connection: ConnectionThread, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._items: deque[_Item] = deque()
        self._places = asyncio.Semaphore(WAITING_ITEMS)
        self._wake = asyncio.Event()
        self._closed = False
        self.commits = 0
        """Groups committed so far."""

    def __len__(self) -> int:
        """Return how many writes wait for their group."""
        return len(self._items)

    async def write(self, work: Callable[[sqlite3.Connection], T], durable: bool) -> T:
        """Return what ``work`` returned, once it is committed. Cancelling leaves open whether it will be."""
        async with self._places:
            if self._closed:
                raise closed(self._path)
            item = _Item(work, durable, asyncio.get_running_loop().create_future())
            self._items.append(item)
            self._wake.set()
            result: T = await item.future
            return result

    def close(self) -> None:
        """Refuse further work; :meth:`run` ends once what waits is committed."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit groups until closed."""
        try:
            while True:
                await self._wake.wait()
                if not self._items:
                    if self._closed:
                        return
                    self._wake.clear()
                    continue
                if len(self._items) < GROUP_ITEMS and not self._closed:
                    await asyncio.sleep(GROUP_SECONDS)
                taken = [self._items.popleft() for _ in range(min(GROUP_ITEMS, len(self._items)))]
                group = [item for item in taken if not item.future.done()]
                if group:
                    await self._commit(group)
        finally:
            self._closed = True
            _fail(self._items, closed(self._path))

    async def _commit(self, group: list[_Item]) -> None:
        works = [item.work for item in group]
        durable = any(item.durable for item in group)
        try:
            outcomes = await self._connection.call(partial(commit_group, works=works, durable=durable))
        except asyncio.CancelledError:
            _fail(group, closed(self._path))
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to those who wait, and the next group may succeed
            _fail(group, explain(error, self._path))
            return
        self.commits += 1
        for item, (value, failure) in zip(group, outcomes, strict=True):
            if item.future.done():
                continue
            if failure is None:
                item.future.set_result(value)
            else:
                item.future.set_exception(failure)


def _fail(items: Sequence[_Item] | deque[_Item], error: Exception) -> None:
    for item in items:
        if not item.future.done():
            # One exception raised in many tasks would gather all their tracebacks.
            item.future.set_exception(StoreError(str(error)) if isinstance(error, StoreError) else error)


def commit_group(
    raw: sqlite3.Connection, works: Sequence[Callable[[sqlite3.Connection], Any]], durable: bool
) -> list[tuple[Any, Exception | None]]:
    """Run ``works`` in one transaction and return what each returned or raised.

    ``durable`` has the commit flushed to the disk itself: it then survives a power cut, not only the death of the process.
    An error of the file or the disk fails the whole group.
    """
    raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    raw.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_attempt(raw, work) for work in works]
        raw.execute("COMMIT")
    except BaseException:
        # After "disk full" SQLite has rolled back by itself, and another ROLLBACK would be an error.
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    return outcomes


def _attempt(raw: sqlite3.Connection, work: Callable[[sqlite3.Connection], Any]) -> tuple[Any, Exception | None]:
    raw.execute("SAVEPOINT item")
    outcome: tuple[Any, Exception | None]
    try:
        outcome = work(raw), None
    except Exception as error:
        if is_whole(error) or not raw.in_transaction:
            raise
        raw.execute("ROLLBACK TO item")
        outcome = None, error
    raw.execute("RELEASE item")
    return outcome
