"""Libraries on disk: documents, their chunks, full-text index and vectors, written and read through the store.

Replacing a document is one function in one transaction, so a reader sees the old one or the new one, never a mixture.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from storage.store import Store

_PAGE = 1000


class ChunkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passage and the document it belongs to."""

    id: int = 0
    uri: str = ""
    ordinal: int = 0
    title: str
    text: str
    page: int | None = None
    line: int | None = None
    line_end: int | None = None
    score: float = 0.0
    """What the search that found it says; higher is better."""


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was when it was indexed."""

    uri: str
    kind: str
    title: str
    size: int
    mtime_ns: int
    sha256: str
    recipe: str
    """How it was cut and embedded; a document indexed by another recipe is out of date."""
    chunks: int = 0


class Passage(Protocol):
    """What is written of a passage."""

    @property
    def title(self) -> str:
        """The headings it stands under."""
        ...

    @property
    def text(self) -> str:
        """The passage itself."""
        ...

    @property
    def page(self) -> int | None:
        """Its page, from 1."""
        ...

    @property
    def line(self) -> int | None:
        """Its first line, from 1."""
        ...

    @property
    def line_end(self) -> int | None:
        """Its last line."""
        ...


class NewDocument(NamedTuple):
    """A document to be written, with its passages and, row by row in float16, their vectors."""

    row: DocumentRow
    chunks: Sequence[Passage]
    embedder: str
    vectors: bytes


class LibraryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A library in numbers."""

    name: str
    documents: int
    chunks: int
    size: int
    """Bytes of its documents."""
    updated: float
    """Unix time of the last change."""
    places: tuple[str, ...]


class Known(msgspec.Struct, frozen=True):
    """What decides whether a document must be read again."""

    size: int
    mtime_ns: int
    sha256: str
    recipe: str


class LibraryTables:
    """Reads and writes of the library tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ensure(self, library: str, places: Sequence[str]) -> None:
        """Make sure that ``library`` exists and remembers ``places``."""

        def work(db: sqlite3.Connection) -> None:
            now = time.time()
            db.execute("INSERT INTO library (name, created, updated) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (library, now, now))
            number = _number(db, library)
            db.executemany("INSERT INTO library_place VALUES (?, ?) ON CONFLICT DO NOTHING", [(number, place) for place in places])

        await self._store.write(work)

    async def put(self, library: str, documents: Sequence[NewDocument]) -> None:
        """Write ``documents``, each in place of the one with its ``uri``, in one transaction."""

        def work(db: sqlite3.Connection) -> None:
            number = _number(db, library)
            for document in documents:
                _drop(db, number, [document.row.uri])
                _insert(db, number, document)
            _touch(db, number)

        await self._store.write(work)

    async def confirm(self, library: str, documents: Sequence[DocumentRow]) -> None:
        """Note new times of documents whose content is what it was."""

        def work(db: sqlite3.Connection) -> None:
            number = _number(db, library)
            values = [(row.mtime_ns, row.size, number, row.uri) for row in documents]
            db.executemany("UPDATE document SET mtime_ns = ?, size = ? WHERE library = ? AND uri = ?", values)

        await self._store.write(work)

    async def drop(self, library: str, uris: Sequence[str]) -> int:
        """Remove documents; returns how many there were."""

        def work(db: sqlite3.Connection) -> int:
            number = _number(db, library)
            dropped = _drop(db, number, uris)
            if dropped:
                _touch(db, number)
            return dropped

        return await self._store.write(work)

    async def forget(self, library: str, place: str | None = None) -> int | None:
        """Remove a library, or ``place`` and what is under it; returns how many documents went, ``None`` without such a library."""
        if not await self.exists(library):
            return None
        known = await self.known(library)
        if place is None:
            uris = list(known)
        else:
            # What another place holds stays; a place around this one does not keep what a person wants gone.
            keep = [held for held in await self.places(library) if not _under(place, held)]
            uris = [uri for uri in known if _under(uri, place) and not any(_under(uri, held) for held in keep)]
        dropped = 0
        for start in range(0, len(uris), 200):
            dropped += await self.drop(library, uris[start : start + 200])

        def work(db: sqlite3.Connection) -> None:
            number = _number(db, library)
            if place is None:
                db.execute("DELETE FROM library_place WHERE library = ?", (number,))
                db.execute("DELETE FROM library WHERE id = ?", (number,))
            else:
                db.execute("DELETE FROM library_place WHERE library = ? AND place = ?", (number, place))

        await self._store.write(work)
        return dropped

    async def exists(self, library: str) -> bool:
        """Tell whether there is a library of this name."""
        return await self._store.read(
            lambda db: db.execute("SELECT 1 FROM library WHERE name = ?", (library,)).fetchone() is not None
        )

    async def places(self, library: str) -> tuple[str, ...]:
        """Return what the library was made from."""
        statement = "SELECT place FROM library_place JOIN library ON id = library WHERE name = ? ORDER BY place"
        rows = await self._store.read(lambda db: db.execute(statement, (library,)).fetchall())
        return tuple(place for (place,) in rows)

    async def list(self) -> tuple[LibraryRow, ...]:
        """Return all libraries by name."""

        def work(db: sqlite3.Connection) -> list[LibraryRow]:
            statement = (
                "SELECT name, updated, (SELECT count(*) FROM document WHERE library = library.id),"
                " (SELECT coalesce(sum(size), 0) FROM document WHERE library = library.id),"
                " (SELECT count(*) FROM chunk JOIN document ON document.id = chunk.document WHERE library = library.id), id"
                " FROM library ORDER BY name"
            )
            found: list[LibraryRow] = []
            for name, updated, documents, size, chunks, number in db.execute(statement).fetchall():
                places = db.execute("SELECT place FROM library_place WHERE library = ? ORDER BY place", (number,)).fetchall()
                found.append(
                    LibraryRow(
                        name=name,
                        documents=documents,
                        chunks=chunks,
                        size=size,
                        updated=updated,
                        places=tuple(p for (p,) in places),
                    )
                )
            return found

        return tuple(await self._store.read(work))

    async def documents(self, library: str, *, after: str = "", limit: int = 200) -> tuple[DocumentRow, ...]:
        """Return a page of a library's documents by ``uri``, those that follow ``after``."""

        def work(db: sqlite3.Connection) -> list[DocumentRow]:
            statement = (
                "SELECT uri, kind, title, size, mtime_ns, sha256, recipe, (SELECT count(*) FROM chunk WHERE document = document.id)"
                " FROM document WHERE library = (SELECT id FROM library WHERE name = ?) AND uri > ? ORDER BY uri LIMIT ?"
            )
            return [
                DocumentRow(uri=uri, kind=kind, title=title, size=size, mtime_ns=mtime, sha256=sha, recipe=recipe, chunks=chunks)
                for uri, kind, title, size, mtime, sha, recipe, chunks in db.execute(statement, (library, after, limit))
            ]

        return tuple(await self._store.read(work))

    async def known(self, library: str) -> dict[str, Known]:
        """Return what is known of every document of a library, by ``uri``."""
        found: dict[str, Known] = {}
        statement = (
            "SELECT uri, size, mtime_ns, sha256, recipe FROM document"
            " WHERE library = (SELECT id FROM library WHERE name = ?) AND uri > ? ORDER BY uri LIMIT ?"
        )
        after = ""
        while True:
            values = (library, after, _PAGE)
            rows = await self._store.read(partial(_rows, statement, values))
            for uri, *facts in rows:
                found[uri] = Known(*facts)
            if len(rows) < _PAGE:
                return found
            after = rows[-1][0]

    async def chunks(self, scores: Sequence[tuple[int, float]]) -> tuple[ChunkRow, ...]:
        """Return the passages with these identities and scores, in the order given; those gone meanwhile are left out."""

        def work(db: sqlite3.Connection) -> list[ChunkRow]:
            found = ((db.execute(_CHUNK, (chunk,)).fetchone(), score) for chunk, score in scores)
            return [_chunk((*row, score)) for row, score in found if row is not None]

        return tuple(await self._store.read(work))

    async def match(self, library: str, expression: str, limit: int) -> tuple[ChunkRow, ...]:
        """Return the passages that match an FTS5 ``expression``, best first by BM25 with headings counted double."""
        rows = await self._store.read(lambda db: db.execute(_MATCH, (expression, library, limit)).fetchall())
        return tuple(_chunk(row) for row in rows)


_COLUMNS = "chunk.id, document.uri, chunk.ordinal, chunk.title, chunk.text, chunk.page, chunk.line, chunk.line_end"

_CHUNK = f"SELECT {_COLUMNS} FROM chunk JOIN document ON document.id = chunk.document WHERE chunk.id = ?"  # noqa: S608  # constants

# The inner query ranks without touching the texts; only those of the best are read.
_MATCH = f"""
    SELECT {_COLUMNS}, best.score FROM (
        SELECT chunk.id AS number, -bm25(chunk_words, 2.0, 1.0) AS score
        FROM chunk_words JOIN chunk ON chunk.id = chunk_words.rowid JOIN document ON document.id = chunk.document
        WHERE chunk_words MATCH ? AND document.library = (SELECT id FROM library WHERE name = ?)
        ORDER BY score DESC LIMIT ?
    ) AS best JOIN chunk ON chunk.id = best.number JOIN document ON document.id = chunk.document ORDER BY best.score DESC
"""  # noqa: S608  # constants


def _chunk(row: Sequence[Any]) -> ChunkRow:
    number, uri, ordinal, title, text, page, line, line_end, score = row
    return ChunkRow(
        id=number, uri=uri, ordinal=ordinal, title=title, text=text, page=page, line=line, line_end=line_end, score=score
    )


def _number(db: sqlite3.Connection, library: str) -> int:
    found = db.execute("SELECT id FROM library WHERE name = ?", (library,)).fetchone()
    if found is None:
        raise LookupError(f"there is no library {library!r}")
    number: int = found[0]
    return number


def _touch(db: sqlite3.Connection, number: int) -> None:
    db.execute("UPDATE library SET changed = changed + 1, updated = ? WHERE id = ?", (time.time(), number))


def _drop(db: sqlite3.Connection, library: int, uris: Iterable[str]) -> int:
    dropped = 0
    for uri in uris:
        found = db.execute("SELECT id FROM document WHERE library = ? AND uri = ?", (library, uri)).fetchone()
        if found is None:
            continue
        db.execute(
            "INSERT INTO chunk_words (chunk_words, rowid, title, text)"
            " SELECT 'delete', id, title, text FROM chunk WHERE document = ?",
            found,
        )
        db.execute("DELETE FROM vector WHERE chunk IN (SELECT id FROM chunk WHERE document = ?)", found)
        db.execute("DELETE FROM chunk WHERE document = ?", found)
        db.execute("DELETE FROM document WHERE id = ?", found)
        dropped += 1
    return dropped


def _insert(db: sqlite3.Connection, library: int, document: NewDocument) -> None:
    row = document.row
    number = db.execute(
        "INSERT INTO document (library, uri, kind, title, size, mtime_ns, sha256, recipe, indexed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (library, row.uri, row.kind, row.title, row.size, row.mtime_ns, row.sha256, row.recipe, time.time()),
    ).lastrowid
    width = len(document.vectors) // max(len(document.chunks), 1)
    for ordinal, chunk in enumerate(document.chunks):
        identity = db.execute(
            "INSERT INTO chunk (document, ordinal, title, page, line, line_end, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, ordinal, chunk.title, chunk.page, chunk.line, chunk.line_end, chunk.text),
        ).lastrowid
        db.execute("INSERT INTO chunk_words (rowid, title, text) VALUES (?, ?, ?)", (identity, chunk.title, chunk.text))
        if width:
            data = document.vectors[ordinal * width : (ordinal + 1) * width]
            db.execute("INSERT INTO vector VALUES (?, ?, ?, ?, ?)", (identity, library, document.embedder, width // 2, data))


def _under(uri: str, place: str) -> bool:
    return uri == place or uri.startswith(place.rstrip("/") + "/")


def _rows(statement: str, values: Sequence[object], db: sqlite3.Connection) -> list[Any]:
    return db.execute(statement, values).fetchall()
