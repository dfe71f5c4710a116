from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.attachments import AttachedFiles, digest_of
from storage.errors import StoreError
from storage.prompts import LONGEST, MOST, SentPrompts
from storage.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "stretto.db") as store:
        yield store


async def test_prompts_of_an_earlier_session_come_back_oldest_first_and_each_once(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        prompts = SentPrompts(store)
        for at, text in enumerate(["one", "two\nlines", "one", "字"]):
            await prompts.add(text, float(at))
    async with Store(tmp_path / "stretto.db") as store:
        assert await SentPrompts(store).recent() == ["two\nlines", "one", "字"]
        assert await SentPrompts(store).recent(1) == ["字"]


async def test_only_the_newest_prompts_are_kept(store: Store) -> None:
    def fill(raw: sqlite3.Connection) -> None:
        raw.executemany("INSERT INTO prompts (at, text) VALUES (0, ?)", [(f"prompt {number}",) for number in range(MOST + 5)])

    await store.write(fill)
    prompts = SentPrompts(store)
    await prompts.add("the last", 1.0)
    kept = await prompts.recent(MOST * 2)
    assert len(kept) == MOST
    assert kept[0] == "prompt 6"
    assert kept[-1] == "the last"


async def test_a_prompt_the_database_cannot_hold_is_kept_as_far_as_it_can_and_a_huge_one_is_left_out(store: Store) -> None:
    prompts = SentPrompts(store)
    await prompts.add("half \ud800 a pair", 0.0)
    await prompts.add("x" * (LONGEST + 1), 0.0)
    await prompts.add("", 0.0)
    assert await prompts.recent() == ["half ? a pair"]


async def test_the_same_bytes_are_stored_once_and_come_back_as_they_were(store: Store) -> None:
    files, data = AttachedFiles(store), bytes(range(256)) * 40
    digest = digest_of(data)
    for media in ("image/png", "text/plain"):
        await files.put(digest, media, data)
    assert await files.get(digest) == data
    assert await files.get(digest_of(b"another")) is None
    stored = await store.read(lambda raw: raw.execute("SELECT digest, media, size FROM attachments").fetchall())
    assert stored == [(digest, "image/png", len(data))]


async def test_stored_bytes_that_changed_are_not_sent_as_if_they_had_not(store: Store) -> None:
    files = AttachedFiles(store)
    digest = digest_of(b"what it was")
    await files.put(digest, "text/plain", b"what it was")
    await store.write(lambda raw: raw.execute("UPDATE attachments SET data = x'00'").rowcount)
    with pytest.raises(StoreError, match="damaged"):
        await files.get(digest)


async def test_what_another_program_put_among_the_prompts_is_left_out(store: Store) -> None:
    await store.write(lambda raw: raw.executemany("INSERT INTO prompts (at, text) VALUES (0, ?)", [(b"\xff",), ("a prompt",)]))
    assert await SentPrompts(store).recent() == ["a prompt"]


async def test_only_the_newest_prompts_that_fit_are_called_back(store: Store) -> None:
    prompts = SentPrompts(store)
    for number in range(4):
        await prompts.add(str(number) * 10, float(number))
    assert await prompts.recent(most=25) == ["2" * 10, "3" * 10]
    assert await prompts.recent(limit=1) == ["3" * 10]
