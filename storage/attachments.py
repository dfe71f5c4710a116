"""Bytes of files that went with messages, each stored once under the SHA-256 of what it holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from storage.store import StoreError

if TYPE_CHECKING:
    import sqlite3

    from storage.store import Store


def digest_of(data: bytes) -> str:
    """Return the name that ``data`` is stored under."""
    return hashlib.sha256(data).hexdigest()


class AttachedFiles:
    """Files by digest."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, digest: str, media: str, data: bytes) -> None:
        """Store ``data`` under ``digest``, unless it is there already."""

        def work(raw: sqlite3.Connection) -> None:
            raw.execute(
                "INSERT INTO attachments (digest, media, size, data) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
                (digest, media, len(data), data),
            )

        await self._store.write(work)

    async def get(self, digest: str) -> bytes | None:
        """Return the bytes stored under ``digest``, or ``None`` where there are none.

        Raises :class:`StoreError` when what is there is not what was stored.
        """

        def work(raw: sqlite3.Connection) -> bytes | None:
            row = raw.execute("SELECT data FROM attachments WHERE digest = ?", (digest,)).fetchone()
            data = None if row is None else bytes(row[0])
            if data is not None and digest_of(data) != digest:
                raise StoreError(f"the stored file {digest[:12]} is damaged: attach it again")
            return data

        return await self._store.read(work)
