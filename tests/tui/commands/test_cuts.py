from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.servers.scripted import ScriptedServer, cut, whole

if TYPE_CHECKING:
    from tests.tui.commands.process import Home


def _endpoint(home: Home, server: ScriptedServer, on_cut: str) -> None:
    home.endpoint(server.base_url, on_cut=on_cut, concurrency=1)
    home.config.write_text(home.config.read_text().replace("max_retries = 0", "max_retries = 1"))


async def test_an_answer_that_begins_anew_is_said_to(home: Home) -> None:
    async with ScriptedServer(cut("Once upon"), whole("Once upon a time.")) as server:
        _endpoint(home, server, "restart")
        done = await asyncio.to_thread(home.run, "run", "Tell", "-m", "lab/m")
    assert (done.returncode, done.stdout) == (0, "Once upon\n\nOnce upon a time.\n")
    assert done.stderr == "stretto: lab/m: the answer was cut; it follows anew, from its beginning\n"


async def test_an_answer_that_goes_on_reads_as_one(home: Home) -> None:
    async with ScriptedServer(cut("Once upon"), whole(" a time.")) as server:
        _endpoint(home, server, "resume")
        done = await asyncio.to_thread(home.run, "run", "Tell", "-m", "lab/m")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Once upon a time.\n", "")


async def test_what_is_merged_is_each_whole_answer_once(home: Home) -> None:
    async with ScriptedServer(
        cut("Once upon"), cut("Once upon"), whole(" a time."), whole(" a time."), whole("One tale.")
    ) as server:
        _endpoint(home, server, "resume")
        done = await asyncio.to_thread(home.run, "run", "Tell", "-m", "lab/m", "-m", "lab/n", "--merge", "lab/m", "--no-cache")
        told = server.requests[-1].body.decode()
    assert done.returncode == 0
    assert told.count("Once upon a time.") == 2
