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
MOST_CHARS: Final = 8 << 20
"""Characters of all prompts that are called back: they are kept in memory."""


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

    async def recent(self, limit: int = MOST, most: int = MOST_CHARS) -> list[str]:
        """Return the newest prompts, of at most so many characters in all, oldest of them first."""

        def work(raw: sqlite3.Connection) -> list[str]:
            # Another program may have put bytes there.
            query = "SELECT text FROM prompts WHERE typeof(text) = 'text' ORDER BY number DESC LIMIT ?"
            found: list[str] = []
            room = most
            for (text,) in raw.execute(query, (limit,)):
                room -= len(text)
                if room < 0:
                    break
                found.append(text)
            return found[::-1]

        return await self._store.read(work)
