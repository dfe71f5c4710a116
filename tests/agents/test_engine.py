from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.engine import Engine, describe
from agents.errors import CallError, InputError, LateError
from agents.events import RunEnded, RunStarted, StepEnded, StepQueued
from agents.requests import Ask, Chat, Index, Lane, Message, ModelRef, Request, Research

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.events import Outcome
    from agents.runs import Run

CHAT = Chat(lanes=())
MODEL = ModelRef("lab", "m")


def engine_of(handler: Callable[[Run], Awaitable[None]]) -> Engine:
    handlers: dict[type[Request], Callable[[Run], Awaitable[None]]] = {Chat: handler}
    return Engine(handlers)


async def for_ever(run: Run) -> None:
    with run.step("model", "m") as step:
        step.start()
        step.write("so far")
        await asyncio.Event().wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_task_outlives_the_engine() -> None:
    before = asyncio.all_tasks()

    async def handler(run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(for_ever(run))

    async with engine_of(handler) as engine:
        runs = [engine.submit(CHAT) for _ in range(5)]
        await settle()
        assert len(asyncio.all_tasks()) == len(before) + 5 + 15
    assert asyncio.all_tasks() == before
    assert [run.ended.result().outcome for run in runs] == ["cancelled"] * 5
    assert engine.runs == {}


async def test_leaving_tells_readers_every_end_and_then_ends_their_reading() -> None:
    async with engine_of(for_ever) as engine:
        reader = engine.subscribe()
        run = engine.submit(CHAT)
        await settle()
    events = [event async for event in reader]
    assert [type(event) for event in events[-2:]] == [StepEnded, RunEnded]
    assert all(event.run == run.id for event in events)


async def test_a_run_cancelled_before_it_began_still_ends() -> None:
    entered: list[Run] = []

    async def handler(run: Run) -> None:
        entered.append(run)

    async with engine_of(handler) as engine:
        reader = engine.subscribe()
        run = engine.submit(CHAT)
        run.cancel()
        ended = await run.wait()
    assert ended.outcome == "cancelled"
    assert [type(event) for event in reader.drain()] == [RunStarted, RunEnded]
    assert entered == []


async def test_every_queued_step_ends_even_when_its_block_was_never_entered() -> None:
    async def handler(run: Run) -> None:
        for number in range(3):
            run.step("model", str(number))
        await asyncio.Event().wait()

    async with engine_of(handler) as engine:
        reader = engine.subscribe()
        run = engine.submit(CHAT)
        await settle()
        run.cancel()
        await run.wait()
    events = reader.drain()
    queued = [event.step for event in events if isinstance(event, StepQueued)]
    ended = {event.step: event.outcome for event in events if isinstance(event, StepEnded)}
    assert ended == dict.fromkeys(queued, "cancelled")
    assert isinstance(events[-1], RunEnded)


async def test_a_cancelled_run_passes_the_cancellation_through_everything_it_waits_for() -> None:
    closed: list[str] = []

    async def handler(run: Run) -> None:
        async def upstream(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                closed.append(name)

        with run.step("group", "g"):
            async with asyncio.TaskGroup() as group:
                group.create_task(upstream("a"))
                group.create_task(upstream("b"))

    async with engine_of(handler) as engine:
        run = engine.submit(CHAT)
        await settle()
        run.cancel()
        assert (await run.wait()).outcome == "cancelled"
        assert sorted(closed) == ["a", "b"]


async def test_one_runs_failure_does_not_touch_another() -> None:
    async def handler(run: Run) -> None:
        if run.title == "bad":
            raise RuntimeError("a bug")
        await settle()

    def chat(text: str) -> Chat:
        return Chat(lanes=(Lane(model=MODEL, messages=(Message("user", text),)),))

    async with engine_of(handler) as engine:
        bad, good = engine.submit(chat("bad")), engine.submit(chat("good"))
        assert [(await run.wait()).outcome for run in (bad, good)] == ["failed", "done"]
        assert (await bad.wait()).error == "RuntimeError: a bug"


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (InputError("no such file"), "failed", "no such file"),
        (CallError("cut", "broke off"), "cut", "broke off"),
        (LateError("too late"), "late", "too late"),
        (ExceptionGroup("g", [CallError("auth", "the key was refused")]), "failed", "the key was refused"),
        (asyncio.CancelledError(), "cancelled", None),
    ],
)
async def test_what_a_handler_raises_is_told_as_the_runs_end(error: BaseException, outcome: Outcome, message: str | None) -> None:
    async def handler(run: Run) -> None:
        raise error

    async with engine_of(handler) as engine:
        ended = await engine.submit(CHAT).wait()
    assert (ended.outcome, ended.error) == (outcome, message)


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([], "done"),
        (["failed", "done"], "done"),
        (["failed", "cancelled"], "failed"),
        (["cancelled"], "cancelled"),
    ],
)
async def test_a_run_is_done_when_one_of_its_top_steps_is(outcomes: list[str], whole: str) -> None:
    errors = {"failed": InputError("x"), "cancelled": asyncio.CancelledError(), "done": None}

    async def handler(run: Run) -> None:
        for outcome in outcomes:
            try:
                with run.step("model", outcome):
                    if error := errors[outcome]:
                        raise error
            except (InputError, asyncio.CancelledError):
                pass

    async with engine_of(handler) as engine:
        assert (await engine.submit(CHAT).wait()).outcome == whole


async def test_giving_up_waiting_for_a_run_does_not_stop_it() -> None:
    gate = asyncio.Event()

    async def handler(run: Run) -> None:
        await gate.wait()

    async with engine_of(handler) as engine:
        run = engine.submit(CHAT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await run.wait()
        gate.set()
        assert (await run.wait()).outcome == "done"


async def test_an_error_of_the_code_around_the_engine_passes_as_it_is_and_runs_are_cancelled() -> None:
    runs: list[Run] = []

    async def hold() -> None:
        async with engine_of(for_ever) as engine:
            runs.append(engine.submit(CHAT))
            await settle()
            raise InputError("no such file")

    with pytest.raises(InputError, match="no such file"):
        await hold()
    assert runs[0].ended.result().outcome == "cancelled"


async def test_cancelling_whoever_holds_the_engine_cancels_its_runs_and_passes_on() -> None:
    runs: list[Run] = []

    async def hold() -> None:
        async with engine_of(for_ever) as engine:
            runs.append(engine.submit(CHAT))
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        holder = group.create_task(hold())
        await settle()
        holder.cancel()
    assert holder.cancelled()
    assert runs[0].ended.result().outcome == "cancelled"


async def test_nothing_can_be_asked_of_an_engine_that_is_not_running() -> None:
    engine = engine_of(for_ever)
    with pytest.raises(RuntimeError, match="not running"):
        engine.submit(CHAT)
    async with engine:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        engine.submit(CHAT)


async def test_a_run_says_what_was_asked_so_that_it_can_be_asked_again() -> None:
    async def handler(run: Run) -> None:
        pass

    request = Chat(lanes=(Lane(model=MODEL, messages=(Message("user", "  two\n words "),)),))
    async with engine_of(handler) as engine:
        reader = engine.subscribe()
        await engine.submit(request).wait()
    started = reader.drain()[0]
    assert isinstance(started, RunStarted)
    assert (started.kind, started.title) == ("chat", "two words")
    assert msgspec.json.decode(started.request, type=Request) == request


def test_each_request_names_its_kind_and_a_title_of_one_short_line() -> None:
    lane = Lane(model=MODEL, messages=(Message("user", "why? " * 100),))
    assert describe(Chat(lanes=(lane, lane)))[0] == "compare"
    assert len(describe(Chat(lanes=(lane,)))[1]) == 120
    assert describe(Ask(question="what\tis it?", model=MODEL)) == ("ask", "what is it?")
    assert describe(Research(task="look", model=MODEL, places=())) == ("agent", "look")
    assert describe(Index(places=("a", "b"), library="l")) == ("library", "l: a, b")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks that begin at once came with Python 3.12")
async def test_with_tasks_that_begin_at_once_every_end_is_still_told() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009  # not there on 3.11

    async def handler(run: Run) -> None:
        with run.step("tool", "t"):
            pass

    async with engine_of(handler) as engine:
        reader = engine.subscribe()
        run = engine.submit(CHAT)
    assert (await run.wait()).outcome == "done"
    assert [type(event) for event in reader.drain()] == [RunStarted, StepQueued, StepEnded, RunEnded]
