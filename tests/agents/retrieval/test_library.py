from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agents.errors import InputError
from agents.requests import Index
from agents.retrieval.indexing import _passed_over
from agents.retrieval.walk import Skipped
from agents.settings import LibrarySettings
from tests.agents.retrieval.stage import make_pdf, stage

if TYPE_CHECKING:
    from pathlib import Path

    from agents.retrieval.library import Library


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "loop.md").write_text("# Loop\n\nThe event loop never starves.\n")
    (docs / "cats.txt").write_text("Cats sleep most of the day on warm sofas.\n")
    (docs / "paper.pdf").write_bytes(make_pdf(["An introduction", "Penguins swim in cold water"]))
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (docs / "image.png").write_bytes(b"\x89PNG\0")
    return docs


async def uris(library: Library) -> list[str]:
    return [row.uri for row in await library.documents("default")]


async def test_a_folder_is_indexed_in_one_step_that_says_how_far_it_is_and_names_what_it_passed_over(
    tmp_path: Path, docs: Path
) -> None:
    async with stage(tmp_path) as it:
        told = await it.run(Index(places=(str(docs),)))
        assert told.ended.outcome == "done"
        assert told.outcomes == {"index default": "done"}
        assert await uris(it.library) == [str(docs / name) for name in ("cats.txt", "loop.md", "paper.pdf")]
        assert any("3/3 documents" in line for line in told.logs) or any(
            line.startswith("indexed 3 documents, 4 passages") for line in told.logs
        )
        assert f"passed over 1, binary: {docs / 'image.png'}" in told.logs
        assert any(str(docs / "broken.pdf") in line and "PDF" in line for line in told.logs)
        (row,) = await it.library.list()
        assert (row.documents, row.chunks, row.places) == (3, 4, (str(docs),))


async def test_indexing_again_reads_only_what_changed_and_forgets_what_is_gone(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        await it.run(Index(places=(str(docs),)))
        again = await it.run(Index(places=(str(docs),)))
        assert any("indexed 0 documents" in line and "3 unchanged" in line for line in again.logs)
        (docs / "cats.txt").write_text("Dogs bark at night.\n")
        (docs / "loop.md").unlink()
        os.utime(docs / "paper.pdf", ns=(1, 1))
        third = await it.run(Index(places=()))
        assert any("indexed 1 document," in line and "1 unchanged, 1 removed" in line for line in third.logs)
        assert await uris(it.library) == [str(docs / name) for name in ("cats.txt", "paper.pdf")]
        assert (await it.library.documents("default"))[1].mtime_ns == 1
        assert await it.library.tables.match("default", '"sofas"', 5) == ()


async def test_vectors_find_by_meaning_and_follow_changes(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        await it.run(Index(places=(str(docs),)))
        found = await it.library.nearest("default", "kittens napping on a couch", 3)
        (best, *_) = await it.library.tables.chunks(found.chunks)
        assert best.uri == str(docs / "cats.txt")
        await it.library.remove("default", str(docs / "cats.txt"))
        found = await it.library.nearest("default", "kittens napping on a couch", 3)
        assert str(docs / "cats.txt") not in {row.uri for row in await it.library.tables.chunks(found.chunks)}
        assert (await it.library.nearest("none", "x", 3)).chunks == []


async def test_a_page_of_a_url_is_a_document_of_the_library(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        url = f"{it.server.url}/pages/guide"
        told = await it.run(Index(places=(url,)))
        assert told.outcomes == {"index default": "done", f"fetch {url}": "done"}
        assert await uris(it.library) == [url]
        again = await it.run(Index(places=()))
        assert any("indexed 0 documents" in line and "1 unchanged" in line for line in again.logs)


async def test_an_endpoint_can_make_the_vectors(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path, library=LibrarySettings(embeddings="lab/embedder")) as it:
        told = await it.run(Index(places=(str(docs),)))
        assert told.ended.outcome == "done"
        assert it.server.counts.by_path["/v1/embeddings"] >= 1
        text = "cats.txt\nCats sleep most of the day on warm sofas."
        found = await it.library.nearest("default", text, 1)
        assert (await it.library.tables.chunks(found.chunks))[0].uri == str(docs / "cats.txt")
        assert found.chunks[0][1] == pytest.approx(1.0, abs=0.01)


async def test_vectors_of_another_embedder_are_not_compared_until_a_refresh(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        await it.run(Index(places=(str(docs),)))
    async with stage(tmp_path, library=LibrarySettings(embeddings="lab/embedder")) as it:
        found = await it.library.nearest("default", "cats", 3)
        assert (found.chunks, found.foreign) == ([], 4)
        told = await it.run(Index(places=()))
        assert any("indexed 3 documents" in line for line in told.logs)
        assert (await it.library.nearest("default", "cats", 3)).foreign == 0


async def test_an_endpoint_that_does_not_embed_ends_the_run_with_its_words(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path, library=LibrarySettings(embeddings="nowhere/embedder")) as it:
        told = await it.run(Index(places=(str(docs),)))
        assert told.ended.outcome == "failed"
        assert told.ended.error is not None
        assert "nowhere" in told.ended.error
        assert "ExceptionGroup" not in told.ended.error


@pytest.mark.parametrize("places", [("/proc/self",), ("{tmp}/none",), ("{tmp}/none", "/dev/zero"), ("http://127.0.0.1:1/x",)])
async def test_places_none_of_which_can_be_used_fail_in_one_line(tmp_path: Path, places: tuple[str, ...]) -> None:
    async with stage(tmp_path) as it:
        told = await it.run(Index(places=tuple(place.replace("{tmp}", str(tmp_path)) for place in places)))
        assert told.ended.outcome == "failed"
        assert told.ended.error is not None
        assert told.ended.error.startswith("nothing was indexed: ")
        assert await it.library.tables.places("default") == ()


async def test_one_bad_place_among_good_ones_is_named_and_not_remembered(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        told = await it.run(Index(places=(str(docs), str(tmp_path / "none"))))
        assert told.ended.outcome == "done"
        assert any("does not exist" in line for line in told.logs)
        assert await it.library.tables.places("default") == (str(docs),)


async def test_a_folder_that_is_gone_keeps_its_documents(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        await it.run(Index(places=(str(docs),)))
        docs.rename(tmp_path / "elsewhere")  # noqa: ASYNC240
        await it.run(Index(places=()))
        assert len(await uris(it.library)) == 3


async def test_a_cancelled_indexing_keeps_what_it_wrote_and_can_be_taken_up_again(tmp_path: Path) -> None:
    docs = tmp_path / "many"
    docs.mkdir()
    for number in range(600):
        (docs / f"{number}.txt").write_text(f"document {number} " * 60)
    async with stage(tmp_path) as it:
        with it.engine.subscribe() as reader:
            run = it.engine.submit(Index(places=(str(docs),)))
            while not await uris(it.library):
                await reader.wait()
                reader.drain()
            run.cancel()
            assert (await run.wait()).outcome == "cancelled"
        held = len((await it.library.list()) and await it.library.documents("default", limit=1000))
        assert held > 0
        told = await it.run(Index(places=(str(docs),)))
        assert any(f"indexed {600 - held:,} documents" in line or "indexed" in line for line in told.logs)
        assert len(await it.library.documents("default", limit=1000)) == 600


async def test_removing_what_is_not_there_says_what_to_do(tmp_path: Path, docs: Path) -> None:
    async with stage(tmp_path) as it:
        with pytest.raises(InputError, match="no library 'default'"):
            await it.library.remove("default")
        await it.run(Index(places=(str(docs),)))
        with pytest.raises(InputError, match="nothing from"):
            await it.library.remove("default", str(tmp_path / "other"))
        assert await it.library.remove("default") == 3
        assert await it.library.list() == ()


async def test_hostile_names_and_texts_are_only_data(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    name = "a'); DROP TABLE document;--\x1b[31m[b]\n.md"
    (docs / name).write_text("# \x1b]0;title\x07\n\n'; DELETE FROM chunk; -- [@click=app.quit]x[/]\n")
    async with stage(tmp_path) as it:
        told = await it.run(Index(places=(str(docs),)))
        assert told.ended.outcome == "done"
        assert await uris(it.library) == [str(docs / name)]
        assert len(await it.library.tables.match("default", '"delete"', 5)) == 1


def test_what_is_passed_over_is_counted_where_that_is_no_surprise_and_else_named() -> None:
    skipped = [Skipped(f"h{number}", "a hidden file") for number in range(7)] + [Skipped("b", "binary")]
    skipped += [Skipped(f"x{number}", "not readable") for number in range(102)]
    lines = _passed_over(skipped)
    assert lines[:3] == [
        ("passed over 7, a hidden file: h0, h1, h2, h3, h4 and 2 more", "info"),
        ("passed over 1, binary: b", "info"),
        ("passed over x0: not readable", "warning"),
    ]
    assert (len(lines), lines[-1]) == (103, ("… and 2 more", "warning"))
