"""Prompts that were sent, kept over sessions so that they can be called back; the oldest make room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.records import clean

if TYPE_CHECKING:
    import sqlite3

    from storage.store import Store

MOST: Final = 1000
"""Prompts kept."""
LONGEST: Final = 1 << 20
"""Characters of a prompt that is kept; a longer one is part of its run alone."""


class SentPrompts:
    """The prompts of all sessions, each once, in the order they were last sent."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, text: str, at: float) -> None:
        """Keep ``text``, sent at Unix time ``at``, as the newest."""
        text = clean(text)
        if not text or len(text) > LONGEST:
            return

        def work(raw: sqlite3.Connection) -> None:
            raw.execute("DELETE FROM prompts WHERE text = ?", (text,))
            raw.execute("INSERT INTO prompts (at, text) VALUES (?, ?)", (at, text))
            raw.execute(
                "DELETE FROM prompts WHERE number IN (SELECT number FROM prompts ORDER BY number DESC LIMIT -1 OFFSET ?)", (MOST,)
            )

        await self._store.write(work)

    async def recent(self, limit: int = MOST) -> list[str]:
        """Return the newest prompts, oldest of them first."""

        def work(raw: sqlite3.Connection) -> list[str]:
            # Another program may have put bytes there.
            query = "SELECT text FROM prompts WHERE typeof(text) = 'text' ORDER BY number DESC LIMIT ?"
            return [text for (text,) in reversed(raw.execute(query, (limit,)).fetchall())]

        return await self._store.read(work)
