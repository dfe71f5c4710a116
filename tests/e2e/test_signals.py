"""However the dashboard is ended while answers stream, it leaves the terminal, the database and the machine in order."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.servers.process import paced_process
from tests.terminal import Terminal
from tests.tui.commands.process import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.terminal


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def streaming(home: Home) -> Iterator[Terminal]:
    """Yield the dashboard with two answers that stream and a worker that is ready for questions."""
    with paced_process() as base_url:
        home.endpoint(base_url)
        command = [sys.executable, "-m", "tui.main", "-m", "lab/paced-8000-100", "-m", "lab/paced-8000-101"]
        with Terminal(command, home.environ(), cwd=str(home.work)) as terminal:
            terminal.wait_for("paced-8000-101")
            terminal.press("f3")
            terminal.wait_for("Ask your documents")
            terminal.wait_for(lambda _: len(terminal.children()) > 0)
            terminal.press("f2")
            terminal.type("Sing to me")
            terminal.press("enter")
            terminal.wait_for(lambda screen: screen.count("● streaming") == 2 and screen.count("soprano") >= 2)
            yield terminal


def runs(home: Home) -> list[tuple[str, str, int]]:
    """Return the runs' titles and ends, and how much text each has, read as anybody could."""
    with closing(sqlite3.connect(f"file:{home.data / 'stretto.db'}?mode=ro", uri=True)) as database:
        found = database.execute(
            "SELECT runs.title, runs.outcome, sum(length(steps.text)) FROM runs JOIN steps ON steps.run = runs.id GROUP BY runs.id"
        )
        return found.fetchall()


def check(home: Home, children: list[psutil.Process]) -> None:
    """Check what must be so after every end: no process left, the database closed, the text that came in it."""
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert [path.name for path in home.data.iterdir() if path.name.endswith(("-wal", "-shm", "-journal"))] == []
    ((title, outcome, characters),) = runs(home)
    assert (title, outcome) == ("Sing to me", "cancelled")
    assert characters > len("the soprano enters")
    assert not (home.data / "errors.log").exists()


ENDS = {"ctrl+c": 0, "ctrl+q": 0, "SIGTERM": 143, "SIGHUP": 129}


@pytest.mark.parametrize("how", ENDS)
def test_an_end_while_answers_stream_leaves_everything_in_order(home: Home, streaming: Terminal, how: str) -> None:
    children = streaming.children()
    if how.startswith("ctrl"):
        streaming.press(how)
        if how == "ctrl+c":
            streaming.wait_for("again leaves")
            streaming.press(how)
    else:
        os.kill(streaming.process.pid, signal.Signals[how])
    assert streaming.wait() == ENDS[how]
    raw = bytes(streaming.raw)
    assert raw.rindex(b"\x1b[?1049l") > raw.rindex(b"\x1b[?1049h")
    assert raw.rindex(b"\x1b[?25h") > raw.rindex(b"\x1b[?25l")
    for mode in (b"1000", b"1003", b"1006", b"2004"):
        if b"\x1b[?" + mode + b"h" in raw:
            assert raw.rindex(b"\x1b[?" + mode + b"l") > raw.rindex(b"\x1b[?" + mode + b"h"), mode
    assert b"Traceback" not in raw
    check(home, children)


def test_a_second_signal_while_it_ends_changes_nothing(home: Home, streaming: Terminal) -> None:
    children = streaming.children()
    for _ in range(3):
        os.kill(streaming.process.pid, signal.SIGTERM)
        streaming.read(0.02)
    assert streaming.wait() == 143
    assert b"\x1b[?1049l" in streaming.raw
    check(home, children)


def test_a_terminal_that_is_closed_ends_it_and_nothing_is_lost(home: Home, streaming: Terminal) -> None:
    children = streaming.children()
    streaming.process.fileobj.close()
    until = time.monotonic() + 20
    while streaming.process.isalive():
        assert time.monotonic() < until, "it outlives its terminal"
        time.sleep(0.05)
    check(home, children)
