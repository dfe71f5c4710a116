from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import explain
from storage.migrations import APPLICATION_ID
from storage.store import Store, StoreError


async def filled(path: Path) -> None:
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        await store.write(lambda raw: raw.executemany("INSERT INTO t VALUES (?)", [("word " * 100,) for _ in range(500)]))


async def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        async with Store(path):
            pass
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def text_file(path: Path) -> None:
    path.write_text("these are my notes\n" * 100)


def garbage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(100))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [text_file, garbage_header, truncated])
async def test_a_file_that_is_no_sound_database_is_refused_and_left_as_it_is(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    path = tmp_path / "stretto.db"
    await filled(path)
    harm(path)
    before = path.read_bytes()
    message = await refusal(path)
    assert "left as it is" in message
    assert path.read_bytes() == before


async def test_a_damaged_page_is_told_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    await filled(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096 * 4)
        file.write(b"\xa5" * 4096 * 4)
    async with Store(path) as store:
        with pytest.raises(StoreError, match="is damaged"):
            await store.read(lambda raw: raw.execute("SELECT sum(length(x)) FROM t").fetchone())


async def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    path.touch()
    async with Store(path) as store:
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM runs").fetchone()) == (0,)


async def test_an_emptied_file_with_a_full_log_is_refused_and_the_log_kept(tmp_path: Path) -> None:
    path, log = tmp_path / "stretto.db", tmp_path / "stretto.db-wal"
    path.touch()
    log.write_bytes(b"x" * 10_000)
    assert "its log is not" in await refusal(path)
    assert log.stat().st_size == 10_000


async def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE bookmarks (url)")
    raw.commit()
    raw.close()
    before = path.read_bytes()
    assert "another program" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("PRAGMA user_version=9000"))
    before = path.read_bytes()
    message = await refusal(path)
    assert "schema 9000" in message
    assert "upgrade stretto" in message
    assert path.read_bytes() == before


async def test_a_database_that_lost_its_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA application_id={APPLICATION_ID}")
    raw.execute("PRAGMA user_version=1")
    raw.close()
    assert "its tables are gone" in await refusal(path)


async def test_a_path_that_cannot_be_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "folder.db"
    folder.mkdir()
    assert "not a regular file" in await refusal(folder)
    fifo = tmp_path / "fifo.db"
    os.mkfifo(fifo)
    assert "not a regular file" in await refusal(fifo)
    file = tmp_path / "file"
    file.touch()
    assert "STRETTO_DATA_DIR" in await refusal(file / "stretto.db")
    assert "STRETTO_DATA_DIR" in await refusal(file / "below" / "stretto.db")
    assert "STRETTO_DATA_DIR" in await refusal(tmp_path / ("x" * 300) / "stretto.db")
    assert "\\x1b" in await refusal(file / "\x1b]0;title\x07\nsecond line")


_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from storage.store import Store, StoreError
async def main():
    try:
        async with Store(Path(sys.argv[1])):
            print("opened")
    except StoreError as error:
        print(error)
import aiosqlite, storage.migrations
storage.migrations.migrations()
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
asyncio.run(main())
"""


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o555, None), (0o555, 0o444), (0o755, 0o444), (0o000, None)])
def test_a_folder_or_file_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, folder_mode: int, file_mode: int | None
) -> None:
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        if place.stat().st_uid == os.getuid():
            place.chmod(0o755)
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "stretto.db"
    if file_mode is not None:
        path.touch()
        path.chmod(file_mode)
    folder.chmod(folder_mode)
    try:
        done = subprocess.run([sys.executable, "-c", _AS_NOBODY, str(path)], capture_output=True, text=True, timeout=20, check=True)
    finally:
        folder.chmod(0o755)
    assert "STRETTO_DATA_DIR" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_errors_of_the_sql_are_not_taken_for_errors_of_the_file(tmp_path: Path) -> None:
    raw = sqlite3.connect(":memory:")
    for statement in ("SELECT * FROM nowhere", "SELEC 1", "SELECT json('{')"):
        with pytest.raises(sqlite3.OperationalError) as caught:
            raw.execute(statement).fetchall()
        assert explain(caught.value, tmp_path) is caught.value
    raw.close()
