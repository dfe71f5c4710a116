"""A batch that is killed again and again ends with the output of one that was left alone, and no finished row is asked twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.paced import PacedServer
from tests.servers.process import paced_process
from tests.terminal import Terminal
from tests.tui.commands.process import Home

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 60
JOBS = 5
KILLS = int(os.environ.get("BATCH_KILLS", "4"))
"""Raise it to look harder; each kill takes a start of the program."""


def reply(asked: dict[str, Any]) -> str:
    return f"the answer to {asked['messages'][-1]['content']}"


def recorded(home: Home) -> Counter[int]:
    """Return the rows that are in one of the two files, whole."""
    ids: Counter[int] = Counter()
    for name in ("out.jsonl", "out.jsonl.partial"):
        path = home.work / name
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        ids.update({json.loads(line)["id"] for line in lines})
    return ids


def stripped(path: Path) -> list[dict[str, Any]]:
    """Return the output without what is different each time."""
    return [{**json.loads(line), "timings": None} for line in path.read_text().splitlines()]


async def requests_seen(server: PacedServer, count: int) -> None:
    async with asyncio.timeout(30):
        await server.until(lambda: server.counts.requests >= count)


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_however_often_it_is_killed_nothing_is_lost_or_asked_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    chance = random.Random(KILLS)
    # Rows take different times, so that they end out of order.
    slow = [(f"number {number} ", f"delay-0.0{number % 7}") for number in range(1, ROWS + 1)]
    async with PacedServer(rules=slow, reply=reply) as server:
        home.endpoint(server.base_url)
        rows = [json.dumps({"prompt": f"number {number} of many"}) for number in range(1, ROWS + 1)]
        (home.work / "in.jsonl").write_text("".join(f"{row}\n" for row in rows))
        arguments = ["batch", "in.jsonl", "-m", "lab/m", "-j", str(JOBS), "--no-cache"]
        await asyncio.to_thread(home.run, *arguments, "-o", "alone.jsonl")
        server.requests.clear()
        for _ in range(KILLS):
            there = set(recorded(home))
            with home.start(*arguments, "-o", "out.jsonl", "--resume") as process:
                wanted = server.counts.requests + chance.randint(0, min(ROWS - len(there), 2 * ROWS // KILLS + 1))
                await requests_seen(server, wanted)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            await server.until(lambda: server.counts.open == 0)
            assert there <= set(recorded(home))
            asked = Counter(number_of(request.json()) for request in server.requests)
            server.requests.clear()
            assert there.isdisjoint(asked), "a row that was done is asked again"
            assert set(asked.values()) <= {1}
            # What was asked and is not there was in flight, or had ended in the last moment before the kill.
            assert len(set(asked) - set(recorded(home))) <= 2 * JOBS
        done = await asyncio.to_thread(home.run, *arguments, "-o", "out.jsonl", "--resume")
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
        assert set(recorded(home)) == set(range(1, ROWS + 1))
    assert stripped(home.work / "out.jsonl") == stripped(home.work / "alone.jsonl")
    assert not (home.work / "out.jsonl.partial").exists()


def number_of(asked: dict[str, Any]) -> int:
    return int(asked["messages"][-1]["content"].split()[1])


@pytest.mark.terminal
def test_a_terminal_that_is_closed_ends_a_batch_at_once_and_quietly(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.work / "in.jsonl").write_text('{"prompt": "x"}\n' * 50)
    with paced_process() as base_url:
        home.endpoint(base_url)
        command = [sys.executable, "-m", "tui.main", "batch", "in.jsonl", "-o", "out.jsonl", "-m", "lab/delay-0.5-3", "-j", "5"]
        with Terminal([*command, "--no-cache"], home.environ(), cwd=str(home.work)) as terminal:
            terminal.wait_for("5 of 50 rows (10 %)")
            terminal.process.fileobj.close()
            until = time.monotonic() + 20
            while terminal.process.isalive():
                assert time.monotonic() < until, "it outlives its terminal"
                time.sleep(0.05)
            assert terminal.process.exitstatus == 128 + signal.SIGHUP
    done = recorded(home)
    assert len(done) >= 5
    assert not (home.data / "errors.log").exists()
