"""A bug ends the dashboard with one harmless line; its traceback is kept, and no key in it."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.servers.process import paced_process
from tests.terminal import Terminal
from tests.tui.commands.process import SECRET, Home

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.terminal

HOSTILE = r"broken \x1b]0;TITLE\x07 \x1b[2J \x9b31m \u202e"
PLACES = {
    "a message handler": "tui.views.compare:CompareView.submit",
    "a frame": "tui.widgets.compare_pane:ComparePane.handle",
    "the drawing of a widget": "tui.widgets.pane_header:PaneHeader.render",
}
PROGRAM = """
    import os, sys
    from importlib import import_module

    module, _, path = sys.argv[1].partition(":")
    name, _, method = path.partition(".")
    owner = getattr(import_module(module), name)
    first = getattr(owner, method)
    key = os.environ["LAB_API_KEY"]

    def broken(self, *args, **kwargs):
        local = key
        if os.path.exists("armed"):
            raise RuntimeError("{hostile} " + key)
        return first(self, *args, **kwargs)

    setattr(owner, method, broken)
    from tui.main import main
    sys.exit(main(["-m", "lab/paced-8000-100"]))
"""
STRAY = """
    import asyncio, os, sys
    from tui.views.compare import CompareView
    first = CompareView.submit

    def submit(self, text):
        def stray():
            raise RuntimeError("{hostile} " + os.environ["LAB_API_KEY"])
        asyncio.get_running_loop().call_soon(stray)
        first(self, text)

    CompareView.submit = submit
    from tui.main import main
    sys.exit(main(["-m", "lab/paced-8000-100"]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def program(source: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(source).format(hostile=HOSTILE), *arguments]


def hostile_in(raw: bytes) -> list[bytes]:
    """Return what of the exception's message a terminal would have obeyed or a bystander could have read."""
    marks = (b"\x1b]0;TITLE", b"\x1b[2J \xc2\x9b", b"\xc2\x9b", b"\xe2\x80\xae", SECRET.encode())
    return [mark for mark in marks if mark in raw]


@pytest.mark.parametrize("place", PLACES)
def test_a_bug_ends_the_dashboard_with_a_line_and_a_kept_traceback(home: Home, place: str) -> None:
    with paced_process() as base_url:
        home.endpoint(base_url, api_key_env="LAB_API_KEY")
        command = program(PROGRAM, PLACES[place])
        with Terminal(command, home.environ({"LAB_API_KEY": SECRET}), cwd=str(home.work)) as terminal:
            terminal.wait_for("paced-8000-100")
            (home.work / "armed").touch()
            terminal.type("hello")
            terminal.press("enter")
            code = terminal.wait()
            raw, text = bytes(terminal.raw), terminal.text
    assert code == 1
    assert hostile_in(raw) == []
    assert raw.rindex(b"\x1b[?1049l") > raw.rindex(b"\x1b[?1049h")
    assert raw.rindex(b"\x1b[?25h") > raw.rindex(b"\x1b[?25l")
    told = " ".join(text.split())
    assert "unexpected RuntimeError" in told
    assert "Traceback" not in text
    log = home.data / "errors.log"
    kept = log.read_text()
    assert "RuntimeError: broken" in kept
    assert "Traceback" in kept
    assert PLACES[place].rpartition(".")[2] in kept
    assert SECRET not in kept
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in kept if char != "\n")
    assert log.stat().st_mode & 0o777 == 0o600
    assert list(home.data.glob("*-wal")) == []


def test_a_stray_exception_of_a_callback_is_kept_and_the_dashboard_goes_on(home: Home) -> None:
    with paced_process() as base_url:
        home.endpoint(base_url, api_key_env="LAB_API_KEY")
        with Terminal(program(STRAY), home.environ({"LAB_API_KEY": SECRET}), cwd=str(home.work)) as terminal:
            terminal.wait_for("paced-8000-100")
            terminal.type("hello")
            terminal.press("enter")
            terminal.wait_for("soprano")
            assert "broken" not in terminal.text
            terminal.press("ctrl+q")
            assert terminal.wait() == 0
            assert hostile_in(bytes(terminal.raw)) == []
    kept = (home.data / "errors.log").read_text()
    assert "RuntimeError: broken" in kept
    assert SECRET not in kept
