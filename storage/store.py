"""The database: one SQLite file with one writer that commits groups, and readers of their own.

What the tables mean is the business of the modules beside this one and of the schema files. Several processes may use one
file; each has one writer.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from storage.connection import ConnectionThread
from storage.errors import BUSY_SECONDS, StoreError, closed, damaged, explain
from storage.migrations import identify, migrate, migrations, use_wal
from storage.owners import Owner
from storage.permissions import private_file, private_folder
from storage.writer import GroupWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["Store", "StoreError"]

T = TypeVar("T")

READERS = 2
CLOSE_SECONDS = 5.0
"""How long leaving waits for a disk that does not answer."""


class Store:
    """An open database: ``async with Store(path) as store``.

    Entering makes the folder and file when missing and brings the schema up to date; leaving commits what waits, interrupts
    reads and ends every thread. Anything that keeps the file from being used is a :class:`StoreError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.owner = Owner(self.path)
        self._connection = ConnectionThread(self._connect)
        self._writer = GroupWriter(self._connection, self.path)
        self._readers: asyncio.Queue[ConnectionThread | None] = asyncio.Queue()
        self._open_readers: set[ConnectionThread] = set()
        self._group = asyncio.TaskGroup()
        self._closed = True

    @property
    def commits(self) -> int:
        """Groups committed so far."""
        return self._writer.commits

    @property
    def waiting(self) -> int:
        """Writes that wait for their group."""
        return len(self._writer)

    async def __aenter__(self) -> Self:
        try:
            await self._connection.open()
        except (OSError, sqlite3.Error) as error:
            raise explain(error, self.path) from error
        try:
            await self._connection.call(self._prepare)
        except BaseException as error:
            self._connection.interrupt()
            await self._connection.close(1.0)
            self.owner.release()
            if isinstance(error, OSError | sqlite3.Error):
                raise explain(error, self.path) from error
            raise
        for _ in range(READERS):
            self._readers.put_nowait(None)
        await self._group.__aenter__()
        self._group.create_task(self._writer.run(), name="database writer")
        self._closed = False
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        self._writer.close()
        deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._group.__aexit__(None, None, None)
        finally:
            await self._disconnect(deadline)

    async def _disconnect(self, deadline: float) -> None:
        """Close the readers before the writer: the last connection to go folds the log back into the database."""
        clock = asyncio.get_running_loop().time
        readers = list(self._open_readers)
        try:
            for reader in readers:
                reader.interrupt()
            for reader in readers:
                await reader.close(max(deadline - clock(), 0.1))
        finally:
            try:
                await self._connection.close(max(deadline - clock(), 0.1))
            finally:
                self.owner.release()

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run ``work`` in the next group's transaction and return its result once that is committed.

        ``work`` runs on another thread and must neither commit nor roll back; what it raises undoes it alone. ``durable``
        makes the commit survive a power cut too. Cancelling leaves open whether it is written: use identities made by the
        caller, so that it can be repeated.
        """
        return await self._writer.write(work, durable)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a connection that cannot write, beside the writer. Cancelling interrupts its query.

        Take pages of some hundred rows: building a hundred thousand at once holds up the event loop too.
        """
        self._require_open()
        reader = await self._readers.get()
        try:
            self._require_open()
            if reader is None:
                reader = await self._open_reader()
            return await reader.query(work)
        except (OSError, sqlite3.Error) as error:
            self._require_open()
            raise explain(error, self.path) from error
        finally:
            self._readers.put_nowait(reader)

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.path)

    async def _open_reader(self) -> ConnectionThread:
        self._require_open()
        reader = ConnectionThread(partial(self._connect_existing, query_only=True))
        await reader.open()
        try:
            self._require_open()
        except StoreError:
            await reader.close(CLOSE_SECONDS)
            raise
        self._open_readers.add(reader)
        return reader

    def _connect(self) -> sqlite3.Connection:
        private_folder(self.path.parent)
        private_file(self.path)
        log = self.path.with_name(f"{self.path.name}-wal")
        # SQLite would take an empty file for a new database, and throw its log away.
        if self.path.stat().st_size == 0 and log.exists() and log.stat().st_size > 0:
            raise damaged(self.path, "the file is empty, its log is not")
        return self._connect_existing(query_only=False)

    def _connect_existing(self, query_only: bool) -> sqlite3.Connection:
        # check_same_thread is off because a connection whose opening was cancelled is closed from the loop's thread.
        raw = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA query_only={query_only:d}")
        return raw

    def _prepare(self, raw: sqlite3.Connection) -> None:
        steps = migrations()
        identify(raw, self.path, steps[-1].number)
        use_wal(raw)
        raw.execute(f"PRAGMA journal_size_limit={64 << 20}")
        migrate(raw, steps)
        self.owner.claim()
