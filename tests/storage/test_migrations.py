from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from storage.migrations import APPLICATION_ID, Migration, migrate, migrations, statements
from storage.store import Store


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(raw: sqlite3.Connection) -> int:
    return int(raw.execute("PRAGMA user_version").fetchone()[0])


def schema(raw: sqlite3.Connection) -> list[tuple[str, str]]:
    return raw.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_every_statement_of_the_schema_is_whole() -> None:
    for step in migrations():
        assert all(sqlite3.complete_statement(statement) for statement in statements(step.script)), step.number


def test_a_triggers_body_is_not_cut() -> None:
    script = "CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n  SELECT 1;\nEND;\n-- the end\n"
    assert len([statement for statement in statements(script) if statement.startswith("CREATE")]) == 2


def test_running_them_again_changes_nothing(tmp_path: Path) -> None:
    raw = connect(tmp_path / "a.db")
    migrate(raw, migrations())
    before = schema(raw)
    migrate(raw, migrations())
    assert schema(raw) == before
    assert version(raw) == migrations()[-1].number
    assert raw.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    raw.close()


def test_one_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    raw = connect(tmp_path / "a.db")
    steps = [Migration(1, "CREATE TABLE a (x);"), Migration(2, "CREATE TABLE b (x);\nINSERT INTO nowhere VALUES (1);")]
    with pytest.raises(sqlite3.OperationalError):
        migrate(raw, steps)
    assert version(raw) == 1
    assert [name for name, _ in schema(raw)] == ["a"]
    assert not raw.in_transaction
    migrate(raw, [steps[0], Migration(2, "CREATE TABLE b (x);")])
    assert version(raw) == 2
    raw.close()


@pytest.mark.parametrize("lethal", [1, 2])
def test_one_whose_process_is_killed_leaves_the_version_before_it(tmp_path: Path, lethal: int) -> None:
    path = tmp_path / "a.db"
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.children", "die_inside", str(path), str(lethal)], timeout=20, check=False
    )
    assert done.returncode == -signal.SIGKILL
    raw = connect(path)
    assert version(raw) == lethal - 1
    assert [name for name, _ in schema(raw)] == ["a", "b"][: lethal - 1]
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    migrate(raw, [Migration(1, "CREATE TABLE a (x);"), Migration(2, "CREATE TABLE b (x);")])
    assert version(raw) == 2
    raw.close()


async def test_several_stores_may_make_the_same_new_file_at_once(tmp_path: Path) -> None:
    ready: list[int] = []
    every = asyncio.Event()

    async def use() -> None:
        async with Store(tmp_path / "stretto.db") as store:
            ready.append(await store.write(version))
            if len(ready) == 6:
                every.set()
            await every.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(use())
    assert ready == [migrations()[-1].number] * 6
