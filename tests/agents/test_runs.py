from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine import Engine
from agents.errors import CallError, InputError, LateError
from agents.events import FirstToken, Retried, StepEnded, StepEvent, StepQueued, StepStarted, Text, Usage
from agents.requests import Chat, Request
from agents.runs import Run, Step, new_run_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.events import AnyEvent, Outcome

CHAT = Chat(lanes=())


def engine_of(handler: Callable[[Run], Awaitable[None]]) -> Engine:
    handlers: dict[type[Request], Callable[[Run], Awaitable[None]]] = {Chat: handler}
    return Engine(handlers)


async def events_of(handler: Callable[[Run], Awaitable[None]]) -> list[AnyEvent]:
    async with engine_of(handler) as engine:
        reader = engine.subscribe()
        async with asyncio.timeout(10):
            await engine.submit(CHAT).wait()
    return reader.drain()


def ends(events: list[AnyEvent]) -> dict[str, StepEnded]:
    names = {event.step: event.name for event in events if isinstance(event, StepQueued)}
    return {names[event.step]: event for event in events if isinstance(event, StepEnded)}


def test_run_identities_sort_by_time_and_never_repeat() -> None:
    made = [new_run_id() for _ in range(500)]
    assert len(set(made)) == 500
    assert [name[:8] for name in made] == sorted(name[:8] for name in made)
    assert {len(name) for name in made} == {14}


async def test_a_step_tells_its_life_in_order() -> None:
    async def handler(run: Run) -> None:
        with run.step("model", "m", lane="lab/m") as step:
            step.start()
            step.retried("busy", 0.0)
            step.start()
            step.write("a")
            step.write("")
            step.write("b")
            step.log("nearly there", "warning")
            step.finish(finish="stop", usage=Usage(input=3, output=2), cost=0.5)

    events = [event for event in await events_of(handler) if isinstance(event, StepEvent)]
    assert [event.__struct_config__.tag for event in events] == [
        "step_queued",
        "step_started",
        "retried",
        "step_started",
        "first_token",
        "text",
        "log",
        "step_ended",
    ]
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert (ended.outcome, ended.finish, ended.cost, ended.attempts) == ("done", "stop", 0.5, 2)
    assert ended.usage == Usage(input=3, output=2)


async def test_text_of_a_later_attempt_says_where_it_begins() -> None:
    async def handler(run: Run) -> None:
        with run.step("model", "m") as step:
            step.start()
            step.write("lost ")
            step.start()
            step.write("kept")

    events = await events_of(handler)
    assert [(event.attempt, event.offset) for event in events if isinstance(event, StepStarted)] == [(1, 0), (2, 5)]
    assert [event.text for event in events if isinstance(event, Text)] == ["lost ", "kept"]
    assert sum(isinstance(event, FirstToken) for event in events) == 1


@pytest.mark.parametrize(
    ("error", "outcome", "kind", "message"),
    [
        (CallError("auth", "the key was refused"), "failed", "auth", "the key was refused"),
        (CallError("cut", "the stream broke off"), "cut", "cut", "the stream broke off"),
        (LateError("took more than 5 s"), "late", None, "took more than 5 s"),
        (TimeoutError(), "late", None, "TimeoutError"),
        (InputError("no such file"), "failed", None, "no such file"),
        (ValueError("a bug"), "failed", None, "ValueError: a bug"),
        (asyncio.CancelledError(), "cancelled", None, None),
        (ExceptionGroup("g", [ExceptionGroup("h", [CallError("quota", "no money left")])]), "failed", "quota", "no money left"),
        (ExceptionGroup("g", [ValueError("a bug"), LateError("too late")]), "late", None, "too late"),
    ],
)
async def test_what_leaves_a_step_says_how_it_ended(
    error: BaseException, outcome: Outcome, kind: str | None, message: str | None
) -> None:
    async def handler(run: Run) -> None:
        with pytest.raises(type(error)), run.step("model", "m"):
            raise error

    ended = ends(await events_of(handler))["m"]
    assert (ended.outcome, ended.error_kind, ended.error) == (outcome, kind, message)


async def test_an_error_is_told_in_one_line_of_bounded_length() -> None:
    async def handler(run: Run) -> None:
        with pytest.raises(ValueError, match="first"), run.step("tool", "t"):
            raise ValueError("first\nsecond\t" + "x" * 100_000)

    error = ends(await events_of(handler))["t"].error
    assert error is not None
    assert error.startswith("ValueError: first second x")
    assert len(error) < 2000


async def test_stopping_one_step_leaves_the_others_and_the_code_after_its_block() -> None:
    after: list[str] = []

    async def handler(run: Run) -> None:
        async def one(name: str, gate: asyncio.Event) -> None:
            with run.step("model", name) as step:
                step.start()
                step.write(f"{name} said")
                await gate.wait()
            after.append(name)
            went_on.set()

        gate, went_on = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for name in ("stopped", "other"):
                group.create_task(one(name, gate))
            await asyncio.sleep(0)
            run.cancel(f"{run.id}.1")
            run.cancel(f"{run.id}.1")
            await went_on.wait()
            gate.set()
        await asyncio.sleep(0)
        after.append("handler")

    events = await events_of(handler)
    assert {name: event.outcome for name, event in ends(events).items()} == {"stopped": "cancelled", "other": "done"}
    assert after == ["stopped", "other", "handler"]
    assert [event.text for event in events if isinstance(event, Text)] == ["stopped said", "other said"]


async def test_stopping_a_step_stops_everything_it_waits_for() -> None:
    left: list[str] = []

    async def handler(run: Run) -> None:
        async def inner(name: str) -> None:
            with run.step("tool", name, parent=outer):
                await asyncio.Event().wait()

        with run.step("group", "outer") as outer:
            asyncio.get_running_loop().call_soon(outer.stop)
            async with asyncio.TaskGroup() as group:
                group.create_task(inner("a"))
                group.create_task(inner("b"))
        left.append("outer")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    outcomes = {name: event.outcome for name, event in ends(await events_of(handler)).items()}
    assert outcomes == {"outer": "cancelled", "a": "cancelled", "b": "cancelled"}
    assert left == ["outer"]


async def test_an_inner_step_can_be_stopped_while_its_outer_goes_on() -> None:
    async def handler(run: Run) -> None:
        with run.step("group", "outer") as outer, run.step("tool", "inner", parent=outer) as inner:
            asyncio.get_running_loop().call_soon(inner.stop)
            await asyncio.Event().wait()

    assert {name: event.outcome for name, event in ends(await events_of(handler)).items()} == {
        "outer": "done",
        "inner": "cancelled",
    }


async def test_stopping_both_of_two_nested_steps_leaves_both_and_goes_on() -> None:
    went_on = asyncio.Event()

    async def handler(run: Run) -> None:
        with run.step("group", "outer") as outer:
            with run.step("tool", "inner", parent=outer) as inner:
                inner.stop()
                outer.stop()
                await asyncio.Event().wait()
            raise AssertionError("the outer step was stopped too")
        await asyncio.sleep(0)
        went_on.set()

    assert {event.outcome for event in ends(await events_of(handler)).values()} == {"cancelled"}
    assert went_on.is_set()


async def test_cancelling_the_run_while_a_step_is_being_stopped_ends_the_run() -> None:
    reached: list[str] = []

    async def handler(run: Run) -> None:
        with run.step("model", "m") as step:
            try:
                asyncio.get_running_loop().call_soon(step.stop)
                await asyncio.Event().wait()
            finally:
                run.cancel()
                reached.append("cleanup")
        reached.append("after")  # pragma: no cover
        await asyncio.Event().wait()

    async with engine_of(handler) as engine, asyncio.timeout(10):
        ended = await engine.submit(CHAT).wait()
    assert ended.outcome == "cancelled"


async def test_a_step_stopped_by_its_own_code_at_its_very_end_does_not_stop_what_follows() -> None:
    went_on = asyncio.Event()

    async def handler(run: Run) -> None:
        with run.step("tool", "t") as step:
            step.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        went_on.set()

    assert ends(await events_of(handler))["t"].outcome == "done"
    assert went_on.is_set()


async def test_a_stop_whose_cancellation_was_turned_into_another_error_leaves_no_cancellation_behind() -> None:
    async def handler(run: Run) -> None:
        try:
            with run.step("model", "m") as step:
                asyncio.get_running_loop().call_soon(step.stop)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise CallError("server", "closing failed") from None  # what a faulty library does
        except CallError:
            pass
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        async with asyncio.timeout(5):
            await asyncio.sleep(0)

    async with engine_of(handler) as engine, asyncio.timeout(10):
        assert (await engine.submit(CHAT).wait()).error is None


async def test_a_step_stopped_before_its_block_is_entered_ends_as_soon_as_it_waits() -> None:
    reached: list[str] = []

    async def handler(run: Run) -> None:
        step = run.step("model", "m")
        step.stop()
        with step:
            await asyncio.Event().wait()
        reached.append("after")

    assert ends(await events_of(handler))["m"].outcome == "cancelled"
    assert reached == ["after"]


async def test_stopping_a_step_that_ended_does_nothing() -> None:
    async def handler(run: Run) -> None:
        with run.step("tool", "t") as step:
            pass
        step.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert ends(await events_of(handler))["t"].outcome == "done"


async def test_a_time_limit_inside_a_step_ends_it_late_and_one_around_it_still_works() -> None:
    async def handler(run: Run) -> None:
        with suppress(TimeoutError), run.step("source", "inside"):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                with run.step("source", "around"):
                    await asyncio.Event().wait()
            raise AssertionError("the time limit passed")

    assert {name: event.outcome for name, event in ends(await events_of(handler)).items()} == {
        "inside": "late",
        "around": "cancelled",
    }


async def test_a_runs_busy_time_is_the_sum_of_its_leaf_steps() -> None:
    now = 0.0

    async def handler(run: Run) -> None:
        nonlocal now
        with run.step("group", "outer") as outer:
            outer.start()
            for seconds in (1.0, 2.0):
                with run.step("tool", "inner", parent=outer) as step:
                    now += 0.5
                    step.start()
                    now += seconds
        await asyncio.sleep(0)

    handlers: dict[type[Request], Callable[[Run], Awaitable[None]]] = {Chat: handler}
    async with Engine(handlers, clock=lambda: now) as engine:
        reader = engine.subscribe()
        ended = await engine.submit(CHAT).wait()
    assert (ended.wall, ended.busy) == (4.0, 3.0)
    waits = [event.timings.wait for event in reader.drain() if isinstance(event, StepEnded) and event.timings.started != 0.0]
    assert waits == [0.5, 0.5]


def step_on(clock: Callable[[], float]) -> Step:
    run = Run(CHAT, "chat", "t", Engine({}).stream, clock)
    return run.step("model", "m")


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=60))
async def test_times_between_pieces_give_the_mean_and_a_percentile_that_was_seen(gaps: list[float]) -> None:
    now = 0.0
    step = step_on(lambda: now)
    step.start()
    now += 0.25
    step.write("first")
    for gap in gaps:
        now += gap
        step.write("next")
    timings = step.timings()
    assert timings.ttft == 0.25
    assert timings.itl_mean == pytest.approx(sum(gaps) / len(gaps), rel=1e-3)
    assert timings.itl_p95 == pytest.approx(sorted(gaps)[-(-95 * len(gaps) // 100) - 1], rel=1e-3)


async def test_the_times_between_a_million_pieces_take_bounded_memory() -> None:
    now = 0.0
    step = step_on(lambda: now)
    step.start()
    for number in range(1_000_000):
        now += 0.02 if number % 10 else 0.2
        step.write("x")
    timings = step.timings()
    assert len(step._gaps) <= 8192
    assert timings.itl_mean == pytest.approx(0.038, rel=0.01)
    assert timings.itl_p95 == pytest.approx(0.2, rel=0.01)


async def test_a_failed_attempts_silence_is_not_counted_between_tokens() -> None:
    now = 0.0
    step = step_on(lambda: now)
    step.start()
    step.write("a")
    now += 100.0
    step.start()
    step.write("b")
    now += 1.0
    step.write("c")
    assert step.timings().itl_mean == 1.0


async def test_a_step_that_never_started_waited_until_its_end() -> None:
    now = 0.0
    step = step_on(lambda: now)
    now = 7.0
    with step:
        pass
    timings = step.timings()
    assert (timings.wait, timings.busy, timings.ttft, timings.itl_mean) == (7.0, 0.0, None, None)


async def test_a_retry_names_the_attempt_that_failed() -> None:
    async def handler(run: Run) -> None:
        with run.step("model", "m") as step:
            step.start()
            step.retried("429", 1.5)

    [retried] = [event for event in await events_of(handler) if isinstance(event, Retried)]
    assert (retried.attempt, retried.reason, retried.delay) == (1, "429", 1.5)
