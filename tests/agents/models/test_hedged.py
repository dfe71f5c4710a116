from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agents.models.hedging import ENOUGH
from agents.models.names import parse_model
from agents.requests import Attachment, Chat, Lane, Message, Priority
from agents.settings import Endpoint, Price, Route
from tests.agents.models.lab import Lab
from tests.servers.faults import CHUNKED, DONE, END, STOP, said
from tests.servers.paced import chunk
from tests.servers.scripted import ScriptedServer, after, silence, whole

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.http import Connection, Request

HEDGED = {"pair": Route(members=("one", "two"), hedge=True, hedge_budget=1.0)}
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}\n\n'


def counted(connection: Connection, request: Request) -> None:
    connection.transport.write(CHUNKED + b"".join(map(chunk, (said("yes"), STOP, USAGE, DONE))) + END)
    connection.done()


def _two(first: ScriptedServer, second: ScriptedServer, **prices: Price) -> dict[str, Endpoint]:
    return {
        name: Endpoint(base_url=server.base_url, price=prices.get(name), max_retries=0)
        for name, server in (("one", first), ("two", second))
    }


async def _learned(lab: Lab) -> None:
    """Let both members answer often enough for it to be known what is slow, and let the first be the one that is asked."""
    for number in range(ENOUGH):
        pair = [lab.submit("pair/m", f"Learn {number}, {half}") for half in (1, 2)]
        for asked in pair:
            assert (await asked.over()).ended.outcome == "done"
    lab.models.directory.gates["two"].first_tokens.mean = 9.0


def _tokens_used(lab: Lab, name: str) -> int:
    return lab.models.figures().doors[name].tokens.used


async def test_a_second_attempt_counts_its_tokens_at_its_own_door_and_the_first_keeps_its_own(tmp_path: Path) -> None:
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=HEDGED) as lab,
    ):
        await _learned(lab)
        one.then([silence])
        two.then([counted])
        before = _tokens_used(lab, "one"), _tokens_used(lab, "two")
        asked = await lab.ask("pair/m", "Slow")
        assert (asked.text, asked.ended.attempts) == ("yes", 2)
        assert _tokens_used(lab, "one") - before[0] >= 400
        assert _tokens_used(lab, "two") - before[1] == 15


async def test_an_answer_does_not_wait_for_a_second_attempt_that_is_not_let_in(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=HEDGED) as lab,
    ):
        await _learned(lab)
        before = two.counts.requests
        one.then([after(go, whole("late"))])
        # There is room at its door, but not for so many tokens.
        lab.models.set_limits("two", None, _tokens_used(lab, "two") + 100)
        asked = lab.submit("pair/m", "Slow")
        await lab.until(lambda: lab.models.figures().doors["two"].depth[Priority.INTERACTIVE] == 1)
        go.set()
        async with asyncio.timeout(5):
            await asked.over()
        assert (asked.text, two.counts.requests) == ("late", before)
        assert [(load.depth, load.in_flight) for load in lab.models.load()[:2]] == [(0, 0), (0, 0)]


async def test_an_attempt_that_was_too_slow_counts_as_slow(tmp_path: Path) -> None:
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=HEDGED) as lab,
    ):
        await _learned(lab)
        one.then([silence])
        times = lab.models.directory.gates["one"].first_tokens
        slow, mean = times.p95("m"), times.mean
        asked = await lab.ask("pair/m", "Slow")
        assert asked.ended.attempts == 2
        assert slow is not None
        assert mean is not None
        assert (times.p95("m") or 0.0) >= slow
        assert (times.mean or 0.0) > mean


async def test_the_cost_is_that_of_the_attempt_that_answered(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with ScriptedServer(whole("yes")) as one, ScriptedServer(whole("yes")) as two:
        endpoints = _two(one, two, one=Price(output=2e5), two=Price(output=9e6))
        async with Lab(tmp_path, endpoints, routes=HEDGED) as lab:
            await _learned(lab)
            one.then([after(go, counted)])
            two.then([silence])
            before = two.counts.requests
            asked = lab.submit("pair/m", "Slow")
            await two.until(lambda: two.counts.requests == before + 1)
            go.set()
            await asked.over()
    assert asked.text == "yes"
    assert asked.ended.cost == pytest.approx(1.0)


async def test_a_missing_file_is_told_as_one_where_a_call_may_be_asked_twice(tmp_path: Path) -> None:
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=HEDGED) as lab,
    ):
        await _learned(lab)
        file = Attachment(name="notes.txt", media="text/plain", digest="0" * 64, size=3)
        message = Message("user", "Read it", attachments=(file,))
        run = lab.engine.submit(Chat(lanes=(Lane(model=parse_model("pair/m"), messages=(message,)),)))
        await run.wait()
    (step,) = run.steps.values()
    assert step.end is not None
    assert step.end.error_kind == "bad_request"
    assert "notes.txt is no longer stored" in (step.end.error or "")
