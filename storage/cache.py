"""Answers kept by the hash of what was asked, each for a time of its own, and all together within a size.

What was not used for longest goes first. Everything that removes works in slices, so that no other write waits for it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from storage.store import Store

SLICE: Final = 64
"""How many answers are removed at once."""
OVERHEAD: Final = 256
"""Bytes an answer takes besides its body; the schema's triggers count the same."""
QUESTIONS: Final = 20_000
"""How many questions are kept to be found in other words; the newest."""
_SLACK: Final = 60.0
"""Seconds that clocks may differ. What was stored later than that from now was so under another clock, and may be of any age."""

_PUT = (
    "INSERT INTO responses (key, stored, expires, used, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
    " stored = excluded.stored, expires = excluded.expires, used = excluded.used, body = excluded.body"
)


class CacheTotals(msgspec.Struct, frozen=True, array_like=True):
    """What the cache holds, and what was looked up in it since there is one."""

    entries: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0
    similar: int = 0
    """Answers given that were made for a similar question."""


class Lookups(msgspec.Struct):
    """What is known of lookups and not written down yet."""

    used: dict[str, float] = {}
    """When each answer was used last, by key."""
    hits: int = 0
    misses: int = 0
    similar: int = 0

    def __bool__(self) -> bool:
        return bool(self.used or self.hits or self.misses or self.similar)


class ResponseCache:
    """Bodies by key. Times are Unix seconds, given by the caller."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def path(self) -> Path:
        """The database."""
        return self._store.path

    async def get(self, key: str, now: float) -> bytes | None:
        """Return the body kept under ``key``, unless its time is over or its age cannot be known."""

        def work(raw: sqlite3.Connection) -> bytes | None:
            found = "SELECT body FROM responses WHERE key = ? AND expires > ? AND stored <= ?"
            row = raw.execute(found, (key, now, now + _SLACK)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._store.read(work)

    async def put(
        self, key: str, body: bytes, *, now: float, ttl: float, lookups: Lookups | None = None, limit: int | None = None
    ) -> tuple[CacheTotals, int]:
        """Keep ``body`` under ``key`` for ``ttl`` seconds, in place of what was there, and write ``lookups`` down.

        Then a slice of what is over, or more than ``limit`` bytes hold, is removed. Returns the totals and how many went.
        """

        def work(raw: sqlite3.Connection) -> tuple[CacheTotals, int]:
            if lookups is not None:
                note(raw, lookups)
            raw.execute(_PUT, (key, now, now + ttl, now, body))
            return trim(raw, now, limit)

        return await self._store.write(work)

    async def note(self, lookups: Lookups) -> CacheTotals:
        """Write down what was looked up and when answers were used; return the totals."""

        def work(raw: sqlite3.Connection) -> CacheTotals:
            note(raw, lookups)
            return totals(raw)

        return await self._store.write(work)

    async def trim(self, now: float, limit: int | None = None) -> tuple[CacheTotals, int]:
        """Remove a slice of what is over or too much; return the totals and how many went."""
        return await self._store.write(lambda raw: trim(raw, now, limit))

    async def totals(self) -> CacheTotals:
        """Return what is held and was looked up."""
        return await self._store.read(totals)

    async def oldest(self) -> float | None:
        """Return when the answer was stored that is over first; ``None`` when there is none."""

        def work(raw: sqlite3.Connection) -> float | None:
            row = raw.execute("SELECT stored FROM responses ORDER BY expires LIMIT 1").fetchone()
            return None if row is None else float(row[0])

        return await self._store.read(work)

    async def clear(self, before: float | None = None) -> int:
        """Remove all answers, or those stored before a time; return how many went.

        They are looked for beside the writer and removed in slices: other processes go on writing meanwhile.
        """
        last = await self._store.read(lambda raw: raw.execute("SELECT max(number) FROM responses").fetchone()[0]) or 0
        removed, after = 0, 0
        while page := await self._store.read(partial(_page, numbers=(after, last), before=before)):
            await self._store.write(partial(_remove, numbers=page))
            removed, after = removed + len(page), page[-1][0]
        return removed

    async def add_question(self, key: str, words: bytes, text: str) -> None:
        """Keep the question that the answer under ``key`` was made for; nothing when that answer is gone.

        ``words`` is what questions have in common that may stand for one another. The newest ones are kept.
        """

        def work(raw: sqlite3.Connection) -> None:
            insert = "INSERT OR REPLACE INTO questions (key, words, text) SELECT key, ?, ? FROM responses WHERE key = ?"
            added = raw.execute(insert, (words, text, key))
            if added.rowcount > 0 and added.lastrowid is not None:
                raw.execute("DELETE FROM questions WHERE number <= ?", (added.lastrowid - QUESTIONS,))

        await self._store.write(work)

    async def questions(self, words: bytes, limit: int) -> list[tuple[str, str]]:
        """Return the key and the text of the newest questions with these words."""
        newest = "SELECT key, text FROM questions WHERE words = ? ORDER BY number DESC LIMIT ?"
        return await self._store.read(lambda raw: raw.execute(newest, (words, limit)).fetchall())


def note(raw: sqlite3.Connection, lookups: Lookups) -> None:
    """Write down when answers were used, never earlier than known, and add the counts to those since ever."""
    used: Mapping[str, float] = lookups.used
    raw.executemany("UPDATE responses SET used = ? WHERE key = ? AND used < ?", [(at, key, at) for key, at in used.items()])
    counts = (lookups.hits, lookups.misses, lookups.similar)
    if any(counts):
        raw.execute("UPDATE cache_totals SET hits = hits + ?, misses = misses + ?, similar = similar + ?", counts)


def totals(raw: sqlite3.Connection) -> CacheTotals:
    """Return what is held and was looked up."""
    return CacheTotals(*raw.execute("SELECT entries, bytes, hits, misses, similar FROM cache_totals").fetchone())


def trim(raw: sqlite3.Connection, now: float, limit: int | None) -> tuple[CacheTotals, int]:
    """Remove a slice of what is over, then of what was not used for longest while there is more than ``limit`` bytes."""
    over = raw.execute("SELECT number FROM responses WHERE expires <= ? LIMIT ?", (now, SLICE)).fetchall()
    _remove(raw, over)
    held = totals(raw)
    if limit is None or held.bytes <= limit:
        return held, len(over)
    excess, doomed = held.bytes - limit, dict[int, None]()
    # First what was used under a clock that ran ahead: by its own word it would stay until that time comes.
    for which, given in (("WHERE used > ? ORDER BY used DESC", (now + _SLACK,)), ("ORDER BY used, number", ())):
        for number, size in raw.execute(f"SELECT number, length(body) FROM responses {which} LIMIT ?", (*given, SLICE)):  # noqa: S608  # both stand above
            if excess <= 0:
                break
            if number not in doomed:
                doomed[number] = None
                excess -= size + OVERHEAD
    _remove(raw, [(number,) for number in doomed])
    return totals(raw), len(over) + len(doomed)


def _remove(raw: sqlite3.Connection, numbers: list[tuple[int]]) -> None:
    if numbers:
        raw.executemany("DELETE FROM responses WHERE number = ?", numbers)


def _page(raw: sqlite3.Connection, numbers: tuple[int, int], before: float | None) -> list[tuple[int]]:
    """Return the first slice of those behind the one number and up to the other."""
    most = float("inf") if before is None else before
    found = "SELECT number FROM responses WHERE number > ? AND number <= ? AND stored < ? ORDER BY number LIMIT ?"
    return raw.execute(found, (*numbers, most, SLICE)).fetchall()
