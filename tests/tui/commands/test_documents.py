from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from agents.events import AnyEvent, Saved
from tests.servers.paced import PacedServer, words
from tests.tui.commands.process import SECRET

if TYPE_CHECKING:
    from tests.servers.faults import FaultServer
    from tests.tui.commands.process import Home

_TIDES = "# Tides\n\nThe moon pulls the sea. High tide comes twice a day at the harbour.\n"
_RENT = "# Rent\n\nThe rent is due on the third of each month, by standing order.\n"


def notes(home: Home) -> None:
    folder = home.work / "notes"
    folder.mkdir()
    (folder / "tides.md").write_text(_TIDES)
    (folder / "rent.md").write_text(_RENT)


def saved(line: str) -> None:
    last = msgspec.json.decode(line, type=AnyEvent)
    assert isinstance(last, Saved)
    assert (last.step, last.error) == (None, None)


async def test_a_library_is_made_listed_asked_and_removed(home: Home, paced: PacedServer) -> None:
    notes(home)

    async def run(*line: str, code: int = 0) -> str:
        done = await asyncio.to_thread(home.run, *line)
        assert done.returncode == code, done
        assert "\x1b" not in done.stdout + done.stderr
        return done.stdout

    added = await run("library", "add", "notes")
    assert added.startswith("indexed 2 documents")
    listed = await run("library", "list")
    assert str(home.work / "notes") in listed
    documents = await run("library", "list", "-l", "default")
    assert documents.splitlines() == [str(home.work / "notes" / name) for name in ("rent.md", "tides.md")]
    told = await run("ask", "When is the rent due?", "-m", "lab/paced-5-0", "--json")
    saved(told.splitlines()[-1])
    answer = await run("ask", "When is the rent due?", "-m", "lab/paced-6-0", "--source", "keyword")
    assert answer.startswith("".join(words(6)))
    assert f"[1] Rent ({home.work / 'notes' / 'rent.md'}:" in answer
    (home.work / "notes" / "tides.md").unlink()
    assert "1 removed" in await run("library", "refresh")
    assert await run("library", "remove", "--all") == "removed library default: 1 document\n"
    assert await run("library", "list") == ""


async def test_documents_that_cannot_be_are_one_line(home: Home) -> None:
    assert "there is no library 'default'" in await asyncio.to_thread(home.fault, "ask", "why")
    (home.work / "picture.bin").write_bytes(bytes(range(256)))
    assert "nothing was indexed" in await asyncio.to_thread(home.fault, "library", "add", "picture.bin")
    assert "there is no library 'none'" in await asyncio.to_thread(home.fault, "library", "list", "-l", "none")
    assert "there is no library 'none'" in await asyncio.to_thread(home.fault, "library", "remove", "--all", "-l", "none")


async def test_what_gave_nothing_is_said_once_and_ends_with_1(home: Home, paced: PacedServer) -> None:
    notes(home)
    empty = home.work / "empty"
    empty.mkdir()
    assert await asyncio.to_thread(home.fault, "library", "add", "empty") == f"stretto: nothing to read was found in {empty}"
    url = f"{paced.url}/nosuch"
    line = await asyncio.to_thread(home.fault, "library", "add", url)
    assert line.startswith(f"stretto: nothing was indexed: {url}")
    assert line.count(url) == 1
    done = await asyncio.to_thread(home.run, "library", "add", "notes", "empty", url)
    assert done.returncode == 0
    assert sorted(line.partition(url)[0] for line in done.stderr.splitlines()) == [
        f"stretto: nothing to read was found in {empty}",
        "stretto: passed over ",
    ]
    assert done.stdout.startswith("indexed 2 documents")


async def test_the_agent_tells_its_steps_beside_its_report(home: Home, paced: PacedServer) -> None:
    notes(home)
    places = ("notes/tides.md", "notes/rent.md", "library:none", f"{paced.url}/pages/moon")
    done = await asyncio.to_thread(home.run, "agent", "research", "Sum up", *places, "-m", "lab/paced-5-0")
    assert done.returncode == 0
    assert done.stdout.startswith("".join(words(5)))
    assert "Not searched: library:none" in done.stdout
    log = done.stderr.splitlines()
    assert any(line.endswith("report: started") for line in log)
    assert any("library:none: failed after" in line for line in log)
    assert sum("summarise" in line and "started" in line for line in log) == 3
    assert re.fullmatch(r"done: wall [\d.]+ s, sum of its steps [\d.]+ s", log[-1])
    shown = await asyncio.to_thread(home.run, "runs", "show", "last")
    assert re.search(r"agent \w+, [-\d :]+: done, wall [\d.]+ s, sum of its steps [\d.]+ s\n", shown.stdout)
    assert "\x1b" not in done.stderr


async def test_where_report_and_log_go_to_one_pipe_each_begins_on_a_line_of_its_own(home: Home, paced: PacedServer) -> None:
    notes(home)
    line = (sys.executable, "-m", "tui.main", "agent", "research", "Sum up", "notes/tides.md", "-m", "lab/paced-5-0")

    def piped() -> str:
        environ, out = home.environ(), subprocess.PIPE
        return subprocess.run(line, stdout=out, stderr=subprocess.STDOUT, cwd=home.work, env=environ, text=True, check=True).stdout

    lines = (await asyncio.to_thread(piped)).splitlines()
    assert f"[1] Tides ({home.work / 'notes' / 'tides.md'})" in lines
    assert re.fullmatch(r" +[\d.]+ s  report: done after [\d.]+ s", lines[-2])
    assert lines[-1].startswith("done: wall ")


async def test_an_answer_that_met_the_output_limit_is_said_to_have_wherever_it_is_told(home: Home, faults: FaultServer) -> None:
    notes(home)
    model = ("-m", "bad/finish-length")

    async def told(*line: str) -> list[str]:
        done = await asyncio.to_thread(home.run, *line, *model, BAD_KEY=SECRET)
        assert done.returncode == 0, done
        return done.stderr.splitlines()

    limit = "the answer was stopped; --max-tokens raises the limit"
    assert await told("run", "hi") == [f"stretto: bad/finish-length: {limit}"]
    shown = await asyncio.to_thread(home.run, "runs", "show", "last")
    assert "model bad/finish-length: done at the output limit, about 1 tokens" in shown.stdout
    await asyncio.to_thread(home.run, "library", "add", "notes")
    assert await told("ask", "When is the rent due?") == [f"stretto: bad/finish-length: {limit}"]
    log = await told("agent", "research", "Sum up", "notes/rent.md")
    assert f"stretto: the report: {limit}" in log
    assert sum("done at the output limit after" in line for line in log) == 2


async def test_odd_names_of_models_do_not_break_the_list(home: Home) -> None:
    async with PacedServer(models=("", "good", "  ", "x" * 100_000, "two\nlines")) as server:
        home.endpoint(server.base_url)
        home.endpoint(server.base_url, "long", models=["y" * 500, ""])
        done = await asyncio.to_thread(home.run, "models")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    names = [line.partition("  ")[0] for line in lines]
    assert {"lab/good", "lab/two lines", f"long/{'y' * 194}…"} < set(names)
    assert not {"lab/", "long/"} & set(names)
    assert max(map(len, lines)) < 300


async def test_models_are_listed_with_what_is_wrong_beside_them(home: Home, paced: PacedServer) -> None:
    home.endpoint("http://127.0.0.1:9/v1", "dead")
    done = await asyncio.to_thread(home.run, "models")
    assert done.returncode == 1
    rows = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"lab/paced-400-100", "lab/delay-1.0", "dead/-", "embedded/smollm2-135m"} <= set(rows)
    assert done.stderr.startswith("stretto: dead: ")
    assert done.stderr.count("\n") == 1
