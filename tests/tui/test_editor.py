from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agents.errors import InputError
from tests.servers.paced import words
from tests.servers.process import paced_process
from tests.terminal import Terminal
from tests.tui.commands.process import Home
from tui.editor import edit, editor_command, interrupts_elsewhere


def script(folder: Path, text: str) -> list[str]:
    file = folder / "editor.py"
    file.write_text(text)
    return [sys.executable, str(file)]


def is_gone(name: str) -> bool:
    return not Path(name).exists()


def test_visual_comes_before_editor_and_both_may_have_arguments() -> None:
    assert editor_command({"VISUAL": "code --wait", "EDITOR": "vi"}) == ["code", "--wait"]
    assert editor_command({"VISUAL": " ", "EDITOR": "'my editor' -n"}) == ["my editor", "-n"]
    with pytest.raises(InputError, match=r"no editor is set"):
        editor_command({})
    with pytest.raises(InputError, match=r"\$EDITOR is no command"):
        editor_command({"EDITOR": "vi 'x"})


async def test_the_text_goes_to_a_private_file_and_comes_back_changed_and_the_file_is_gone(tmp_path: Path) -> None:
    editor = script(
        tmp_path,
        "import os, pathlib, sys\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text(f'{{file}} {{file.stat().st_mode}}')\n"
        "text = file.read_text()\n"
        "new = file.with_suffix('.new'); new.write_text(text.upper() + '\\n'); new.replace(file)\n",
    )
    assert await edit("one\nzwei 字 \ud800", editor) == "ONE\nZWEI 字 ?"
    name, mode = (tmp_path / "seen").read_text().rsplit(" ", 1)
    assert stat.S_IMODE(int(mode)) == 0o600
    assert is_gone(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("import os, sys; os.unlink(sys.argv[-1])", "cannot be read"),
        ("import sys; open(sys.argv[-1], 'w').truncate(5 << 20)", "longer than 4 MiB"),
        ("import os, sys; os.unlink(sys.argv[-1]); os.mkfifo(sys.argv[-1])", "no file any more"),
        ("import os, sys; os.unlink(sys.argv[-1]); os.symlink('/etc/passwd', sys.argv[-1])", "no file any more"),
    ],
)
async def test_an_editor_that_fails_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        await edit("x", script(tmp_path, text))
    assert "\n" not in str(caught.value)


async def test_an_editor_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be started: No such file"):
        await edit("x", [str(tmp_path / "none")])


async def test_stopping_ends_the_editor_too(tmp_path: Path) -> None:
    started = tmp_path / "started"
    text = f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(60)"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(edit("x", script(tmp_path, text)))
        for _ in range(2000):
            if started.exists() and started.read_text():
                break
            await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_an_interrupt_is_the_editors_and_the_next_one_ours_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_elsewhere():
        os.kill(os.getpid(), signal.SIGINT)
        code = subprocess.run(
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), 2)"], capture_output=True, check=False
        ).returncode
        assert code != 0, "what is started there does not inherit it"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.terminal
def test_an_answer_goes_on_behind_the_editor_which_has_the_terminal_alone(tmp_path: Path) -> None:
    editor = script(
        tmp_path,
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.stdout.write('INTERRUPTED\\r\\n'))\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        "sys.stdout.write('EDITOR-HAS-IT\\r\\n'); sys.stdout.flush()\n"
        "line = sys.stdin.readline()\n"
        "file.write_text(file.read_text() + ' and ' + line)\n"
        "sys.stdout.write('EDITOR-GOES\\r\\n'); sys.stdout.flush()\n",
    )
    home = Home(tmp_path)
    with paced_process() as base_url:
        home.endpoint(base_url)
        command = [sys.executable, "-m", "tui.main", "-m", "lab/paced-300-60"]
        with Terminal(command, home.environ({"EDITOR": " ".join(editor)}), cwd=str(home.work)) as terminal:
            terminal.wait_for("paced-300-60")
            terminal.type("go")
            terminal.press("enter")
            terminal.wait_for("streaming")
            terminal.type("draft")
            terminal.wait_for("draft")
            terminal.type("\x07")
            terminal.wait_for("EDITOR-HAS-IT")
            terminal.type("\x03")
            terminal.wait_for("INTERRUPTED")
            terminal.read(1.0)  # answers stream meanwhile
            terminal.type("more\n")
            terminal.wait_for("draft and more")
            terminal.wait_for("saved")
            alone = bytes(terminal.raw).partition(b"EDITOR-HAS-IT")[2].partition(b"EDITOR-GOES")[0]
            assert alone.endswith(b"more\r\n")
            assert b"\x1b" not in alone
            terminal.press("ctrl+q")
            assert terminal.wait() == 0
        with closing(sqlite3.connect(home.data / "stretto.db")) as database:
            (text,) = database.execute("SELECT text FROM steps").fetchone()
        assert text == "".join(words(300))
