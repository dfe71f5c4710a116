from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.tui.commands.test_run import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home


def test_a_journal_without_runs_says_how_to_begin(home: Home) -> None:
    done = home.run("runs", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "There are no runs yet" in done.stderr


def test_a_run_that_is_not_there_is_one_line(home: Home) -> None:
    assert "there is no run '0000'" in home.fault("runs", "show", "0000")
    assert "there are no runs yet" in home.fault("runs", "show", "last")


async def test_a_run_whose_process_died_was_interrupted_and_not_cancelled(home: Home, paced: PacedServer) -> None:
    with home.start("run", "hi", "-m", "lab/paced-2000-100") as process:
        await asyncio.to_thread(first_line, process)
        process.kill()
        await asyncio.to_thread(process.wait, 20)
    listed = await asyncio.to_thread(home.run, "runs", "list")
    assert "  interrupted  " in listed.stdout.splitlines()[1]
    shown = await asyncio.to_thread(home.run, "runs", "show", "last")
    assert ": interrupted, wall " in shown.stdout.splitlines()[0]
    assert "  error: stretto ended before this run did" in shown.stdout.splitlines()


def test_a_data_folder_that_cannot_be_is_one_line(home: Home) -> None:
    home.data.write_text("a file where a folder should be")
    assert str(home.data) in home.fault("runs", "list")


def test_a_database_that_is_none_is_one_line_and_stays_as_it_is(home: Home, tmp_path: Path) -> None:
    home.data.mkdir(mode=0o700)
    database, rows, out = home.data / "stretto.db", tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    database.write_bytes(b"not a database" * 100)
    rows.write_text('{"prompt": "x"}\n')
    for words in (("runs", "list"), ("run", "hi", "-m", "lab/m"), ("batch", str(rows), "-o", str(out), "-m", "lab/m"), ("cache",)):
        assert "is not a stretto database" in home.fault(*words)
    assert database.read_bytes() == b"not a database" * 100
    assert not out.exists()
