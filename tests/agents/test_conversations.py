from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from agents.models.names import parse_model
from agents.requests import Chat, Lane, Message
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agents.runs import Run


def echo(asked: dict[str, object]) -> str:
    messages = asked["messages"]
    assert isinstance(messages, list)
    return f"answer {sum(message['role'] == 'user' for message in messages)}"


@asynccontextmanager
async def workspace(folder: Path, server: PacedServer) -> AsyncIterator[Workspace]:
    settings = Settings(defaults=Defaults(cache=False), endpoints={"lab": Endpoint(base_url=server.base_url)})
    locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    async with Workspace(settings, locations) as found:
        yield found


async def turn(at: Workspace, text: str, after: str | None = None, system: str | None = None) -> Run:
    lane = Lane(model=parse_model("lab/any"), messages=(Message("user", text),), after=after, system=system)
    run = at.engine.submit(Chat(lanes=(lane,), use_cache=False))
    await run.wait()
    return run


async def saved(at: Workspace, run: Run) -> None:
    async with asyncio.timeout(20):
        while not any(row.text for row in await at.history.steps(run.id)):
            pass


def only(run: Run) -> str:
    (step,) = run.steps
    return step


def sent(server: PacedServer) -> list[tuple[str, str]]:
    messages = server.requests[-1].json()["messages"]
    assert isinstance(messages, list)
    return [(message["role"], message["content"]) for message in messages]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_turn_is_sent_with_all_that_led_to_it_also_by_another_process(tmp_path: Path, restarted: bool) -> None:
    async with PacedServer(reply=echo) as server:
        async with workspace(tmp_path, server) as at:
            first = await turn(at, "one", system="be brief")
            second = await turn(at, "two", only(first), system="be brief")
            if not restarted:
                await turn(at, "three", only(second), system="be kind")
        if restarted:
            async with workspace(tmp_path, server) as at:
                await turn(at, "three", only(second), system="be kind")
        assert sent(server) == [
            ("system", "be kind"),
            ("user", "one"),
            ("assistant", "answer 1"),
            ("user", "two"),
            ("assistant", "answer 2"),
            ("user", "three"),
        ]


async def test_two_turns_may_follow_the_same_one(tmp_path: Path) -> None:
    async with PacedServer(reply=echo) as server, workspace(tmp_path, server) as at:
        first = await turn(at, "one")
        await turn(at, "left", only(first))
        await turn(at, "right", only(first))
        assert [text for _, text in sent(server)] == ["one", "answer 1", "right"]


async def test_what_is_stored_grows_with_what_is_new_and_not_with_the_conversation(tmp_path: Path) -> None:
    async with PacedServer(reply=echo) as server, workspace(tmp_path, server) as at:
        after, sizes = None, []
        for _ in range(12):
            run = await turn(at, "the same words every time", after)
            after = only(run)
            row = await at.history.find(run.id)
            while row is None:
                row = await at.history.find(run.id)
            sizes.append(len(row.request))
        assert len(sent(server)) == 23
        assert max(sizes[1:]) == min(sizes[1:])


async def test_a_turn_after_one_that_is_gone_fails_in_one_line(tmp_path: Path) -> None:
    async with PacedServer(reply=echo) as server, workspace(tmp_path, server) as at:
        run = await turn(at, "and?", "01arz3ndektsv4.1")
        (step,) = run.steps.values()
        assert step.outcome == "failed"
        assert server.counts.requests == 0


async def test_a_turn_after_one_whose_end_was_not_stored_fails_and_is_not_sent_with_an_empty_answer(tmp_path: Path) -> None:
    async with PacedServer(reply=echo) as server:
        async with workspace(tmp_path, server) as at:
            first = await turn(at, "one")
            await saved(at, first)
        (database,) = (tmp_path / "data").glob("*.db")
        with closing(sqlite3.connect(database)) as raw, raw:
            raw.execute("UPDATE steps SET outcome = NULL, text = ''")
        async with workspace(tmp_path, server) as at:
            run = await turn(at, "two", only(first))
            (step,) = run.steps.values()
            assert step.outcome == "failed"
        assert server.counts.requests == 1


async def test_a_stopped_answer_is_part_of_the_conversation_as_far_as_it_came(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as at:
        lane = Lane(model=parse_model("lab/paced-1000-50"), messages=(Message("user", "long"),))
        run = at.engine.submit(Chat(lanes=(lane,), use_cache=False))
        with at.engine.subscribe(run.id) as reader:
            async for event in reader:
                if event.__struct_config__.tag == "text":
                    run.cancel(next(iter(run.steps)))
                    break
        await run.wait()
        await turn(at, "go on", only(run))
        assert sent(server)[1] == ("assistant", str(run.steps[only(run)].text))
        assert sent(server)[2] == ("user", "go on")


async def test_turns_that_no_longer_fit_in_memory_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.conversations._KEPT_CHARS", len("answer 1") + 4)
    async with PacedServer(reply=echo) as server, workspace(tmp_path, server) as at:
        first = await turn(at, "one")
        await saved(at, first)
        second = await turn(at, "two", only(first))
        await saved(at, second)
        third = await turn(at, "three", only(second))
        assert list(at.conversations._turns) == [only(third)]
        assert at.conversations._chars == len("answer 3")
        assert [content for _, content in sent(server)] == ["one", "answer 1", "two", "answer 2", "three"]
