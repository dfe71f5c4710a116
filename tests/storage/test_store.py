from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.migrations import APPLICATION_ID, migrations
from storage.store import Store, StoreError
from storage.writer import GROUP_ITEMS

_SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def insert(x: object) -> Callable[[sqlite3.Connection], int]:
    return lambda raw: raw.execute("INSERT INTO t VALUES (?)", (x,)).rowcount


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


async def test_folder_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "above" / "data" / "stretto.db"
    before = os.umask(0)
    try:
        async with Store(path) as store:
            await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
            await store.read(lambda raw: raw.execute("SELECT * FROM t").fetchall())
            modes = {name: mode(path.with_name(name)) for name in names(path.parent)}
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert mode(path.parent.parent) == 0o700
    assert {"stretto.db", "stretto.db-wal", "stretto.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_a_file_others_could_read_is_taken_from_them_and_a_folder_of_the_persons_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path):
        pass
    os.chmod(path, 0o644)  # noqa: PTH101
    os.chmod(tmp_path, 0o755)  # noqa: PTH101
    async with Store(path):
        assert mode(path) == 0o600
    assert mode(tmp_path) == 0o755


async def test_the_header_carries_the_application_and_the_schema_version(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        found = await store.read(
            lambda raw: [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version", "journal_mode")]
        )
    assert found == [APPLICATION_ID, migrations()[-1].number, "wal"]


async def test_leaving_ends_every_thread_and_leaves_one_file(tmp_path: Path) -> None:
    before = threads()
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(store.read(lambda raw: raw.execute("SELECT * FROM t").fetchall()))
        assert len(threads() - before) == 3
        assert all(thread.daemon for thread in threads() - before)
    assert threads() == before
    assert names(tmp_path) == ["stretto.db"]


async def test_what_waits_when_the_store_is_left_is_still_written(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with asyncio.TaskGroup() as group, Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        waiting = [group.create_task(store.write(insert(x))) for x in range(700)]
        await asyncio.sleep(0)
    assert [task.result() for task in waiting] == [1] * 700
    async with Store(path) as store:
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM t").fetchone()) == (700,)


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        pass
    with pytest.raises(StoreError, match="is closed"):
        await store.write(lambda _: None)
    with pytest.raises(StoreError, match="is closed"):
        await store.read(lambda _: None)


async def test_writes_that_come_together_share_a_commit(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        before = store.commits
        async with asyncio.TaskGroup() as group:
            for x in range(GROUP_ITEMS * 2):
                group.create_task(store.write(insert(x)))
        assert store.commits - before == 2


async def test_a_hundred_producers_lose_nothing_and_need_few_commits(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (producer, number)"))
        before = store.commits

        async def produce(producer: int) -> None:
            for number in range(30):
                await store.write(lambda raw: raw.execute("INSERT INTO t VALUES (?, ?)", (producer, number)))  # noqa: B023

        async with asyncio.TaskGroup() as group:
            for producer in range(100):
                group.create_task(produce(producer))
        distinct = await store.read(lambda raw: raw.execute("SELECT count(DISTINCT producer * 1000 + number) FROM t").fetchone())
        assert distinct == (3000,)
        assert store.commits - before <= 60
        assert store.waiting == 0


async def test_a_write_is_answered_only_after_its_commit(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        other = sqlite3.connect(path)
        for x in range(20):
            await store.write(insert(x), durable=x % 2 == 0)
            assert other.execute("SELECT max(x) FROM t").fetchone() == (x,)
        other.close()


async def test_a_bad_item_fails_alone_and_leaves_no_trace(tmp_path: Path) -> None:
    def twice(raw: sqlite3.Connection) -> None:
        raw.execute("INSERT INTO t VALUES ('half')")
        raw.execute("INSERT INTO t VALUES ('taken')")

    async with Store(tmp_path / "stretto.db") as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x UNIQUE)"))
        await store.write(lambda raw: raw.execute("INSERT INTO t VALUES ('taken')"))
        before = store.commits
        works = [
            lambda raw: raw.execute("INSERT INTO t VALUES ('first')"),
            twice,
            lambda raw: raw.execute("INSERT INTO t VALUES (?)", ("\ud83d",)),
            lambda raw: raw.execute("INSERT INTO t VALUES (?)", (2**70,)),
            lambda raw: raw.execute("INSERT INTO nowhere VALUES (1)"),
            lambda raw: raw.execute("INSERT INTO t VALUES ('last')"),
        ]
        results: dict[int, str] = {}

        async def attempt(number: int) -> None:
            try:
                await store.write(works[number])
            except (sqlite3.Error, ValueError, OverflowError) as error:
                results[number] = type(error).__name__

        async with asyncio.TaskGroup() as group:
            for number in range(len(works)):
                group.create_task(attempt(number))
        rows = await store.read(lambda raw: raw.execute("SELECT x FROM t ORDER BY rowid").fetchall())
        assert store.commits - before == 1
    assert results == {1: "IntegrityError", 2: "UnicodeEncodeError", 3: "OverflowError", 4: "OperationalError"}
    assert rows == [("taken",), ("first",), ("last",)]


async def test_a_full_disk_fails_the_group_says_what_to_do_and_heals(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        (pages,) = await store.read(lambda raw: raw.execute("PRAGMA page_count").fetchone())
        await store.write(lambda raw: raw.execute(f"PRAGMA max_page_count={pages + 4}").fetchone())
        small = store.write(lambda raw: raw.execute("INSERT INTO t VALUES ('small')"))
        large = store.write(lambda raw: raw.execute("INSERT INTO t VALUES (?)", ("x" * 1_000_000,)))
        results = []
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_outcome(write)) for write in (small, large)]
        results = [task.result() for task in tasks]
        assert all("disk is full" in result and "\n" not in result for result in results), results
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM t").fetchone()) == (0,)
        await store.write(lambda raw: raw.execute("PRAGMA max_page_count=1000000").fetchone())
        await store.write(lambda raw: raw.execute("INSERT INTO t VALUES (?)", ("x" * 1_000_000,)))
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM t").fetchone()) == (1,)
        assert await store.read(lambda raw: raw.execute("PRAGMA integrity_check").fetchone()) == ("ok",)


_OPENED_ON_A_FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from storage.errors import StoreError
from storage.store import Store

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480))
    try:
        async with Store(Path(sys.argv[1])):
            pass
    except StoreError as error:
        print(error)

asyncio.run(main())
"""


async def test_a_database_that_a_full_disk_does_not_let_open_says_so_in_one_line(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db"):
        pass
    child = [sys.executable, "-c", _OPENED_ON_A_FULL_DISK, str(tmp_path / "stretto.db")]
    said = await asyncio.to_thread(subprocess.run, child, capture_output=True, text=True, check=True)
    assert "check the disk" in said.stdout
    assert said.stdout.count("\n") == 1


async def _outcome(write: object) -> str:
    try:
        await write  # type: ignore[misc]
    except StoreError as error:
        return str(error)
    return "written"


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        with pytest.raises(StoreError, match="cannot be written"):
            await store.read(lambda raw: raw.execute("CREATE TABLE t (x)"))


async def test_cancelling_a_read_interrupts_its_query(tmp_path: Path) -> None:
    ended: list[str] = []

    def slow(raw: sqlite3.Connection) -> None:
        try:
            raw.execute(_SLOW).fetchone()
        except sqlite3.OperationalError as error:
            ended.append(str(error))
            # Further statements of a cancelled read are stopped as well.
            raw.execute(_SLOW).fetchone()

    async with Store(tmp_path / "stretto.db") as store:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await store.read(slow)
        assert await store.read(lambda raw: raw.execute("SELECT 1").fetchone()) == (1,)
        assert await store.read(lambda raw: raw.execute("SELECT 1").fetchone()) == (1,)
    assert ended == ["interrupted"] * 3


async def test_leaving_interrupts_reads_and_tells_them(tmp_path: Path) -> None:
    before = threads()
    running = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(raw: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(running.set)
        raw.execute(_SLOW).fetchone()

    async with asyncio.TaskGroup() as group, Store(tmp_path / "stretto.db") as store:
        reads = [group.create_task(_outcome(store.read(slow))) for _ in range(4)]
        await running.wait()
    assert all("is closed" in read.result() for read in reads)
    assert threads() == before


async def test_a_cancelled_write_leaves_nothing_open(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
        for pause in (0, 0.002, 0.006):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(store.write(insert(x))) for x in range(100)]
                await asyncio.sleep(pause)
                for task in tasks:
                    task.cancel()
        await store.write(lambda raw: raw.execute("INSERT INTO t VALUES ('after')"))
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM t WHERE x = 'after'").fetchone()) == (1,)


async def test_cancelling_the_opening_at_any_await_leaves_no_thread(tmp_path: Path) -> None:
    before = threads()

    async def use(path: Path) -> None:
        async with Store(path):
            await asyncio.Event().wait()

    for steps in range(8):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(use(tmp_path / f"{steps}.db"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        assert threads() == before


async def test_an_error_in_the_body_passes_through_and_the_store_is_closed(tmp_path: Path) -> None:
    before = threads()
    with pytest.raises(ZeroDivisionError):
        async with Store(tmp_path / "stretto.db"):
            _ = 1 // 0
    assert threads() == before


async def test_it_may_be_left_in_another_task_than_it_was_entered_in(tmp_path: Path) -> None:
    store = Store(tmp_path / "stretto.db")
    async with asyncio.TaskGroup() as group:
        await group.create_task(store.__aenter__())
    await store.write(lambda raw: raw.execute("CREATE TABLE t (x)"))
    await store.__aexit__(None, None, None)
    assert names(tmp_path) == ["stretto.db"]


def test_a_store_that_was_never_left_does_not_keep_the_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from storage.store import Store\n"
        "kept = []\n"
        "async def main():\n"
        "    store = Store(Path(sys.argv[1])); kept.append(store); await store.__aenter__()\n"
        "    await store.write(lambda raw: raw.execute('CREATE TABLE t (x)'))\n"
        "    raise SystemExit(3)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "stretto.db")], capture_output=True, timeout=20, check=False)
    assert done.returncode == 3


async def test_a_disk_that_hangs_does_not_hold_up_the_end_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.store.CLOSE_SECONDS", 0.2)
    release = threading.Event()
    async with asyncio.TaskGroup() as group:
        async with Store(tmp_path / "stretto.db") as store:
            task = group.create_task(_outcome(store.write(lambda _: release.wait(20))))
            await asyncio.sleep(0.05)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert "is closed" in task.result()
    hanging = [thread for thread in threading.enumerate() if thread.daemon and "worker_thread" in thread.name]
    assert len(hanging) == 1
    release.set()
    # Not here: its last word is to this loop.
    await asyncio.to_thread(hanging[0].join)
