"""Hostile text through every surface of the real program in a real terminal: what counts is the bytes that reach the terminal."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.servers.paced import PacedServer
from tests.terminal import Terminal
from tests.tui.commands.process import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.http import Connection, Request

pytestmark = [pytest.mark.terminal, pytest.mark.timeout(120)]

CONTROLS = (
    "\x1b]52;c;RVZJTA==\x07",  # the clipboard
    "\x1b]52;c;RVZJTA==\x1b\\",
    "\x1b]8;;http://evil.example/\x1b\\here\x1b]8;;\x1b\\",  # a link that is not what it says
    "\x1b]0;EVILTITLE\x07",
    "\x1b[6n\x1b[21t\x1b[3J\x1b[5;7;31m",  # reports, clearing what scrolled away, blinking
    "\x1bP+q544e\x1b\\",  # a device control string
    "\x1b_evil\x1b\\\x1b^evil\x1b\\",
    "\x9b6n\x9d52;c;RVZJTA==\x9c\x90+q544e\x9c",  # the same in single characters
    "\u202eevil\u2066\u200b\u2060",  # other order, and nothing to see
    "[@click=app.quit]x[/][/]",
    "\x07\x08\x0e\x7f",
)
EVIL = "".join(CONTROLS)
NAME = "m" + "".join(text for text in CONTROLS if "/" not in text)
FAILS, ENDS = f"fails{NAME}", f"ends{NAME}"
ANSWER = f"""\
# Head {EVIL}

- item {EVIL} and [text {EVIL}](https://example.org/{NAME}) and [js](javascript:alert) [1]

```{EVIL}
code {EVIL}
```

```python
x = "{EVIL}"
```

| a {EVIL} | b |
|---|---|
| {EVIL} | 字 |

> said {EVIL}

https://example.org/plain {EVIL}
"""
OSC = re.compile(r"\x1b\](.*?)(?:\x07|\x1b\\|$)", re.DOTALL)
THEIRS = ("\x1b[6n", "\x1b[21t", "\x1b[3J", "\x1b[5;7;31m", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x08", "\x0e", "\x7f")


class Hostile(PacedServer):
    """Answers with hostile text, also in its errors and in the reason why it ended."""

    def _chat(self, connection: Connection, request: Request) -> None:
        asked = request.json()
        model = str(asked["model"])
        half = json.dumps(EVIL)[:-1].encode() + b'\\ud800"'
        if model == FAILS:
            connection.respond(400, b'{"error":{"message":%b,"type":%b,"code":%b}}' % (half, half, half))
        elif model == ENDS:
            choice = b'{"index":0,"message":{"role":"assistant","content":%b},"finish_reason":%b}' % (half, half)
            connection.respond(200, b'{"id":%b,"object":"chat.completion","model":%b,"choices":[%b]}' % (half, half, choice))
        else:
            super()._chat(connection, request)


def reply(asked: dict[str, object]) -> str:
    text = json.dumps(asked["messages"])
    if "Judge each answer" in text:
        return json.dumps({letter: {"reason": EVIL, "score": 5} for letter in "ABC" if f"[begin answer {letter}" in text})
    return ANSWER


@contextmanager
def hostile_server() -> Iterator[str]:
    """Serve from a thread of its own."""
    begun, address, ends = threading.Event(), [""], [lambda: None]

    async def serve() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with Hostile(models=(NAME, FAILS, ENDS), reply=reply) as server:
            address[0] = server.base_url
            ends[0] = lambda: loop.call_soon_threadsafe(ended.set)  # type: ignore[assignment]
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert begun.wait(10)
    try:
        yield address[0]
    finally:
        ends[0]()
        thread.join(10)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home whose configuration, documents, files and templates are hostile, too."""
    home = Home(tmp_path)
    docs = home.work / "docs"
    docs.mkdir()
    plain = "Voices overlap, and nothing waits for what it does not need. " * 60  # with less of it a file counts as binary
    (docs / f"doc{NAME}.md").write_text(f"# Voices {EVIL}\n\nVoices overlap {EVIL}. {plain}\n")
    (docs / "plain.md").write_text(f"# Plain {EVIL}\n\nVoices overlap in plain files, too {EVIL}. {plain}\n")
    templates = home.config.parent / "templates"
    templates.mkdir()
    told = json.dumps(EVIL)
    lines = (f"prompt = {json.dumps(f'Say $what {EVIL}')}", f"description = {told}", f"system = {told}")
    template = "\n".join((*lines, f"variables = {{ what = {told} }}", ""))
    (templates / f"temp{NAME}.toml").write_text(template.replace("\x7f", "\\u007F"))
    (templates / f"bad{NAME}.yaml").write_text("prompt: [" + EVIL)
    return home


class Walk:
    """Goes from screen to screen, and says where it is stuck."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def leader(self, key: str, told: str) -> None:
        self.terminal.type("\x18")
        self.terminal.wait_for("Ctrl+X, then", 10)
        self.terminal.type(key)
        self.terminal.wait_for(told, 15)

    def back(self, told: str, times: int = 1) -> None:
        for _ in range(times):
            self.terminal.press("escape")
            self.terminal.read(0.15)
        self.terminal.wait_for(told, 10)

    def paste(self, text: str) -> None:
        """Paste as terminals do, which leave out the escape character."""
        text = text.replace("\x1b", "")
        self.terminal.type(f"\x1b[200~{text}\x1b[201~")
        self.terminal.read(0.3)

    def send(self, text: str) -> None:
        self.terminal.type(text)
        self.terminal.read(0.2)
        self.terminal.press("enter")


def compare(walk: Walk) -> None:
    terminal, dashboard = walk.terminal, "F2 Compare"
    walk.paste(f"Why? {EVIL} 字")
    terminal.press("enter")
    terminal.wait_for(lambda screen: screen.count("saved") >= 2 and "failed" in screen, 20)
    walk.leader("c", "Copy which code block?")
    walk.back(dashboard)
    walk.leader("o", "Web addresses")
    walk.back(dashboard)
    walk.leader("m", "Pane settings")
    terminal.wait_for("models known", 10)
    walk.back(dashboard)
    walk.leader("d", "The words are the same")
    walk.back(dashboard)
    walk.leader("b", "Which answer is best?")
    terminal.type("a")
    terminal.wait_for("is best.", 10)
    walk.back(dashboard)
    walk.leader("B", "Bradley-Terry")
    walk.back(dashboard)
    walk.leader("j", "The judge sees")
    terminal.press("enter")
    terminal.wait_for("done", 15)
    walk.back(dashboard)
    walk.leader("M", "Merge into one answer")
    terminal.press("enter")
    terminal.wait_for(lambda screen: "One answer" in screen and "saved" in screen, 15)
    walk.back(dashboard, 2)
    walk.leader("R", "first acceptable answer")
    walk.back(dashboard)
    walk.leader("w", "Temperature")
    terminal.type("0")
    terminal.press("enter")
    terminal.wait_for("3 of 3 answers", 15)
    terminal.press("enter")
    terminal.wait_for("1 of 1:", 10)
    walk.back(dashboard, 2)


def around_the_prompt(walk: Walk) -> None:
    terminal, dashboard = walk.terminal, "F2 Compare"
    walk.leader("T", "Templates")
    terminal.wait_for("temp", 10)
    terminal.type("temp")
    terminal.read(0.3)
    terminal.press("enter")
    terminal.wait_for("Ctrl+S", 10)
    terminal.type("\x05")  # into the prompt
    terminal.wait_for(lambda screen: "Template" not in screen, 10)
    terminal.type("\x15")
    terminal.read(0.5)
    terminal.type("@do")
    terminal.wait_for("docs/plain.md", 10)  # a name that cannot be typed is not offered
    terminal.press("escape")
    terminal.type("\x15")
    walk.leader("v", "To the prompt")
    terminal.type("g/")
    terminal.read(0.3)
    terminal.type("code")
    terminal.wait_for(" of ", 10)
    terminal.press("escape")
    terminal.type("Vjjj")
    terminal.read(0.3)
    terminal.type("i")
    walk.paste(EVIL)
    terminal.press("f1")
    terminal.wait_for("Keys and figures", 10)
    walk.paste(EVIL)
    walk.back(dashboard, 2)
    terminal.press("ctrl+p")
    terminal.wait_for("Search for commands", 10)
    terminal.type("pane")
    terminal.read(0.5)
    walk.back(dashboard)
    terminal.type("\x15")


def others(walk: Walk) -> None:
    terminal = walk.terminal
    terminal.press("f3")
    terminal.wait_for("Ask your documents", 10)
    walk.send("/add docs")
    terminal.wait_for("indexed 2 documents", 30)
    walk.send(f"/library evil{NAME}")
    walk.send("/library default")
    walk.send("/nonsense")
    walk.send("Why do voices overlap?")
    terminal.wait_for("Sources cited", 20)
    walk.leader("v", "To the prompt")
    terminal.type("1")
    terminal.wait_for("rank:", 10)
    walk.back("Ask")
    terminal.press("f4")
    terminal.wait_for("research agent", 10)
    walk.send("What is this? @docs/plain.md @nowhere.md")
    terminal.wait_for("wall ", 20)
    terminal.type("\x1b[1;5A\x1b[1;5A\x1b[1;5B")
    terminal.read(0.3)
    terminal.type("\x1b[15~")  # F5
    terminal.wait_for("critical", 10)
    for _ in range(3):
        terminal.press("up", "enter")
        terminal.wait_for("Esc closes", 10)
        walk.back("critical")


def check(raw: bytes, copied: str) -> None:
    """Check what the terminal was sent: besides the one copy nothing but what the program itself has to say."""
    text = raw.decode()
    spoken = OSC.findall(text)
    kept = [command for command in spoken if command.startswith("52;")]
    assert kept == [f"52;c;{base64.b64encode(copied.encode()).decode()}"]
    assert [command for command in spoken if command.startswith(("0;", "1;", "2;", "8;", "9;", "777;", "1337;"))] == []
    assert text.count("\x07") <= len(spoken)
    assert [sequence for sequence in THEIRS if sequence in text] == []
    assert sorted({hex(ord(char)) for char in text if 0x80 <= ord(char) < 0xA0 or char in "\u202e\u2066\u200b\u2060"}) == []


def clipboard(raw: bytes) -> str:
    """Return what the last copy put on the clipboard."""
    commands = [command for command in OSC.findall(raw.decode()) if command.startswith("52;c;")]
    return base64.b64decode(commands[-1].removeprefix("52;c;")).decode()


def test_no_byte_of_theirs_reaches_the_terminal(home: Home) -> None:
    with hostile_server() as base_url:
        home.endpoint(base_url)
        models = [f"lab/{name}" for name in (NAME, f"{NAME}2", FAILS, ENDS)]
        with home.config.open("a") as file:
            file.write(f"[defaults]\ncache = false\nmodels = {json.dumps(models)}\n".replace("\x7f", "\\u007F"))
        command = [sys.executable, "-m", "tui.main"]
        with Terminal(command, home.environ(), columns=120, rows=40, cwd=str(home.work)) as terminal:
            walk = Walk(terminal)
            terminal.wait_for(lambda screen: screen.count("idle") >= 4, 30)
            compare(walk)
            terminal.type("\x19")
            terminal.wait_for("clipboard", 10)
            copied = clipboard(bytes(terminal.raw))
            assert "Head" in copied
            assert not any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in copied)
            around_the_prompt(walk)
            others(walk)
            assert terminal.process.isalive()
            terminal.press("ctrl+q")
            assert terminal.wait() == 0
            check(bytes(terminal.raw), copied)
    assert not (home.data / "errors.log").exists()
