"""Answers kept by the hash of what was asked, each for a time of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from storage.store import Store


class ResponseCache:
    """Bodies by key. Times are Unix seconds, given by the caller."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, key: str, now: float) -> bytes | None:
        """Return the body kept under ``key``, unless its time is over."""

        def work(raw: sqlite3.Connection) -> bytes | None:
            row = raw.execute("SELECT body FROM responses WHERE key = ? AND expires > ?", (key, now)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._store.read(work)

    async def put(self, key: str, body: bytes, *, now: float, ttl: float) -> None:
        """Keep ``body`` under ``key`` for ``ttl`` seconds, in place of what was there."""

        def work(raw: sqlite3.Connection) -> None:
            raw.execute(
                "INSERT INTO responses (key, body, stored, expires) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " body = excluded.body, stored = excluded.stored, expires = excluded.expires",
                (key, body, now, now + ttl),
            )

        await self._store.write(work)

    async def prune(self, now: float) -> int:
        """Remove what is over, and return how many that were."""
        return await self._store.write(lambda raw: raw.execute("DELETE FROM responses WHERE expires <= ?", (now,)).rowcount)
