from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.agents.retrieval.test_shorten import LEASE

if TYPE_CHECKING:
    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home

ANSWER = "The rent is due on the third working day of each month."
LOST = "He likes to be offered tea."
NOTE = "material shortened from ≈ "


def sent(server: PacedServer) -> str:
    messages = server.requests[-1].json()["messages"]
    assert isinstance(messages, list)
    return str(messages[-1]["content"])


async def test_standard_input_beside_a_prompt_is_material_and_can_be_sent_shorter(home: Home, paced: PacedServer) -> None:
    command = ("run", "When is the rent due?", "-m", "lab/paced-7-0", "--no-cache")
    done = await asyncio.to_thread(home.run, *command, "--compress", "extract", given=LEASE)
    assert done.returncode == 0
    assert sent(paced).startswith("When is the rent due?\n\nFile standard input, shortened:\n```\n# The house")
    assert ANSWER in sent(paced)
    assert LOST not in sent(paced)
    assert NOTE in done.stderr
    assert done.stderr.count("\n") == 1
    plain = await asyncio.to_thread(home.run, *command, given=LEASE)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert sent(paced) == f"When is the rent due?\n\n{LEASE.strip()}"


async def test_a_prompt_from_standard_input_alone_is_a_persons_own_words(home: Home, paced: PacedServer) -> None:
    done = await asyncio.to_thread(home.run, "run", "-m", "lab/paced-7-0", "--compress", "terse", given=LEASE)
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(paced) == LEASE.strip()


async def test_attached_files_and_passages_are_sent_shorter(home: Home, paced: PacedServer) -> None:
    (home.work / "lease.md").write_text(LEASE)
    question = "When is the rent due?"
    done = await asyncio.to_thread(
        home.run, "run", question, "-a", "lease.md", "-m", "lab/paced-7-0", "-m", "lab/paced-8-0", "--compress", "extract"
    )
    assert done.returncode == 0
    assert done.stderr.count(NOTE) == 2
    assert ANSWER in sent(paced)
    assert LOST not in sent(paced)
    done = await asyncio.to_thread(home.run, "ask", question, "lease.md", "-m", "lab/paced-7-0", "--compress", "extract")
    assert done.returncode == 0, done.stderr
    assert NOTE in done.stderr
    assert "lease.md" in done.stdout
    assert ANSWER in sent(paced)
    assert LOST not in sent(paced)


@pytest.mark.skipif(importlib.util.find_spec("llmlingua") is not None, reason="llmlingua is installed here")
@pytest.mark.parametrize("command", [("run", "Why?"), ("ask", "Why?", ".")])
def test_llmlingua_that_is_not_installed_is_one_line_and_nothing_is_asked(
    home: Home, paced: PacedServer, command: tuple[str, ...]
) -> None:
    done = home.run(*command, "--compress", "llmlingua")
    assert done.returncode == 1
    assert done.stderr == (
        "stretto: llmlingua is not installed: pip install 'stretto[llmlingua]', or choose extract, which needs nothing\n"
    )
    assert paced.requests == []


async def test_the_configuration_chooses_it_for_all(home: Home, paced: PacedServer) -> None:
    home.config.write_text(f"{home.config.read_text()}[defaults]\ncompress = 'extract'\n")
    done = await asyncio.to_thread(home.run, "run", "When is the rent due?", "-m", "lab/paced-7-0", given=LEASE)
    assert NOTE in done.stderr
    off = await asyncio.to_thread(home.run, "run", "When is the rent due?", "-m", "lab/paced-7-0", "--compress", "off", given=LEASE)
    assert (off.returncode, off.stderr) == (0, "")
