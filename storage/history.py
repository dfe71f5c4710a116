"""What was run before: listed, found by the start of its identity, searched, and read back for replay."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from storage.orphans import conclude, dead_owners
from storage.records import EventRow, RunRow, SearchHit, StepRow, clean, rows
from storage.store import StoreError

if TYPE_CHECKING:
    import sqlite3

    from storage.store import Store

# RunHistory.list would shadow the type inside the class.
_Runs: TypeAlias = list[RunRow]
_Steps: TypeAlias = list[StepRow]
_Events: TypeAlias = list[EventRow]
_Hits: TypeAlias = list[SearchHit]

_LAST = chr(0x10FFFF)

_SEARCH = """
    SELECT run, step, title, name, started, snippet FROM (
        SELECT runs.id AS run, NULL AS step, runs.title AS title, '' AS name, runs.started AS started,
            snippet(runs_text, 0, '', '', '…', 24) AS snippet, runs_text.rank AS score
        FROM runs_text JOIN runs ON runs.number = runs_text.rowid WHERE runs_text MATCH :query
        UNION ALL
        SELECT steps.run, steps.id, coalesce(runs.title, ''), steps.name, coalesce(runs.started, 0.0),
            snippet(steps_text, 0, '', '', '…', 24), steps_text.rank
        FROM steps_text JOIN steps ON steps.number = steps_text.rowid LEFT JOIN runs ON runs.id = steps.run
        WHERE steps_text MATCH :query
    )
    ORDER BY score, started DESC LIMIT :limit
"""


def ended_as(run: RunRow) -> str | None:
    """Return how ``run`` ended, in a word for a person, or ``None`` while it runs: nobody cancelled a run whose process died."""
    died = run.outcome == "cancelled" and (run.error or "").startswith("interrupted:")
    return "interrupted" if died else run.outcome


class RunHistory:
    """Reads the journal. Runs whose process died are ended here, as cancelled, the first time anyone looks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, limit: int = 50, before: str | None = None) -> _Runs:
        """Return runs, newest first; ``before`` is the identity of the last one of the page before."""
        await self.settle()
        return await self._store.read(
            lambda raw: rows(
                raw.execute("SELECT * FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?", (clean(before or _LAST), limit)), RunRow
            )
        )

    async def find(self, prefix: str) -> RunRow | None:
        """Return the run whose identity starts with ``prefix``. More than one such run is a :class:`StoreError`."""
        await self.settle()
        start = clean(prefix).lower()

        def work(raw: sqlite3.Connection) -> _Runs:
            return rows(
                raw.execute("SELECT * FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 2", (start, start + _LAST)), RunRow
            )

        found = await self._store.read(work) if start else []
        if len(found) > 1 and found[0].id != start:
            raise StoreError(f"more than one run starts with {start!r}; give more of its identity")
        return found[0] if found else None

    async def steps(self, run: str) -> _Steps:
        """Return the steps of ``run`` in the order they were queued."""
        return await self._store.read(
            lambda raw: rows(raw.execute("SELECT * FROM steps WHERE run = ? ORDER BY seq", (clean(run),)), StepRow)
        )

    async def events(self, run: str, after_seq: int = 0, limit: int = 500) -> _Events:
        """Return a page of the events of ``run`` in order, whole; ``after_seq`` is the last number of the page before."""
        page = (clean(run), after_seq, limit)

        def work(raw: sqlite3.Connection) -> _Events:
            found = rows(raw.execute("SELECT * FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?", page), EventRow)
            return [_whole(raw, event) if event.kind == "run_started" else event for event in found]

        return await self._store.read(work)

    async def search(self, text: str, limit: int = 50) -> _Hits:
        """Return the prompts and answers that hold every word of ``text``, best first; the last word may be a beginning."""
        await self.settle()
        query = _words(text)
        if not query:
            return []
        return await self._store.read(lambda raw: rows(raw.execute(_SEARCH, {"query": query, "limit": limit}), SearchHit))

    async def settle(self) -> int:
        """End the runs that dead processes left open, as far as the disk allows, and return how many those were."""
        owner = self._store.owner
        dead = await self._store.read(lambda raw: dead_owners(raw, owner))
        if dead:
            with suppress(StoreError):
                return await self._store.write(lambda raw: conclude(raw, dead))
        return 0


def _whole(raw: sqlite3.Connection, event: EventRow) -> EventRow:
    """Return a run's first event with the request in it, which only the run's row keeps."""
    body = msgspec.json.decode(event.body, type=dict[str, Any])
    kept = raw.execute("SELECT request FROM runs WHERE id = ?", (event.run,)).fetchone()
    if kept is None or body.get("request"):
        return event
    return msgspec.structs.replace(event, body=msgspec.json.encode({**body, "request": kept[0]}).decode())


def _words(text: str) -> str:
    """Return an FTS5 query for all words of ``text``. In quotes, nothing of a word is an operator."""
    words = [word.replace('"', '""') for word in clean(text).replace("\0", " ").split() if any(map(str.isalnum, word))]
    return " ".join(f'"{word}"' for word in words) + "*" if words else ""
