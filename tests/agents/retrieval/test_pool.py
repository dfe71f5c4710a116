from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from agents.errors import InputError
from agents.retrieval.pool import WorkerError, WorkerPool
from agents.retrieval.protocol import Cutting, Digest, Listing, Nearest, Parsed, Read, Reply, Scan, Scanned, Unread, Walk
from tests.agents.retrieval.test_pdf import slow_pdf

if TYPE_CHECKING:
    from pathlib import Path

CUTTING = Cutting(embed=False)


async def gone(process: int) -> None:
    await asyncio.to_thread(psutil.wait_procs, [psutil.Process(process)] if psutil.pid_exists(process) else [], 10)
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE


def children_of(process: int) -> list[psutil.Process]:
    while not (children := psutil.Process(process).children()):
        pass
    return children


async def test_one_process_serves_many_requests_and_ends_with_the_pool(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some text")
    async with WorkerPool() as pool:
        listing = await pool.ask(Walk((str(tmp_path),)))
        assert isinstance(listing, Listing)
        (process,) = pool.processes
        replies: list[Reply] = []
        await pool.call(Read((listing.files[0].path, str(tmp_path / "none")), CUTTING), replies.append)
        assert pool.processes == (process,)
        assert psutil.Process(process).nice() == 10
    assert isinstance(replies[0], Parsed)
    assert isinstance(replies[1], Unread)
    assert not psutil.pid_exists(process)


async def test_a_request_that_cannot_be_served_is_one_line_and_leaves_the_process_usable(tmp_path: Path) -> None:
    async with WorkerPool() as pool:
        with pytest.raises(InputError, match="OperationalError"):
            await pool.ask(Nearest(str(tmp_path / "none.db"), "default", "static", 5, "query"))
        (process,) = pool.processes
        await pool.ask(Walk((str(tmp_path),)))
        assert pool.processes == (process,)


async def test_a_reply_that_is_late_costs_the_process_and_only_that(tmp_path: Path) -> None:
    bomb = slow_pdf()
    async with WorkerPool() as pool:
        await pool.ask(Walk((str(tmp_path),)))
        (process,) = pool.processes
        with pytest.raises(WorkerError, match=r"longer than 0\.5 s"):
            await pool.ask(Digest("a.pdf", "task", 1000, bomb), timeout=0.5)
        assert pool.processes == ()
        assert isinstance(await pool.ask(Walk((str(tmp_path),))), Listing)
        await gone(process)


async def test_cancelling_a_request_kills_what_works_on_it_down_to_the_last_child(tmp_path: Path) -> None:
    bomb = slow_pdf()
    async with WorkerPool() as pool:
        await pool.ask(Walk((str(tmp_path),)))
        (process,) = pool.processes
        async with asyncio.TaskGroup() as group:
            task = group.create_task(pool.ask(Digest("a.pdf", "task", 1000, bomb)))
            children = await asyncio.to_thread(children_of, process)
            task.cancel()
        assert task.cancelled()
        await gone(process)
        await gone(children[0].pid)


async def test_requests_beyond_the_limit_wait_and_all_are_served(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one word")
    async with WorkerPool(2) as pool, asyncio.TaskGroup() as group:
        tasks = [group.create_task(pool.ask(Scan((str(tmp_path),), "word", 5, 10, CUTTING))) for _ in range(6)]
        await asyncio.wait(tasks)
        assert len(pool.processes) == 2
    found = [task.result() for task in tasks]
    assert all(isinstance(reply, Scanned) and len(reply.hits) == 1 for reply in found)


async def test_a_process_that_dies_is_told_in_one_line_and_replaced(tmp_path: Path) -> None:
    async with WorkerPool() as pool:
        await pool.ask(Walk((str(tmp_path),)))
        (process,) = pool.processes
        os.kill(process, signal.SIGKILL)
        with pytest.raises(WorkerError, match="ended"):
            await pool.ask(Walk((str(tmp_path),)))
        assert isinstance(await pool.ask(Walk((str(tmp_path),))), Listing)


PROGRAM = """
import asyncio, sys
from agents.retrieval.pool import WorkerPool
from agents.retrieval.protocol import Walk
async def main():
    pool = WorkerPool()
    await pool.ask(Walk((sys.argv[1],)))
    print(pool.processes[0], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_workers_die_with_a_program_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        worker = psutil.Process(int(program.stdout.readline()))
        program.kill()
        assert psutil.wait_procs([worker], 10)[1] == []


async def test_a_worker_knows_no_key_and_runs_no_module_of_the_folder_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-CANARY")
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    async with WorkerPool() as pool:
        await pool.ask(Walk((str(tmp_path),)))
        environment = psutil.Process(pool.processes[0]).environ()
    assert "sk-CANARY" not in environment.values()


def test_the_program_itself_imports_nothing_heavy_for_retrieval() -> None:
    program = "import agents.research, agents.retrieval.ask, agents.tools.fetch, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "trafilatura", "lxml", "pypdf", "tokenizers", "safetensors", "httpx2", "openai"} & set(loaded)
