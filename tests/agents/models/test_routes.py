from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from agents.errors import CallError
from agents.events import Log, Retried, StepStarted
from agents.models.directory import Directory
from agents.models.discovery import targets
from agents.models.flights import Flight
from agents.models.hedging import ENOUGH, FirstTokens, Hedges
from agents.models.turns import Turn
from agents.requests import Message, ModelCall, ModelRef, Priority
from agents.settings import Endpoint, Price, Route, Settings, Timeouts
from storage.cache import ResponseCache
from storage.store import Store
from tests.agents.models.lab import Lab
from tests.servers.paced import PacedServer, words
from tests.servers.scripted import Scene, ScriptedServer, after, cut, silence, status, whole

if TYPE_CHECKING:
    from tests.servers.http import LoopbackServer

BOTH = {"pair": Route(members=("one", "two"))}


def _endpoint(server: LoopbackServer, **fields: object) -> Endpoint:
    return Endpoint(base_url=server.base_url, **fields)  # type: ignore[arg-type]  # the caller names fields as they are


def _two(one: LoopbackServer, two: LoopbackServer, **fields: object) -> dict[str, Endpoint]:
    return {"one": _endpoint(one, **fields), "two": _endpoint(two, **fields)}


async def test_the_load_is_shared_and_every_answer_says_where_it_came_from(tmp_path: Path) -> None:
    async with PacedServer() as one, PacedServer() as two, Lab(tmp_path, _two(one, two, concurrency=3), routes=BOTH) as lab:
        calls = [lab.submit("pair/paced-10-200", f"Call {number}") for number in range(6)]
        for asked in calls:
            await asked.over()
        figures = lab.models.figures().routes["pair"]
    assert (one.counts.requests, two.counts.requests) == (3, 3)
    places = {asked.of(StepStarted)[0].endpoint for asked in calls}
    assert places == {"one/paced-10-200", "two/paced-10-200"}
    assert all(f"{asked.of(StepStarted)[0].endpoint} answers" in [event.message for event in asked.of(Log)] for asked in calls)
    assert figures.answered == {"one/paced-10-200": 3, "two/paced-10-200": 3}


async def test_a_member_may_call_the_model_otherwise(tmp_path: Path) -> None:
    routes = {"alias": Route(members=("one/paced-5-0",))}
    async with PacedServer() as one, Lab(tmp_path, {"one": _endpoint(one)}, routes=routes) as lab:
        asked = await lab.ask("alias/best")
        sent = one.requests[0].json()
    assert (asked.text, sent["model"], asked.ended.outcome) == ("".join(words(5)), "paced-5-0", "done")


@pytest.mark.parametrize("scene", [status(500), status(401), status(404), status(429, kind="insufficient_quota"), cut()])
async def test_what_fails_at_one_member_is_asked_at_another_at_once(scene: Scene, tmp_path: Path) -> None:
    async with (
        ScriptedServer(scene) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two, max_retries=0), routes=BOTH) as lab,
    ):
        asked = await lab.ask("pair/m")
    assert (one.counts.requests, two.counts.requests) == (1, 1)
    assert (asked.ended.outcome, asked.text, asked.of(Retried)[0].delay) == ("done", "yes", 0.0)


async def test_a_member_that_asks_to_wait_is_left_alone_and_nobody_waits_at_its_door(tmp_path: Path) -> None:
    refusal = status(429, "retry-after: 60\r\n")
    async with (
        ScriptedServer(refusal) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two, concurrency=2), routes=BOTH) as lab,
    ):
        calls = [lab.submit("pair/m", f"Call {number}") for number in range(20)]
        for asked in calls:
            assert ((await asked.over()).ended.outcome, asked.text) == ("done", "yes")
        more = [await lab.ask("pair/m", f"More {number}") for number in range(5)]
        assert one.counts.requests <= 2
    assert all(asked.ended.attempts == 1 for asked in more)


async def test_a_request_at_fault_is_asked_nowhere_else(tmp_path: Path) -> None:
    async with (
        ScriptedServer(status(400)) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=BOTH) as lab,
    ):
        asked = await lab.ask("pair/m")
    assert (asked.ended.error_kind, two.counts.requests) == ("bad_request", 0)


async def test_an_answer_cut_at_one_member_goes_on_at_another(tmp_path: Path) -> None:
    async with (
        ScriptedServer(cut("Once upon ")) as one,
        ScriptedServer(whole("a time.")) as two,
        Lab(tmp_path, _two(one, two, on_cut="resume"), routes=BOTH) as lab,
    ):
        asked = await lab.ask("pair/m")
    assert (asked.ended.outcome, asked.text) == ("done", "Once upon a time.")
    assert [event.endpoint for event in asked.of(StepStarted)] == ["one/m", "two/m"]


async def test_a_member_that_is_ill_is_left_out_and_taken_back_when_it_is_well(tmp_path: Path) -> None:
    async with (
        ScriptedServer(status(500)) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=BOTH) as lab,
    ):
        for number in range(20):
            assert (await lab.ask("pair/m", f"Call {number}", priority=Priority.AGENT)).ended.outcome == "done"
        before = one.counts.requests
        assert before <= 6
        one.then([whole("back")])
        answers: list[str] = []
        while "back" not in answers:
            calls = [lab.submit("pair/m", f"{len(answers)}, {n}", priority=Priority.AGENT) for n in range(4)]
            answers += [(await asked.over()).text for asked in calls]
            await asyncio.sleep(0.01)
        assert lab.models.figures().health["one"].state == "closed"


async def test_fallbacks_come_in_their_order_when_no_member_can_answer(tmp_path: Path) -> None:
    routes = {"pair": Route(members=("one",), fallbacks=("two/small", "three/tiny"))}
    async with (
        ScriptedServer(status(401)) as one,
        ScriptedServer(status(500)) as two,
        ScriptedServer(whole("small but there")) as three,
        Store(tmp_path / "s.db") as store,
    ):
        endpoints = {**_two(one, two), "three": _endpoint(three, price=Price(output=5.0))}
        async with Lab(tmp_path, endpoints, routes=routes, cache=ResponseCache(store)) as lab:
            asked = await lab.ask("pair/m")
            again = await lab.ask("pair/m")
        assert three.requests[0].json()["model"] == "tiny"
    assert [event.endpoint for event in asked.of(StepStarted)] == ["one/m", "two/small", "three/tiny"]
    assert asked.of(Log)[-1].message == "three/tiny answers in place of pair/m"
    # It is another model's answer: it is not kept as if it were this one's.
    assert (again.ended.outcome, again.ended.cached) == ("done", False)


async def test_a_member_that_may_recover_is_tried_again_though_another_will_not(tmp_path: Path) -> None:
    async with (
        ScriptedServer(status(500), whole("yes")) as one,
        ScriptedServer(status(401)) as two,
        Lab(tmp_path, _two(one, two), routes=BOTH) as lab,
    ):
        asked = await lab.ask("pair/m")
    assert (asked.ended.outcome, asked.text) == ("done", "yes")
    assert [event.endpoint for event in asked.of(StepStarted)] == ["one/m", "two/m", "one/m"]


async def test_nothing_left_to_ask_is_said_and_names_who_said_no(tmp_path: Path) -> None:
    async with (
        ScriptedServer(status(401)) as one,
        ScriptedServer(status(403)) as two,
        Lab(tmp_path, _two(one, two), routes=BOTH) as lab,
    ):
        first = await lab.ask("pair/m")
        later = await lab.ask("pair/m", priority=Priority.BATCH)
    assert (first.ended.outcome, later.ended.outcome) == ("failed", "failed")
    assert "not asked, it is tried again in" in str(later.ended.error)


async def test_a_call_that_waits_moves_to_the_member_that_is_free_first(tmp_path: Path) -> None:
    one_goes, two_goes = asyncio.Event(), asyncio.Event()
    async with (
        ScriptedServer(after(one_goes, whole("one"))) as one,
        ScriptedServer(after(two_goes, whole("two"))) as two,
        Lab(tmp_path, _two(one, two, concurrency=1), routes=BOTH) as lab,
    ):
        calls = [lab.submit("pair/m", f"Call {number}") for number in range(4)]
        await lab.until(lambda: sum(load.depth for load in lab.models.load()) == 2)
        two_goes.set()
        await two.until(lambda: two.counts.requests == 3)
        assert one.counts.requests == 1
        one_goes.set()
        for asked in calls:
            assert (await asked.over()).ended.outcome == "done"
        figures = lab.models.figures().routes["pair"]
    assert (figures.waiting, figures.moved) == (0, 1)


async def test_a_call_that_waits_moves_when_its_member_falls_ill(tmp_path: Path) -> None:
    fall, go = asyncio.Event(), asyncio.Event()
    async with ScriptedServer(after(fall, status(500))) as one, ScriptedServer(after(go, whole("two"))) as two:
        endpoints = {"one": _endpoint(one, concurrency=5, max_retries=0), "two": _endpoint(two, concurrency=5)}
        async with Lab(tmp_path, endpoints, routes=BOTH) as lab:
            calls = [lab.submit("pair/m", f"Call {number}", priority=Priority.BATCH) for number in range(16)]
            await lab.until(lambda: sum(load.depth for load in lab.models.load()) == 6)
            fall.set()
            await lab.until(lambda: lab.models.figures().health["one"].state == "open")
            go.set()
            ends = [(await asked.over()).ended.outcome for asked in calls]
    assert ends == ["done"] * 16
    assert 5 <= one.counts.requests < 12


async def test_cancelled_while_waiting_it_leaves_nothing_behind(tmp_path: Path) -> None:
    async with (
        ScriptedServer(silence) as one,
        ScriptedServer(silence) as two,
        Lab(tmp_path, _two(one, two, concurrency=1), routes=BOTH) as lab,
    ):
        calls = [lab.submit("pair/m", f"Call {number}") for number in range(6)]
        await lab.until(lambda: sum(load.depth for load in lab.models.load()) == 4)
        for asked in calls:
            asked.run.cancel()
        for asked in calls:
            await asked.over()
        await lab.until(lambda: lab.models.figures().flights == 0)
        assert [(load.depth, load.in_flight) for load in lab.models.load()[:2]] == [(0, 0), (0, 0)]
        assert lab.models.figures().routes["pair"].waiting == 0


async def test_room_that_a_call_was_moved_for_is_free_again_when_it_got_a_place_where_it_was(tmp_path: Path) -> None:
    async with (
        ScriptedServer(silence) as one,
        ScriptedServer(silence) as two,
        Lab(tmp_path, _two(one, two, concurrency=1), routes=BOTH) as lab,
    ):
        gates = lab.models.directory.gates
        held = [gates[name].door.place(Priority.INTERACTIVE) for name in ("one", "two")]
        for place in held:
            await place.__aenter__()
        asked = lab.submit("pair/m")
        road = lab.models.directory.roads
        await lab.until(lambda: "pair" in road and road["pair"].figures().waiting == 1)
        # Both become free in the same turn of the loop: the call has its place at one before it hears of the other.
        for name, place in zip(("one", "two"), held, strict=True):
            await place.__aexit__(None, None, None)
            gates[name].left()
        await lab.until(lambda: one.counts.requests + two.counts.requests == 1)
        idle = "two" if one.counts.requests else "one"
        assert road["pair"].room(gates[idle])
        asked.run.cancel()
        await asked.over()


@pytest.fixture
def directory() -> Directory:
    endpoints = {name: Endpoint(base_url="http://127.0.0.1:9/v1", concurrency=1) for name in ("one", "two")}
    return Directory(targets(Settings(endpoints=endpoints), {}), BOTH, monotonic, Turn())


def _flight(model: ModelRef, priority: Priority = Priority.INTERACTIVE) -> Flight:
    return Flight(ModelCall(model=model, messages=(Message("user", "Hello"),), priority=priority), None, lambda _: None)


async def test_who_has_nowhere_else_to_go_keeps_nobody_from_going(directory: Directory) -> None:
    one, two = directory.gates["one"], directory.gates["two"]
    two.health.failed(two.health.begin(), CallError("not_found", "two: no such model"), "alpha")
    alpha, beta, gamma = (ModelRef("pair", name) for name in ("alpha", "beta", "gamma"))
    flights = [_flight(ref) for ref in (alpha, beta, gamma)]
    courses = [directory.course(ref) for ref in (alpha, beta, gamma)]
    async with one.door.place(Priority.INTERACTIVE):
        with (
            courses[0].waiting(flights[0], courses[0].members[0]),
            courses[1].waiting(flights[1], courses[1].members[0], (courses[1].members[1],)),
            courses[2].waiting(flights[2], courses[2].members[0]),
        ):
            two.left()
            # The model of the first is not there, and there the second has failed.
            assert [flight.promised for flight in flights] == [None, None, two]
    directory.rest()


async def test_where_no_member_is_well_a_persons_call_keeps_its_place_in_line_and_others_are_told(directory: Directory) -> None:
    for gate in (directory.gates["one"], directory.gates["two"]):
        gate.health.shut(60.0, CallError("server", "it is down", retryable=True))
    ref = ModelRef("pair", "m")
    course, road = directory.course(ref), directory.roads["pair"]
    with course.waiting(_flight(ref), course.members[0]), course.waiting(_flight(ref, Priority.BATCH), course.members[0]):
        for _ in range(3):
            road.look()
        assert (road.figures().waiting, road.figures().moved) == (1, 1)
    directory.rest()


# ---- hedging ----

HEDGED = {"pair": Route(members=("one", "two"), hedge=True, hedge_budget=1.0)}


async def _learn(lab: Lab, model: str = "pair/m") -> None:
    """Let both members answer often enough for it to be known what is slow."""
    for number in range(ENOUGH):
        pair = [lab.submit(model, f"Learn {number}, {half}") for half in (1, 2)]
        for asked in pair:
            assert (await asked.over()).ended.outcome == "done"


async def test_a_second_member_is_asked_when_the_first_is_slower_than_nearly_always(tmp_path: Path) -> None:
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=HEDGED) as lab,
    ):
        await _learn(lab)
        one.then([silence])
        two.then([whole("the other")])
        pair = [lab.submit("pair/m", f"Slow {half}") for half in (1, 2)]
        asked = [await each.over() for each in pair]
        figures = lab.models.figures().routes["pair"].hedges
        await one.until(lambda: one.counts.in_flight == 0)
        assert [(load.depth, load.in_flight) for load in lab.models.load()[:2]] == [(0, 0), (0, 0)]
    assert [one.text for one in asked] == ["the other", "the other"]
    won = [each for each in asked if each.ended.attempts == 2]
    assert won
    assert all([event.endpoint for event in each.of(StepStarted)] == ["one/m", "two/m"] for each in won)
    assert all(any("two/m is asked too: no text from one/m" in event.message for event in each.of(Log)) for each in won)
    assert figures is not None
    assert (figures.won, figures.hedged >= figures.won) == (len(won), True)


async def test_nothing_is_asked_twice_before_it_is_known_what_is_slow_nor_beyond_the_budget(tmp_path: Path) -> None:
    routes = {"pair": Route(members=("one", "two"), hedge=True, hedge_budget=0.0)}
    go = asyncio.Event()
    async with (
        ScriptedServer(whole("yes")) as one,
        ScriptedServer(whole("yes")) as two,
        Lab(tmp_path, _two(one, two), routes=routes) as lab,
    ):
        await _learn(lab)
        for server in (one, two):
            server.then([after(go, whole("late"))])
        before = one.counts.requests + two.counts.requests
        asked = lab.submit("pair/m", "Slow")
        await asyncio.sleep(0.2)
        go.set()
        await asked.over()
        assert one.counts.requests + two.counts.requests == before + 1


async def test_when_both_fail_the_call_fails_once(tmp_path: Path) -> None:
    async with ScriptedServer(whole("yes")) as one, ScriptedServer(whole("yes")) as two:
        short = Timeouts(first_token=0.3)
        async with Lab(tmp_path, _two(one, two, max_retries=0, timeout=short), routes=HEDGED) as lab:
            await _learn(lab)
            one.then([silence])
            two.then([silence])
            asked = await lab.ask("pair/m", "Slow")
            assert [(load.depth, load.in_flight) for load in lab.models.load()[:2]] == [(0, 0), (0, 0)]
    assert (asked.ended.outcome, asked.ended.error_kind) == ("failed", "timeout")


def test_the_p95_is_of_the_newest_and_believed_only_when_there_are_enough() -> None:
    times = FirstTokens()
    for number in range(ENOUGH - 1):
        times.add("m", float(number))
    assert times.p95("m") is None
    times.add("m", 19.0)
    assert times.p95("m") == 18.0
    for _ in range(300):
        times.add("m", 1.0)
    assert (times.p95("m"), times.p95("other")) == (1.0, None)


def test_the_share_of_hedged_calls_never_exceeds_the_budget() -> None:
    hedges = Hedges(0.05)
    for _ in range(1000):
        hedges.earn()
        hedges.spend()
        figures = hedges.figures()
        assert figures.hedged <= figures.calls * 0.05
    assert hedges.figures().hedged == 50
