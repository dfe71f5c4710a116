from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from tests.servers.paced import PacedServer
from tests.terminal import Terminal

if TYPE_CHECKING:
    from tests.tui.commands.process import Home

_HOSTILE = "first \x1b]0;TITLE\x07 \x1b[2J\x9b31m \u202e last"


async def test_in_a_terminal_an_answer_is_text_and_progress_is_one_line(home: Home) -> None:
    async with PacedServer(reply=lambda _: _HOSTILE) as server:
        home.endpoint(server.base_url)

        def look() -> tuple[str, bytes, int]:
            command = [sys.executable, "-m", "tui.main", "run", "hi", "-m", "lab/paced-9-20-300"]
            with Terminal(command, home.environ(), columns=80, rows=12, cwd=str(home.work)) as terminal:
                code = terminal.wait()
                return terminal.text, bytes(terminal.raw), code

        text, raw, code = await asyncio.to_thread(look)
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == "first ␛]0;TITLE␇ ␛[2J\ufffd31m \ufffd last"
    assert lines[1].startswith("lab/paced-9-20-300: ")
    assert "tokens, first after" in lines[1]
    assert "".join(lines[2:]).strip() == ""
    assert set(raw.split(b"\x1b")[1:]) <= {part for part in raw.split(b"\x1b")[1:] if part.startswith(b"[2K")}
    assert b"waiting" in raw


async def test_the_dashboard_does_not_open_for_an_embedded_model_that_is_none(home: Home) -> None:
    def look() -> tuple[str, int]:
        with Terminal([sys.executable, "-m", "tui.main", "-m", "embedded/nosuch"], home.environ(), cwd=str(home.work)) as terminal:
            code = terminal.wait()
            return terminal.text.strip(), code

    assert await asyncio.to_thread(look) == ("stretto: there is no model 'embedded/nosuch'; there is embedded/smollm2-135m", 1)
