"""Votes between two models' answers, kept over sessions. What they say about the models is not decided here."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from storage.records import clean

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from storage.store import Store

_PAGE = 500


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of two models' answers to one prompt. Of a tie, the order means nothing."""

    round: str
    """Groups the votes that were cast at once, as one for the best of several answers."""
    winner: str
    loser: str
    tie: bool = False
    at: float = 0.0
    """Unix time."""


class Votes:
    """The votes in the store, in the order they were cast."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, round: str, winner: str, loser: str, tie: bool = False) -> None:  # noqa: A002  # the field's name
        """Keep one vote. Models are named as :class:`~agents.requests.ModelRef` writes itself."""
        await self.add_all([Vote(round=round, winner=winner, loser=loser, tie=tie)])

    async def add_all(self, votes: Iterable[Vote]) -> None:
        """Keep votes that were cast at once: all of them or, when it fails, none. Their time is now."""
        at = time.time()
        rows = [(at, clean(vote.round), clean(vote.winner), clean(vote.loser), int(vote.tie)) for vote in votes]

        def work(raw: sqlite3.Connection) -> None:
            raw.executemany("INSERT INTO votes (at, round, winner, loser, tie) VALUES (?, ?, ?, ?, ?)", rows)

        await self._store.write(work)

    async def all(self) -> list[Vote]:
        """Return every vote, oldest first."""
        votes: list[Vote] = []
        after = 0
        while page := await self._store.read(partial(_page, after=after)):
            after = page[-1][0]
            votes += (
                Vote(at=at, round=group, winner=winner, loser=loser, tie=bool(tie)) for _, at, group, winner, loser, tie in page
            )
        return votes

    async def reset(self) -> int:
        """Forget all votes, and return how many those were."""
        return await self._store.write(lambda raw: raw.execute("DELETE FROM votes").rowcount)


def _page(raw: sqlite3.Connection, after: int) -> list[tuple[int, float, str, str, str, int]]:
    # Another program may have put values of any kind there.
    kinds = "typeof(at) = 'real' AND typeof(round) = 'text' AND typeof(winner) = 'text' AND typeof(loser) = 'text'"
    query = f"SELECT number, at, round, winner, loser, tie FROM votes WHERE number > ? AND {kinds} ORDER BY number LIMIT ?"  # noqa: S608
    return raw.execute(query, (after, _PAGE)).fetchall()
