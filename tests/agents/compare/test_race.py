from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.events import Log, StepEnded, StepQueued, Won
from agents.requests import Accept, ModelRef, Race
from agents.settings import Defaults
from tests.agents.compare.stage import Stage, Told, lane
from tests.servers.faults import FaultServer
from tests.servers.paced import PacedServer, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SLOW = "paced-4000-50"


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def schema(**properties: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"type": "object", "properties": properties, "required": list(properties)}).encode())


def winner(told: Told) -> str:
    (won,) = told.of(Won)
    return told.names[won.step]


async def test_the_first_whole_answer_wins_and_the_other_connections_are_closed(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane(SLOW), lane("paced-20-100"), lane(SLOW, label="third"))))
        await server.until(lambda: server.counts.dropped == 2)
        assert server.counts.in_flight == 0
    assert (told.ended.outcome, winner(told)) == ("done", "paced-20-100")
    assert told.text("paced-20-100") == "".join(words(20))
    ends = told.ends()
    assert {name: end.outcome for name, end in ends.items()} == {SLOW: "cancelled", "paced-20-100": "done", "third": "cancelled"}
    assert 0 < len(told.text(SLOW)) < len("".join(words(400)))
    assert told.text(SLOW) == "".join(words(4000))[: len(told.text(SLOW))]


async def test_the_win_is_told_before_the_winner_ends_and_before_the_others_do(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane(SLOW), lane("paced-5-0"))))
    (won,) = told.of(Won)
    ends = told.of(StepEnded)
    assert won.seq < min(end.seq for end in ends)
    assert {end.step for end in ends} == {event.step for event in told.of(StepQueued)}
    assert won.reason == "the first whole answer"


async def test_what_is_saved_is_what_the_others_might_still_have_made(server: PacedServer, tmp_path: Path) -> None:
    lanes = (lane("delay-60", limit=300), lane("delay-60", label="other"), lane("paced-5-0"))
    async with Stage(tmp_path, server.base_url, defaults=Defaults(max_tokens=120)) as stage:
        told = await stage.run(Race(lanes=lanes))
    (won,) = told.of(Won)
    assert won.saved == 300 + 120


async def test_tokens_that_came_are_not_saved(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane(SLOW, limit=100), lane("paced-30-50"))))
    (won,) = told.of(Won)
    usage = told.ends()[SLOW].usage
    assert usage is not None
    assert usage.estimated
    assert 0 < won.saved < 95
    assert abs(100 - won.saved - usage.output) <= 10


async def test_an_answer_that_is_refused_stays_whole_and_a_later_one_wins(server: PacedServer, tmp_path: Path) -> None:
    lanes = (lane("paced-3-0"), lane("delay-0.2-30"), lane(SLOW))
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=lanes, accept=Accept(min_chars=40, pattern=r"\bvoice\b")))
    assert winner(told) == "delay-0.2-30"
    assert told.of(Won)[0].reason == "at least 40 characters, the pattern is in it"
    assert told.ends()["paced-3-0"].outcome == "done"
    (log,) = [event for event in told.of(Log) if told.names[event.step] == "paced-3-0"]
    assert log.message == f"not accepted: it has {len(''.join(words(3)))} characters, fewer than 40"


async def test_a_lane_that_fails_does_not_end_the_race(server: PacedServer, tmp_path: Path) -> None:
    async with FaultServer() as faults, Stage(tmp_path, server.base_url, bad=faults.base_url) as stage:
        bad = msgspec.structs.replace(lane("x"), model=ModelRef("bad", "status-500"), label="bad")
        cut = msgspec.structs.replace(lane("x"), model=ModelRef("bad", "fin-mid-chunked"), label="cut")
        told = await stage.run(Race(lanes=(bad, cut, lane("delay-0.3"))))
    assert winner(told) == "delay-0.3"
    assert [told.ends()[name].outcome for name in ("bad", "cut")] == ["failed", "cut"]
    assert told.ended.outcome == "done"


async def test_no_acceptable_answer_is_one_line_with_each_reason(server: PacedServer, tmp_path: Path) -> None:
    async with FaultServer() as faults, Stage(tmp_path, server.base_url, bad=faults.base_url) as stage:
        bad = msgspec.structs.replace(lane("x"), model=ModelRef("bad", "status-401"), label="bad")
        told = await stage.run(Race(lanes=(lane("paced-3-0"), lane("paced-40-0"), bad), accept=Accept(min_chars=15, max_chars=20)))
    assert told.ended.outcome == "failed"
    error = told.ended.error or ""
    assert error.startswith("no answer was acceptable (paced-3-0: it has ")
    assert "; paced-40-0: it has " in error
    assert "; bad: " in error
    assert "bad: bad: " not in error
    assert told.of(Won) == []
    assert "\n" not in error


@pytest.mark.parametrize(
    ("model", "reason"), [("finish-filter", "content filter"), ("finish-length", None), ("only-done", "without a finish reason")]
)
async def test_an_answer_that_is_not_whole_does_not_win(model: str, reason: str | None, tmp_path: Path) -> None:
    async with FaultServer() as faults, Stage(tmp_path, faults.base_url) as stage:
        told = await stage.run(Race(lanes=(lane(model),)))
    if reason is None:
        assert told.of(Won)[0].reason == "the first whole answer (it ends at its output limit)"
    else:
        assert reason in (told.ended.error or "")


async def test_a_pattern_without_end_holds_up_neither_the_loop_nor_the_race(
    server: PacedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.compare.accept.CHECK_SECONDS", 1.0)
    hostile = "a" * 40 + "!"
    server._reply = lambda asked: hostile if asked["model"] == "first" else "aaaa"
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    async with Stage(tmp_path, server.base_url) as stage, asyncio.TaskGroup() as group:
        turning = group.create_task(turn())
        told = await stage.run(Race(lanes=(lane("first"), lane("delay-0.3-2")), accept=Accept(pattern=r"^(a+)+$")))
        turning.cancel()
    assert turns > 20
    assert winner(told) == "delay-0.3-2"
    (log,) = [event for event in told.of(Log) if told.names[event.step] == "first"]
    assert log.message == "not accepted: testing it takes longer than 1 s: the pattern or schema is too costly"


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        (Accept(pattern="("), "is no regular expression"),
        (Accept(schema=msgspec.Raw(b'{"type": 3}')), "is no JSON schema"),
        (Accept(schema=msgspec.Raw(b"[1]")), "not a JSON object"),
        (Accept(schema=msgspec.Raw(b'{"$ref": "http://127.0.0.1:9/x"}')), "refers to what is not in it"),
        (Accept(min_chars=5, max_chars=4), "no answer has at least 5 and at most 4 characters"),
    ],
)
async def test_tests_that_are_none_end_the_race_in_one_line(
    accept: Accept, words: str, server: PacedServer, tmp_path: Path
) -> None:
    server._reply = lambda asked: "{}"
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane("delay-0.5"), lane(SLOW)), accept=accept))
        await server.until(lambda: server.counts.in_flight == 0)
    assert told.ended.outcome == "failed"
    assert words in (told.ended.error or "")
    assert told.of(Won) == []


async def test_a_schema_decides(server: PacedServer, tmp_path: Path) -> None:
    replies = {"prose": "Sure! Here it is", "wrong": '{"n": "three"}', "fenced": '```json\n{"n": 3}\n```', "delay-0.3": '{"n": 3}'}
    server._reply = lambda asked: replies[str(asked["model"])]
    lanes = tuple(lane(name) for name in replies)
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=lanes, accept=Accept(schema=schema(n={"type": "integer"}))))
    assert winner(told) == "delay-0.3"
    logs = {told.names[event.step]: event.message.removeprefix("not accepted: ") for event in told.of(Log)}
    assert logs == {
        "prose": "it is not JSON",
        "wrong": "it breaks the schema at $.n: 'three' is not of type 'integer'",
        "fenced": "it is JSON within a code fence",
    }


@pytest.mark.parametrize("form", ['{"acceptable": %s, "reason": "so it is"}', "%s, so it is"])
async def test_a_judge_decides(form: str, server: PacedServer, tmp_path: Path) -> None:
    json_form = form.startswith("{")
    yes, no = ("true", "false") if json_form else ("Yes", "No")

    def reply(asked: dict[str, object]) -> str | None:
        if asked["model"] != "judge":
            return f"I am {asked['model']}"
        return form % (yes if "I am delay-0.3" in str(asked["messages"]) else no)

    server._reply = reply
    accept = Accept(judge=ModelRef("lab", "judge"), criterion="It is late")
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane("quick"), lane("delay-0.3"), lane("delay-60")), accept=accept))
    assert winner(told) == "delay-0.3"
    assert told.of(Won)[0].reason == "the first whole answer, lab/judge accepts it"
    parents = [told.names[event.parent] for event in told.of(StepQueued) if event.name == "judge" and event.parent]
    assert parents == ["quick", "delay-0.3"]
    assert [event.message for event in told.of(Log)] == ["not accepted: lab/judge does not accept it: so it is"]
    asked = [request.json() for request in server.requests if request.json()["model"] == "judge"]
    assert [body["temperature"] for body in asked] == [0.0, 0.0]


async def test_a_judge_that_fails_is_the_reason_and_the_lane_is_not_blamed(server: PacedServer, tmp_path: Path) -> None:
    accept = Accept(judge=ModelRef("nosuch", "m"))
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane("paced-3-0"),), accept=accept))
    assert told.ends()["paced-3-0"].outcome == "done"
    assert "paced-3-0: the judge failed: there is no endpoint 'nosuch'" in (told.ended.error or "")


async def test_an_answer_that_is_whole_when_another_wins_is_not_stopped(server: PacedServer, tmp_path: Path) -> None:
    server._reply = lambda asked: '{"acceptable": true}' if asked["model"] == "delay-1" else "whole"
    accept = Accept(judge=ModelRef("lab", "delay-1"))
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane("quick"), lane("as quick"), lane("delay-60")), accept=accept))
    ends = told.ends()
    assert [ends[name].outcome for name in ("quick", "as quick", "delay-60")] == ["done", "done", "cancelled"]
    assert told.of(Won)[0].saved == 400


async def test_a_lane_stopped_by_hand_does_not_end_the_race(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        with stage.engine.subscribe() as reader:
            run = stage.engine.submit(Race(lanes=(lane(SLOW), lane("paced-3-0-200"))))
            await server.until(lambda: server.counts.in_flight == 2)
            run.cancel(f"{run.id}.1")
            ended = await run.wait()
            told = Told(run, ended, reader.drain())
    assert winner(told) == "paced-3-0-200"
    assert told.ends()[SLOW].outcome == "cancelled"


async def test_a_cancelled_race_closes_every_connection(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        run = stage.engine.submit(Race(lanes=(lane(SLOW), lane(SLOW, label="other")), accept=Accept(pattern="x")))
        await server.until(lambda: server.counts.in_flight == 2)
        run.cancel()
        ended = await run.wait()
        await server.until(lambda: server.counts.dropped == 2)
    assert ended.outcome == "cancelled"


async def test_a_race_without_models_says_so(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        assert (await stage.run(Race(lanes=()))).ended.error == "a race needs models"


async def test_a_winners_turn_can_be_gone_on_from(server: PacedServer, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Race(lanes=(lane("paced-3-0", "first"),)))
        after = msgspec.structs.replace(lane("paced-3-0", "second"), after=told.of(Won)[0].step)
        messages = await stage.conversations.messages(after)
    assert [message.content for message in messages] == ["first", "".join(words(3)), "second"]
