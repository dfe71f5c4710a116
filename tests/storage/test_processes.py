from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from storage.history import RunHistory
from storage.orphans import INTERRUPTED
from storage.recording import record
from storage.records import RunRow
from storage.store import Store


def child(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.children", *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_no_acknowledged_write_is_lost_to_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for number in range(15):
        process = child("acknowledge", path, number)
        assert process.stdout is not None
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(chance.uniform(0.0, 0.2))
        process.kill()
        # A line cut by the kill was not acknowledged.
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
        process.stdout.close()
    raw = sqlite3.connect(path)
    parts = dict(raw.execute("SELECT id, count(*) FROM kept GROUP BY id").fetchall())
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    assert len(acknowledged) > 15
    assert acknowledged <= set(parts)
    assert set(parts.values()) == {3}


async def test_two_processes_and_this_one_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        await store.write(lambda raw: raw.execute("CREATE TABLE beside (id TEXT PRIMARY KEY)"))
        processes = [child("write_beside", path, name) for name in "ab"]
        for number in range(300):
            await store.write(lambda raw, number=number: raw.execute("INSERT INTO beside VALUES (?)", (f"c.{number}",)))  # type: ignore[misc]
        assert [process.wait(20) for process in processes] == [0, 0]
        for process in processes:
            assert process.stdout is not None
            process.stdout.close()
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM beside").fetchone()) == (900,)
        assert await store.read(lambda raw: raw.execute("PRAGMA integrity_check").fetchone()) == ("ok",)


async def test_runs_of_a_killed_process_are_ended_with_their_text_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    living, dying = child("leave_open", path, "1living"), child("leave_open", path, "2dying")
    for process in (living, dying):
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    async with Store(path) as store:
        history = RunHistory(store)
        own = RunRow(id="3own", kind="chat", title="t", prompt="p", request="{}", started=1.0, at=1.0, owner=store.owner.name)
        await store.write(lambda raw: record(raw, [own], [], []))
        assert [run.outcome for run in await history.list()] == [None, None, None]
        dying.kill()
        dying.wait()
        runs = {run.id: run for run in await history.list()}
        assert {name: run.outcome for name, run in runs.items()} == {"1living": None, "2dying": "cancelled", "3own": None}
        assert runs["2dying"].error == INTERRUPTED
        assert runs["2dying"].wall == 2.5
        (step,) = await history.steps("2dying")
        assert (step.outcome, step.text) == ("cancelled", "half an answer")
        assert [hit.run for hit in await history.search("answer")] == ["2dying"]
        assert await history.settle() == 0
        living.kill()
        living.wait()
    for process in (living, dying):
        assert process.stdout is not None
        process.stdout.close()
    async with Store(path) as store:
        # The store that was left in good order took its claim back: nobody will finish its run either.
        assert [run.outcome for run in await RunHistory(store).list()] == ["cancelled"] * 3
        assert len([file for file in tmp_path.iterdir() if "-owner-" in file.name]) == 1  # noqa: ASYNC240
