from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from storage.library import ChunkRow, DocumentRow, LibraryTables, NewDocument
from storage.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "stretto.db") as store:
        yield store


@pytest.fixture
async def tables(store: Store) -> LibraryTables:
    tables = LibraryTables(store)
    await tables.ensure("default", ["/docs"])
    return tables


def document(uri: str, *texts: str, sha256: str = "x") -> NewDocument:
    row = DocumentRow(uri=uri, kind="text", title=uri, size=10, mtime_ns=1, sha256=sha256, recipe="r")
    chunks = [ChunkRow(title=f"{uri} part", text=text, line=number, line_end=number) for number, text in enumerate(texts, 1)]
    return NewDocument(row=row, chunks=chunks, embedder="static", vectors=b"\0\1\2\3" * len(texts))


async def count(store: Store, table: str) -> int:
    return await store.read(lambda db: int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


async def check_words(store: Store) -> None:
    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('integrity-check', 1)")

    await store.write(work)


async def test_passages_are_found_by_their_words_in_any_form_with_their_place(store: Store, tables: LibraryTables) -> None:
    await tables.put("default", [document("/docs/a", "the loops were starving", "nothing of it")])
    (found,) = await tables.match("default", '"starve"', 5)
    assert (found.uri, found.ordinal, found.line, found.text) == ("/docs/a", 0, 1, "the loops were starving")
    assert found.score > 0
    assert await tables.match("other", '"starve"', 5) == ()
    await check_words(store)


async def test_a_document_is_replaced_whole(store: Store, tables: LibraryTables) -> None:
    await tables.put("default", [document("/docs/a", "old one", "old two"), document("/docs/b", "kept")])
    await tables.put("default", [document("/docs/a", "new", sha256="y")])
    assert await tables.match("default", '"old"', 5) == ()
    assert len(await tables.match("default", '"new" OR "kept"', 5)) == 2
    assert [await count(store, table) for table in ("document", "chunk", "vector")] == [2, 2, 2]
    assert (await tables.known("default"))["/docs/a"].sha256 == "y"
    await check_words(store)


async def test_a_document_that_cannot_be_written_leaves_the_old_one(store: Store, tables: LibraryTables) -> None:
    await tables.put("default", [document("/docs/a", "old")])
    with pytest.raises(UnicodeEncodeError):
        await tables.put("default", [document("/docs/a", "new", "\ud800")])
    assert [row.text for row in await tables.match("default", '"old"', 5)] == ["old"]
    await check_words(store)


async def test_removing_a_place_leaves_what_another_place_holds(store: Store, tables: LibraryTables) -> None:
    await tables.ensure("default", ["/docs/keep", "/docs2"])
    await tables.put("default", [document(uri, "word") for uri in ("/docs/a", "/docs/keep/b", "/docs2/c")])
    assert await tables.forget("default", "/docs") == 1
    assert sorted(await tables.known("default")) == ["/docs/keep/b", "/docs2/c"]
    assert await tables.places("default") == ("/docs/keep", "/docs2")
    await check_words(store)


async def test_removing_a_library_leaves_nothing_of_it_and_the_others_whole(store: Store, tables: LibraryTables) -> None:
    await tables.ensure("other", ["/x"])
    await tables.put("default", [document(f"/docs/{number}", "word") for number in range(450)])
    await tables.put("other", [document("/x/a", "word")])
    assert await tables.forget("default") == 450
    assert await tables.forget("default") is None
    assert [await count(store, table) for table in ("library", "library_place", "document", "chunk", "vector")] == [1] * 5
    assert len(await tables.match("other", '"word"', 5)) == 1
    await check_words(store)


async def test_every_change_of_documents_is_counted_and_nothing_else(store: Store, tables: LibraryTables) -> None:
    async def changed() -> int:
        return await store.read(lambda db: int(db.execute("SELECT changed FROM library").fetchone()[0]))

    await tables.put("default", [document("/docs/a", "x")])
    assert await changed() == 1
    await tables.confirm("default", [DocumentRow(uri="/docs/a", kind="", title="", size=11, mtime_ns=2, sha256="", recipe="")])
    await tables.drop("default", ["/docs/none"])
    await tables.ensure("default", ["/docs"])
    assert await changed() == 1
    assert (await tables.known("default"))["/docs/a"].mtime_ns == 2
    await tables.drop("default", ["/docs/a"])
    assert await changed() == 2


async def test_libraries_are_listed_in_numbers_and_their_documents_in_pages(tables: LibraryTables) -> None:
    await tables.put("default", [document(f"/docs/{name}", "x", "y") for name in "cab"])
    (row,) = await tables.list()
    assert (row.name, row.documents, row.chunks, row.size, row.places) == ("default", 3, 6, 30, ("/docs",))
    first = await tables.documents("default", limit=2)
    second = await tables.documents("default", after=first[-1].uri, limit=2)
    assert [(found.uri, found.chunks) for found in (*first, *second)] == [("/docs/a", 2), ("/docs/b", 2), ("/docs/c", 2)]


async def test_what_is_known_of_thousands_of_documents_is_read_in_pages(tables: LibraryTables) -> None:
    await tables.put("default", [document(f"/docs/{number:05}", "x") for number in range(2500)])
    assert len(await tables.known("default")) == 2500


@pytest.mark.parametrize("expression", ['"a" OR "b"', '"NEAR"', '"chunk_words"', '"title"'])
async def test_quoted_words_are_never_operators(tables: LibraryTables, expression: str) -> None:
    assert await tables.match("default", expression, 5) == ()


async def test_passages_gone_meanwhile_are_left_out(tables: LibraryTables) -> None:
    await tables.put("default", [document("/docs/a", "x", "y")])
    rows = await tables.chunks([(2, 0.9), (77, 0.8), (1, 0.7)])
    assert [(row.id, row.score) for row in rows] == [(2, 0.9), (1, 0.7)]


async def test_writing_to_a_library_that_was_removed_meanwhile_is_an_error(tables: LibraryTables) -> None:
    await tables.forget("default")
    with pytest.raises(LookupError):
        await tables.put("default", [document("/docs/a", "x")])
