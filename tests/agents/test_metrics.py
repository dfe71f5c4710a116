from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import pytest

from agents.engine import Engine
from agents.errors import CallError, LateError
from agents.events import RunStarted, Usage
from agents.metrics import Metrics, MetricsSnapshot
from agents.percentiles import Percentiles
from agents.requests import Chat, Request
from agents.runs import Run, request_json
from agents.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.runs import Step
    from agents.stream import Subscription


class Session:
    """Steps made by hand on a clock that stands still until told, and what the metrics make of them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stream = EventStream(self.clock)
        self.reader: Subscription = self.stream.subscribe()
        self.metrics = Metrics(self.clock)

    def clock(self) -> float:
        return self.now

    def run(self, request: Request | None = None) -> Run:
        return Run(request or Chat(lanes=()), "chat", "t", self.stream, self.clock)

    def call(self, **known: Any) -> Step:
        step = self.run().step("model", "m", lane="lab/m")
        with step:
            step.start()
            step.finish(**known)
        return step

    def read(self) -> MetricsSnapshot:
        for event in self.reader.drain():
            self.metrics.feed(event)
        return self.metrics.snapshot()


@pytest.fixture
async def session() -> Session:
    return Session()


def test_where_nothing_happened_nothing_is_claimed() -> None:
    snapshot = Metrics(lambda: 5.0).snapshot()
    for window in (snapshot.minute, snapshot.session):
        assert window.total == window.ttft == window.itl == window.wait == Percentiles()
        assert window.calls_per_second is window.hit_rate is window.error_rate is None
        assert window.errors == {}
    assert snapshot.tokens_per_second is None
    assert (snapshot.queued, snapshot.in_flight) == (0, 0)


async def test_wait_ttft_total_and_itl_come_from_the_steps_own_times(session: Session) -> None:
    step = session.run().step("model", "m", lane="lab/m")
    session.now += 0.5
    with step:
        step.start()
        session.now += 0.25
        for gap in (0.0, 0.1, 0.3):
            session.now += gap
            step.write("x")
    minute = session.read().minute
    assert minute.wait.p50 == 0.5
    assert minute.ttft.p50 == 0.25
    assert minute.itl.p50 == pytest.approx(0.2)
    assert minute.total.p50 == pytest.approx(0.65)


async def test_calls_in_flight_and_waiting_are_counted_through_a_retry(session: Session) -> None:
    run, seen = session.run(), []

    def note() -> None:
        snapshot = session.read()
        seen.append((snapshot.queued, snapshot.in_flight))

    run.step("source", "not a model call")
    with run.step("model", "m") as step:
        note()
        step.start()
        note()
        step.retried("429", 1.0)
        note()
        step.start()
        note()
    note()
    assert seen == [(1, 0), (0, 1), (1, 0), (0, 1), (0, 0)]
    assert session.read().session.retries == 1


async def test_the_hit_rate_counts_cached_and_joined_calls_against_all_that_asked_the_cache(session: Session) -> None:
    session.call(cached=True)
    session.call(joined=True)
    session.call()
    session.call()
    uncached = session.run(Chat(lanes=(), use_cache=False))
    session.stream.emit(RunStarted, run=uncached.id, kind="chat", title="t", wall=0.0, request=request_json(uncached.request))
    with uncached.step("model", "m") as step:
        step.start()
    anew = session.run(Chat(lanes=(), refresh=True))
    session.stream.emit(RunStarted, run=anew.id, kind="chat", title="t", wall=0.0, request=request_json(anew.request))
    with anew.step("model", "m") as step:
        step.start()
    with session.run().step("model", "never started"):
        pass
    window = session.read().session
    assert (window.hits, window.joined, window.misses, window.hit_rate) == (1, 1, 2, 0.5)


async def test_an_answer_made_beforehand_is_no_latency_and_neither_hit_nor_miss(session: Session) -> None:
    with session.run().step("model", "m") as step:
        step.start()
        step.write("All of it at once. " * 20)
        step.finish(usage=Usage(input=60, output=100), speculated=True)
    snapshot = session.read()
    window = snapshot.session
    assert (window.calls, window.hits, window.misses, window.hit_rate) == (1, 0, 0, None)
    assert (window.ttft.count, window.total.count, window.tokens_out) == (0, 0, 100)
    assert not snapshot.tokens_per_second


async def test_the_share_of_tokens_a_provider_read_from_its_cache_leaves_out_what_was_never_sent(session: Session) -> None:
    assert session.read().session.tokens_cached_share is None
    for cached_here, usage in ((False, Usage(input=60, output=1, cached=30)), (True, Usage(input=60, cached=60))):
        with session.run().step("model", "m") as step:
            step.start()
            step.finish(usage=usage, cached=cached_here)
    with session.run().step("model", "m") as step:
        step.start()
        step.finish(usage=Usage(input=40, output=1))
    window = session.read().session
    assert (window.tokens_in, window.tokens_cached, window.tokens_cached_share) == (100, 30, 0.3)


async def test_text_that_no_model_gave_is_not_counted_as_its_tokens(session: Session) -> None:
    for added in ("", "sources " * 100):
        with session.run().step("model", "m", lane="lab/m") as step:
            step.start()
            step.write("first try ")
            step.retried("429", 0.0)
            step.start()
            for _ in range(10):
                session.now += 0.1
                step.write("four")
            step.finish(usage=Usage(output=10))
            step.write(added)
        session.now += 100.0
        with session.run().step("model", "m", lane="lab/m") as step:
            step.start()
            step.write("four")
            session.now += 0.5
            snapshot = session.read()
        assert snapshot.tokens_per_second == pytest.approx(2.0)
        session.now += 100.0


async def test_added_text_makes_no_rate_of_tokens(session: Session) -> None:
    with session.run().step("model", "m", lane="lab/m") as step:
        step.start()
        step.write("x" * 8)
        session.read()
        step.finish(usage=Usage(output=1, estimated=True))
        step.write("y" * 4000)
    session.now += 0.5
    rate = session.read().tokens_per_second
    assert rate is not None
    assert rate < 10


async def test_answers_from_the_cache_are_no_measure_of_the_model(session: Session) -> None:
    with session.run().step("model", "m", lane="lab/m") as step:
        step.start()
        step.write("kept answer")
        step.finish(cached=True, usage=Usage(input=5, output=7))
    snapshot = session.read()
    assert snapshot.minute.calls == 1
    assert snapshot.minute.total == snapshot.minute.ttft == Percentiles()
    assert (snapshot.minute.tokens_in, snapshot.minute.tokens_out) == (0, 0)
    assert snapshot.tokens_per_second == 0.0


async def test_errors_are_counted_by_kind_and_stopped_calls_are_neither_calls_nor_errors(session: Session) -> None:
    for error in (CallError("auth", "x"), CallError("cut", "x"), LateError("x"), ValueError("x"), asyncio.CancelledError(), None):
        try:
            with session.run().step("model", "m") as step:
                step.start()
                if error is not None:
                    raise error
        except BaseException as raised:  # noqa: BLE001  # each is the one raised above
            assert raised is error  # noqa: PT017
    window = session.read().session
    assert window.errors == {"auth": 1, "cut": 1, "late": 1, "failed": 1}
    assert (window.calls, window.error_rate) == (5, 0.8)
    assert window.total.count == 1


async def test_the_minute_forgets_and_the_session_does_not(session: Session) -> None:
    session.call(cached=True)
    before = session.read()
    assert (before.minute.calls, before.minute.span) == (1, 0.0)
    session.now += 61
    session.call(usage=Usage(input=10, output=20))
    snapshot = session.read()
    assert (snapshot.minute.calls, snapshot.session.calls) == (1, 2)
    assert (snapshot.minute.hit_rate, snapshot.session.hit_rate) == (0.0, 0.5)
    assert snapshot.minute.calls_per_second == pytest.approx(1 / 60)
    assert snapshot.session.calls_per_second == pytest.approx(2 / 61)
    session.now += 61
    snapshot = session.read()
    assert snapshot.minute.calls == 0
    assert snapshot.minute.hit_rate is None
    assert snapshot.minute.calls_per_second == 0.0
    assert (snapshot.hit_rate, snapshot.total.count) == (0.5, 1)


async def test_tokens_a_second_are_estimated_until_a_server_has_counted(session: Session) -> None:
    def stream(usage: Usage | None) -> MetricsSnapshot:
        with session.run().step("model", "m", lane="lab/m") as step:
            step.start()
            for _ in range(30):
                session.now += 0.1
                step.write("six ch")
                session.read()
            live = session.read()
            step.finish(usage=usage)
        return live

    live = stream(Usage(input=1, output=60))
    assert live.tokens_per_second == pytest.approx(60 / 4, rel=0.1)
    assert live.tokens_per_second_estimated
    session.now += 10
    session.read()
    again = stream(Usage(input=1, output=60, estimated=True))
    assert again.tokens_per_second == pytest.approx(20, rel=0.1)
    assert not again.tokens_per_second_estimated
    session.now += 10
    assert session.read().tokens_per_second == 0.0
    assert session.read().session.tokens_out == 120
    assert session.read().session.tokens_estimated


async def test_the_estimate_goes_by_bytes_of_text_before_a_server_has_counted(session: Session) -> None:
    with session.run().step("model", "m", lane="lab/m") as step:
        step.start()
        for _ in range(30):
            session.now += 0.1
            step.write("字" * 4)
            live = session.read()
        step.finish()
    assert live.tokens_per_second == pytest.approx(30, rel=0.1)


async def test_text_from_the_cache_is_taken_out_of_the_rate_and_other_text_stays(session: Session) -> None:
    streams = [session.run().step("model", "m", lane="lab/m") for _ in range(3)]
    kept = session.run().step("model", "m", lane="lab/m")
    with contextlib.ExitStack() as held:
        for step in streams:
            held.enter_context(step)
            step.start()
            step.write("word" * 10)
        session.now += 1.0
        with kept:
            kept.start()
            for step in (kept, streams[0], kept):
                step.write("word" * 5)
                session.read()
            kept.finish(cached=True)
        assert session.read().tokens_per_second == pytest.approx(35.0)


async def test_a_step_that_never_ended_is_forgotten_with_its_run() -> None:
    async def handler(run: Run) -> None:
        with run.step("model", "m") as step:
            step.start()
            await asyncio.Event().wait()

    handlers: dict[type[Request], Callable[[Run], Awaitable[None]]] = {Chat: handler}
    async with Engine(handlers) as engine:
        metrics = Metrics(engine.clock)
        reader = engine.subscribe()
        runs = [engine.submit(Chat(lanes=())) for _ in range(3)]
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            task = group.create_task(metrics.run(reader))
            while metrics.snapshot().in_flight < 3:  # noqa: ASYNC110  # the figure is what is waited for
                await asyncio.sleep(0.001)
            for run in runs:
                run.cancel()
                await run.wait()
            reader.close()
            await task
    snapshot = metrics.snapshot()
    assert (snapshot.in_flight, snapshot.queued, snapshot.session.calls) == (0, 0, 0)


async def test_thirty_thousand_calls_take_bounded_memory(session: Session) -> None:
    chance = random.Random(1)
    for number in range(30_000):
        session.now += 0.01
        step = Run(Chat(lanes=()), "chat", "t", session.stream, session.clock).step("model", "m", lane=f"lab/{number % 999}")
        with step:
            step.start()
            session.now += chance.expovariate(100)
            step.write("word")
            step.finish(usage=Usage(input=1, output=1))
        if number % 100 == 0:
            session.read()
    snapshot, metrics = session.read(), session.metrics
    assert snapshot.session.calls == snapshot.session.total.count == 30_000
    assert snapshot.minute.total.count <= 4096
    assert len(metrics._seconds) <= 61
    assert len(metrics._flow) <= 1000
    assert len(metrics._chars_per_token) <= 256
    assert metrics._live == {}
    assert metrics._uncached_runs == set()
    assert snapshot.session.total.p50 == pytest.approx(0.00693, rel=0.05)
