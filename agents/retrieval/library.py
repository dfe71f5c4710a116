"""Libraries of documents: adding, refreshing, listing and removing them, and the searches that sources are made of.

Everything that takes CPU time happens in worker processes; everything on disk goes through the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from agents.errors import InputError
from agents.requests import Index
from agents.retrieval.indexing import Indexing
from agents.retrieval.pool import WorkerPool
from agents.retrieval.protocol import Cutting, Nearest, Neighbours, Prepare
from agents.retrieval.sources import FilesSource, KeywordSource, Source, Tell, VectorSource
from agents.retrieval.static_vectors import NAME as STATIC
from storage.library import LibraryTables

if TYPE_CHECKING:
    from types import TracebackType

    from agents.models.service import Models
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.settings import Settings
    from storage.library import DocumentRow, LibraryRow
    from storage.store import Store

SOURCES = ("vector", "keyword", "files")
_RECIPE = 1
"""Counted up when documents are parsed or cut differently, so that those indexed before are read again."""


class Library:
    """All libraries of one store. An async context manager: leaving it ends its worker processes."""

    def __init__(self, store: Store, settings: Settings, models: Models) -> None:
        self.settings = settings
        self.models = models
        self.tables = LibraryTables(store)
        self.work = WorkerPool(3)
        """For what a person waits for: files searched, pages and documents read for research."""
        self.background = WorkerPool(2, patience=0)
        """For indexing, so that a question never waits behind it."""
        self._vectors = WorkerPool(1)
        self._database = store.path
        self.embedding_model: ModelRef | None = None
        if settings.library.embeddings != STATIC:
            from agents.models.names import parse_model

            self.embedding_model = parse_model(settings.library.embeddings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pool in (self._vectors, self.work, self.background):
            await pool.close()

    async def warm(self) -> None:
        """Make the first question as quick as those after it: start the worker of the vector search."""
        await self._vectors.call(Prepare(), lambda reply: None)

    @property
    def embedder(self) -> str:
        """What makes the vectors: ``static`` or ``endpoint/model``."""
        return STATIC if self.embedding_model is None else self.embedding_model.name

    @property
    def cutting(self) -> Cutting:
        """How documents are cut; the worker embeds unless an endpoint does."""
        shape = self.settings.library
        return Cutting(size=shape.chunk_chars, overlap=shape.overlap_chars, embed=self.embedding_model is None)

    @property
    def recipe(self) -> str:
        """What a document's index depends on besides its content."""
        return f"{_RECIPE} {self.embedder} {self.cutting.size} {self.cutting.overlap}"

    async def index(self, run: Run) -> None:
        """Handle :class:`~agents.requests.Index`: add or refresh places; none means everything the library was made from."""
        request = run.request
        assert isinstance(request, Index)  # noqa: S101  # the engine routes by type
        await Indexing(self, run, request.library, request.places).execute()

    async def list(self) -> tuple[LibraryRow, ...]:
        """Return all libraries by name, in numbers."""
        return await self.tables.list()

    async def documents(self, name: str, *, after: str = "", limit: int = 200) -> tuple[DocumentRow, ...]:
        """Return a page of a library's documents, those whose ``uri`` follows ``after``."""
        return await self.tables.documents(name, after=after, limit=limit)

    async def remove(self, name: str, place: str | None = None) -> int:
        """Remove a library, or a place and what is under it from one; returns how many documents went.

        Raises :class:`InputError` when there is no such library or place.
        """
        from agents.retrieval.places import absolute

        target = None if place is None else absolute(place)
        dropped = await self.tables.forget(name, target)
        if dropped is None:
            raise InputError(f"there is no library {name!r}: `stretto library list` names those there are")
        if dropped == 0 and target is not None:
            raise InputError(f"library {name!r} has nothing from {target!r}: `stretto library list` says what it was made from")
        return dropped

    def source(self, which: str, name: str, paths: Sequence[str], tell: Tell, seconds: float) -> Source:
        """Return a source over library ``name`` (and, for files, ``paths``) that should answer within ``seconds``."""
        if which == "vector":
            return VectorSource(self, name, tell)
        if which == "keyword":
            return KeywordSource(self, name)
        if which == "files":
            # A little less than the limit: an answer with part of the files is worth more than none.
            return FilesSource(self, name, paths, tell, max(seconds * 0.8 - 0.2, 0.1))
        raise InputError(f"there is no source {which!r}: use {', '.join(SOURCES)}")

    async def nearest(self, name: str, query: str, limit: int) -> Neighbours:
        """Return the passages of library ``name`` nearest to ``query`` in meaning."""
        vector: list[float] | None = None
        if self.embedding_model is not None:
            vector = (await self.models.embed(self.embedding_model, [query]))[0]
        request = Nearest(str(self._database), name, self.embedder, limit, query, vector)
        found = await self._vectors.ask(request)
        if not isinstance(found, Neighbours):
            raise InputError("the vector search gave no answer")
        return found
