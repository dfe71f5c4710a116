"""What the storage tests run in processes of their own: ``python -m tests.storage.children NAME PATH...``."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

from storage.cache import ResponseCache
from storage.history import RunHistory
from storage.migrations import Migration, migrate
from storage.recording import record
from storage.records import EventRow, RunRow, StepRow
from storage.store import Store


async def acknowledge(path: Path, prefix: str) -> None:
    """Write triples from many tasks and print an identity only after its write was answered, until killed."""
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE IF NOT EXISTS kept (id TEXT, part INTEGER)"))

        async def produce(task: int) -> None:
            for number in range(1_000_000):
                name = f"{prefix}.{task}.{number}"

                def work(raw: sqlite3.Connection, name: str = name) -> None:
                    raw.executemany("INSERT INTO kept VALUES (?, ?)", [(name, part) for part in range(3)])

                await store.write(work, durable=number % 50 == 0)
                os.write(1, f"{name}\n".encode())

        async with asyncio.TaskGroup() as group:
            for task in range(20):
                group.create_task(produce(task))


async def leave_open(path: Path, run: str) -> None:
    """Start a run, print that it is on disk, and wait to be killed."""
    async with Store(path) as store:
        row = RunRow(id=run, kind="chat", title="t", prompt="left open", request="{}", started=1.0, at=10.0, owner=store.owner.name)
        steps = [StepRow(id=f"{run}.1", run=run, seq=2, kind="model", name="m")]
        events = [
            EventRow(run=run, seq=2, step=f"{run}.1", kind="text", body='{"event":"text","at":11.0,"text":"half an "}'),
            EventRow(run=run, seq=3, step=f"{run}.1", kind="text", body='{"event":"text","at":12.5,"text":"answer"}'),
        ]
        await store.write(lambda raw: record(raw, [row], steps, events))
        print("open", flush=True)
        await asyncio.Event().wait()


async def write_beside(path: Path, prefix: str) -> None:
    """Write 300 rows, one by one, and print how many runs history sees."""
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE IF NOT EXISTS beside (id TEXT PRIMARY KEY)"))
        for number in range(300):
            name = f"{prefix}.{number}"
            await store.write(lambda raw, name=name: raw.execute("INSERT INTO beside VALUES (?)", (name,)))  # type: ignore[misc]
        print(len(await RunHistory(store).list()), flush=True)


async def cache_until_killed(path: Path, prefix: str) -> None:
    """Keep answers of several sizes within little room, printing the key of each that is kept, until killed."""
    async with Store(path) as store:
        cache = ResponseCache(store)

        async def keep(task: int) -> None:
            for number in range(1_000_000):
                key, size = f"{prefix}.{task}.{number}", 500 * (number % 40 + 1)
                await cache.put(key, key.encode().ljust(size, b"."), now=1e9 + number / 1000, ttl=1e9, limit=1_000_000)
                os.write(1, f"{key} {size}\n".encode())

        async with asyncio.TaskGroup() as group:
            for task in range(8):
                group.create_task(keep(task))


def die_inside(path: Path, number: str) -> None:
    """Migrate and be killed in the middle of migration ``number``."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
    scripts = ["CREATE TABLE a (x);\nINSERT INTO a VALUES (1);", "CREATE TABLE b (x);\nINSERT INTO b VALUES (2);"]
    lethal = int(number)
    scripts[lethal - 1] = scripts[lethal - 1].replace("\n", "\nSELECT die();\n", 1)
    migrate(raw, [Migration(1, scripts[0]), Migration(2, scripts[1])])


if __name__ == "__main__":
    name, place, *rest = sys.argv[1:]
    if name == "die_inside":
        die_inside(Path(place), *rest)
    else:
        jobs = {
            "acknowledge": acknowledge,
            "cache_until_killed": cache_until_killed,
            "leave_open": leave_open,
            "write_beside": write_beside,
        }
        asyncio.run(jobs[name](Path(place), *rest))
