"""Where passages come from: the vectors and the full-text index of a library, and files on disk that are in none.

A source is anything with a name and one method, so an existing vector database or a web search can be one too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from agents.errors import InputError
from agents.events import Hit, Place
from agents.retrieval.places import absolute, is_url
from agents.retrieval.protocol import Scan, Scanned
from agents.retrieval.scan import identity
from agents.retrieval.terms import match_expression

if TYPE_CHECKING:
    from agents.retrieval.library import Library
    from storage.library import ChunkRow, Known

Tell = Callable[[str], None]
"""Says in one line what a person should know about a search."""


class Source(Protocol):
    """Something that can be searched."""

    @property
    def name(self) -> str:
        """What it is called on screen and in rankings."""
        ...

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """Return at most ``limit`` passages for ``query``, best first. Cancelling stops the search at once."""
        ...


class VectorSource:
    """The passages of a library nearest in meaning."""

    name = "vector"

    def __init__(self, library: Library, called: str, tell: Tell) -> None:
        self._library, self._called, self._tell = library, called, tell

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """See :class:`Source`."""
        found = await self._library.nearest(self._called, query, limit)
        if found.foreign:
            self._tell(f"{found.foreign:,} passages were embedded by another model and not compared: refresh the library")
        return [hit_of(row) for row in await self._library.tables.chunks(found.chunks)]


class KeywordSource:
    """The passages of a library that hold the query's words."""

    name = "keyword"

    def __init__(self, library: Library, called: str) -> None:
        self._library, self._called = library, called

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """See :class:`Source`."""
        expression = match_expression(query)
        if expression is None:
            return []
        return [hit_of(row) for row in await self._library.tables.match(self._called, expression, limit)]


class FilesSource:
    """Files on disk that a library does not hold as they are now, under given paths and where it was made from."""

    name = "files"

    def __init__(self, library: Library, called: str, paths: Sequence[str], tell: Tell, seconds: float) -> None:
        self._library, self._called, self._paths, self._tell = library, called, paths, tell
        self._seconds = seconds
        """How long the worker may read; it answers with what it has by then."""

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """See :class:`Source`."""
        places = [place for place in await self._library.tables.places(self._called) if not is_url(place)]
        named = [await asyncio.to_thread(absolute, path) for path in self._paths]
        places = list(dict.fromkeys([*named, *places]))
        if not places:
            self._tell("no paths to search")
            return []
        known = await asyncio.to_thread(_stamps, await self._library.tables.known(self._called))
        request = Scan(tuple(places), query, limit, self._seconds, self._library.cutting, known)
        found = await self._library.work.ask(request, timeout=self._seconds + 5)
        if not isinstance(found, Scanned):
            raise InputError("the search of files gave no answer")
        for problem in found.problems:
            self._tell(problem)
        if not found.complete:
            self._tell(f"stopped when its time was over: {found.read:,} files read")
        else:
            self._tell(f"{found.read:,} files read, {found.known:,} already in the library, {found.skipped:,} passed over")
        return found.hits


def _stamps(known: dict[str, Known]) -> dict[str, tuple[int, int]]:
    return {uri: (facts.size, facts.mtime_ns) for uri, facts in known.items()}


def hit_of(row: ChunkRow) -> Hit:
    """Return a passage of a library as a hit."""
    place = Place(uri=row.uri, page=row.page, line=row.line, line_end=row.line_end)
    return Hit(chunk=identity(row.uri, row.ordinal), title=row.title, place=place, text=row.text, score=row.score)
