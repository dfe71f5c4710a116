from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.admission import MOST_IN_FLIGHT, Admission, Place
from agents.models.lines import PATIENCE
from agents.requests import Priority
from agents.settings import Endpoint
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Callable


def door_of(
    cap: int, *, requests: int | None = None, tokens: int | None = None, clock: Callable[[], float] | None = None
) -> Admission:
    endpoint = Endpoint(concurrency=cap, requests_per_minute=requests, tokens_per_minute=tokens)
    return Admission(endpoint, clock or asyncio.get_running_loop().time)


def now() -> float:
    return asyncio.get_running_loop().time()


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def entered(door: Admission, priority: Priority = Priority.BATCH, tokens: int = 0) -> float:
    """Return when a call was let in that is over at once."""
    async with door.place(priority, tokens):
        return now()


async def test_no_more_than_the_cap_are_inside_and_all_get_in() -> None:
    door = door_of(3)
    inside = most = served = 0

    async def call() -> None:
        nonlocal inside, most, served
        async with door.place(Priority.INTERACTIVE):
            inside += 1
            most = max(most, inside)
            await turns()
            inside -= 1
            served += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(call())
        await asyncio.sleep(0)
        assert (door.in_flight, door.depth) == (3, 17)
    assert (most, served, door.in_flight, door.depth) == (3, 20, 0, 0)


async def test_classes_go_in_order_and_within_a_class_first_come_first_served() -> None:
    door = door_of(1)
    order: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        async with door.place(priority):
            order.append(name)
            await turns()

    async with asyncio.TaskGroup() as group:
        group.create_task(call("first", Priority.SPECULATIVE))
        await asyncio.sleep(0)
        for name, priority in (
            ("b1", Priority.BATCH),
            ("a1", Priority.AGENT),
            ("i1", Priority.INTERACTIVE),
            ("i2", Priority.INTERACTIVE),
            ("b2", Priority.BATCH),
        ):
            group.create_task(call(name, priority))
            await asyncio.sleep(0)
    assert order == ["first", "i1", "i2", "a1", "b1", "b2"]


async def test_a_low_class_is_never_starved() -> None:
    door = door_of(1)
    served: list[Priority] = []

    async def call(priority: Priority) -> None:
        async with door.place(priority):
            served.append(priority)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(call(Priority.INTERACTIVE))
        await asyncio.sleep(0)
        group.create_task(call(Priority.SPECULATIVE))
        await asyncio.sleep(0)
        for _ in range(60):
            group.create_task(call(Priority.INTERACTIVE))
    assert served.index(Priority.SPECULATIVE) <= PATIENCE[Priority.SPECULATIVE] + 1


@pytest.mark.parametrize("cap", [1, 8, 50])
def test_a_prompt_beside_a_batch_of_a_thousand_waits_less_than_one_call_takes(cap: int) -> None:
    service = 0.2

    async def main() -> list[float]:
        door = door_of(cap)
        waits = []

        async def row() -> None:
            async with door.place(Priority.BATCH):
                await asyncio.sleep(service)

        async def prompt() -> None:
            since = now()
            async with door.place(Priority.INTERACTIVE):
                waits.append(now() - since)
                await asyncio.sleep(service)

        async with asyncio.TaskGroup() as group:
            for _ in range(1000):
                group.create_task(row())
            for _ in range(7):
                await asyncio.sleep(0.33)
                await group.create_task(prompt())
        return waits

    assert max(virtual.run(main())) <= service + 1e-9


async def test_depth_and_oldest_wait_are_known_at_any_moment() -> None:
    seconds = 0.0
    door = door_of(1, clock=lambda: seconds)
    leave = asyncio.Event()

    async def call() -> None:
        async with door.place(Priority.AGENT):
            await leave.wait()

    assert (door.depth, door.oldest_wait) == (0, 0.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(call())
        await asyncio.sleep(0)
        seconds = 2.0
        group.create_task(call())
        await asyncio.sleep(0)
        seconds = 5.0
        assert (door.depth, door.in_flight, door.oldest_wait) == (1, 1, 3.0)
        leave.set()
    assert (door.depth, door.oldest_wait) == (0, 0.0)


async def test_raising_the_cap_lets_waiting_calls_in_at_once() -> None:
    door = door_of(1)
    leave = asyncio.Event()

    async def call() -> None:
        async with door.place(Priority.AGENT):
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(call())
        await asyncio.sleep(0)
        door.cap = 4
        assert (door.in_flight, door.depth) == (4, 1)
        door.cap = 2
        leave.set()
    assert door.in_flight == 0
    door.cap = 0
    assert door.cap == 1


async def test_a_cap_set_by_hand_is_fixed_and_can_follow_the_server_again() -> None:
    door = Admission(Endpoint(concurrency="adaptive"), time.monotonic)
    assert door.adaptive
    door.cap = 5
    assert (door.adaptive, door.cap) == (False, 5)
    door.adaptive = True
    assert (door.adaptive, door.cap) == (True, 5)
    door.adaptive = False
    assert (door.adaptive, door.cap) == (False, 5)


OPS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 1000)),
    st.tuples(st.just("finish"), st.integers(0, 1000)),
    st.tuples(st.just("cap"), st.integers(1, 5)),
    st.tuples(st.just("run"), st.integers(1, 4)),
)


class Calls:
    """Calls at a door, and what the door must say of them."""

    def __init__(self, group: asyncio.TaskGroup, cap: int) -> None:
        self.door = door_of(cap)
        self.group = group
        self.tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = []
        self.inside: set[int] = set()
        self.cancelled: set[int] = set()
        self.order: dict[Priority, list[int]] = defaultdict(list)
        """The order in which calls are let in; the tasks of two may go on the other way round."""
        let_in = self.door._let_in

        def note(place: Place, now: float) -> None:
            self.order[place.priority].append(place.tokens)
            let_in(place, now)

        self.door._let_in = note  # type: ignore[method-assign]

    async def call(self, number: int, priority: Priority, leave: asyncio.Event) -> None:
        async with self.door.place(priority, number):
            self.inside.add(number)
            try:
                await leave.wait()
            finally:
                self.inside.discard(number)

    def do(self, name: str, value: int) -> None:
        if name == "arrive":
            leave = asyncio.Event()
            call = self.call(len(self.tasks), Priority(value), leave)
            self.tasks.append((self.group.create_task(call), leave))
        elif name == "cancel" and self.tasks:
            self.tasks[value % len(self.tasks)][0].cancel()
        elif name == "finish" and self.inside:
            self.tasks[sorted(self.inside)[value % len(self.inside)]][1].set()
        elif name == "cap":
            self.door.cap = value


@given(st.integers(1, 4), st.lists(OPS, max_size=80))
@settings(max_examples=150, deadline=None)
def test_whatever_arrives_leaves_and_is_cancelled_no_place_is_lost_or_given_twice(cap: int, steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            calls = Calls(group, cap)
            door = calls.door
            for name, value in steps:
                before = door.in_flight
                calls.do(name, value)
                if name == "run":
                    await turns(value)
                assert door.in_flight <= max(door.cap, before)
                assert len(calls.inside) <= door.in_flight
            await turns()
            waiting = sum(not task.done() for task, _ in calls.tasks) - len(calls.inside)
            assert (door.in_flight, door.depth) == (len(calls.inside), waiting)
            assert not waiting or door.in_flight >= door.cap
            for _, leave in calls.tasks:
                leave.set()
        assert (door.in_flight, door.depth) == (0, 0)
        assert all(line == sorted(line) for line in calls.order.values())
        async with door.place(Priority.BATCH):
            assert door.in_flight == 1

    virtual.run(main())


async def test_cancelling_at_any_moment_loses_no_place() -> None:
    chance = random.Random(7)
    door = door_of(3)

    async def call() -> None:
        async with door.place(chance.choice(list(Priority)), 10):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(400):
            tasks = [group.create_task(call()) for _ in range(6)]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in chance.sample(tasks, 3):
                task.cancel()
    assert (door.in_flight, door.depth) == (0, 0)
    async with asyncio.timeout(5), door.place(Priority.BATCH):
        assert door.in_flight == 1


def test_a_call_cancelled_in_the_moment_it_is_let_in_has_used_nothing() -> None:
    async def main() -> None:
        door = door_of(1, requests=2, tokens=110)
        async with asyncio.TaskGroup() as group:
            async with door.place(Priority.BATCH, 50):
                task = group.create_task(entered(door, tokens=50))
                await turns()
            task.cancel()
        figures = door.figures()
        assert (figures.requests.used, figures.tokens.used, figures.in_flight) == (1, 50, 0)
        assert await entered(door, tokens=50) == 0

    virtual.run(main())


def test_requests_per_minute_are_kept_in_every_window_and_used_to_the_full() -> None:
    async def main() -> list[float]:
        door = door_of(100, requests=30)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(entered(door, Priority.INTERACTIVE)) for _ in range(100)]
        return sorted(task.result() for task in tasks)

    times = virtual.run(main())
    assert all(sum(start <= other < start + 60 for other in times) <= 30 for start in times)
    assert times[-1] < 181


def test_tokens_are_reserved_by_estimate_and_what_was_not_used_lets_the_next_in() -> None:
    async def main() -> None:
        door = door_of(10, tokens=1000)
        async with asyncio.TaskGroup() as group, door.place(Priority.INTERACTIVE, 900) as place:
            waiting = group.create_task(entered(door, Priority.INTERACTIVE, 500))
            await asyncio.sleep(5)
            assert not waiting.done()
            assert door.figures().held == "tokens per minute are used up"
            place.used(400)
            assert await waiting == 5

    virtual.run(main())


def test_a_prompt_is_let_in_when_a_batch_has_used_what_it_may_of_a_limit() -> None:
    async def main() -> None:
        door = door_of(100, requests=100)
        async with asyncio.TaskGroup() as group:
            rows = [group.create_task(entered(door)) for _ in range(200)]
            await asyncio.sleep(1)
            assert await entered(door, Priority.INTERACTIVE) == 1
        assert sum(row.result() < 1 for row in rows) == 95

    virtual.run(main())


def test_a_limit_that_is_raised_or_lifted_lets_waiting_calls_in_at_once() -> None:
    async def main() -> None:
        door = door_of(10, requests=1, tokens=10)
        await entered(door, tokens=5)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(entered(door, tokens=8))
            await asyncio.sleep(1)
            door.requests_per_minute = None
            await asyncio.sleep(1)
            assert not waiting.done()
            door.tokens_per_minute = 20
            assert await waiting == 2

    virtual.run(main())


def test_retry_after_holds_the_whole_door_and_is_never_cut_short() -> None:
    async def main() -> None:
        door = door_of(10)
        door.rejected(3.0)
        door.rejected(1.0)
        assert (door.figures().held, door.figures().held_for) == ("the server asks to wait", 3.0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(entered(door, priority)) for priority in Priority]
        assert [task.result() for task in tasks] == [3.0] * 4
        assert door.figures().held == ""

    virtual.run(main())


def test_a_refusal_without_a_time_shuts_the_door_shortly_and_longer_while_nothing_is_served() -> None:
    async def main() -> None:
        door = door_of(10)
        pauses = []
        for _ in range(9):
            for _ in range(50):
                door.rejected()  # as many at once are one
            since = now()
            pauses.append(round(await entered(door) - since, 6))
        assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
        door.ok(0.1)
        door.rejected()
        assert door.figures().held_for == pytest.approx(0.1)

    virtual.run(main())


def test_nobody_is_let_in_before_the_reset_when_the_server_says_that_nothing_is_left() -> None:
    async def main() -> None:
        door = door_of(10)
        door.heard(
            {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}
        )
        assert door.figures().held == "the server's limit on requests is used up"
        assert await entered(door, Priority.INTERACTIVE) == pytest.approx(0.02)
        assert (door.figures().requests.learnt, door.requests_per_minute) == (60, None)

    virtual.run(main())


def test_a_jump_of_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        door = door_of(10, requests=5)
        wall = time.time()
        reset = datetime.fromtimestamp(wall + 30, UTC).isoformat()
        monkeypatch.setattr(time, "time", lambda: wall)
        door.heard({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": reset})
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(entered(door))
            for jump in (3600, -3600, 86400):
                await asyncio.sleep(5)
                monkeypatch.setattr(time, "time", lambda jump=jump: wall + jump)
                assert door.depth == 1
                assert door.oldest_wait > 0
        assert 28 < waiting.result() <= 31

    virtual.run(main())


def test_a_thousand_waiting_calls_are_woken_by_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        made: list[float] = []
        call_at = loop.call_at

        def counted(when: float, callback: Callable[..., object]) -> asyncio.TimerHandle:
            made.append(when)
            return call_at(when, callback)

        monkeypatch.setattr(loop, "call_at", counted)
        door = door_of(1000)
        door.rejected(10.0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(entered(door)) for _ in range(1000)]
        assert {task.result() for task in tasks} == {10.0}
        assert len(made) < 4

    virtual.run(main())


def test_waits_are_known_by_class_and_late_ones_are_counted() -> None:
    async def main() -> None:
        door = door_of(1)

        async def call(priority: Priority, seconds: float) -> None:
            async with door.place(priority):
                await asyncio.sleep(seconds)

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(call(Priority.BATCH, 0.15))
        figures = door.figures()
        batch, person = figures.waits[Priority.BATCH], figures.waits[Priority.INTERACTIVE]
        assert (batch.count, batch.late) == (5, 3)
        assert [batch.p50, batch.p95, batch.longest] == pytest.approx([0.3, 0.6, 0.6])
        assert (person.count, person.late, person.p50) == (0, 0, None)
        await asyncio.sleep(61)
        assert door.figures().waits[Priority.BATCH].late == 0
        assert door.figures().waits[Priority.BATCH].count == 0

    virtual.run(main())


def test_refusals_and_timeouts_are_counted_for_a_minute_and_for_ever() -> None:
    async def main() -> None:
        door = door_of(2)
        door.rejected()
        door.timed_out()
        door.failed()
        await asyncio.sleep(62)
        door.rejected(0.5)
        figures = door.figures()
        assert (figures.rejected, figures.rejected_ever, figures.timed_out, figures.timed_out_ever) == (1, 2, 0, 1)
        assert figures.depth == dict.fromkeys(Priority, 0)

    virtual.run(main())


async def test_figures_of_a_door_with_ten_thousand_waiting_and_leaving() -> None:
    door = door_of(1)
    async with door.place(Priority.BATCH), asyncio.TaskGroup() as group:
        tasks = [group.create_task(entered(door, chance)) for chance in Priority for _ in range(2500)]
        await turns()
        assert door.figures().depth == dict.fromkeys(Priority, 2500)
        for task in tasks:
            task.cancel()
        await turns()
        assert door.figures().depth == dict.fromkeys(Priority, 0)


def test_no_more_calls_are_let_in_than_there_are_connections() -> None:
    door = Admission(Endpoint(concurrency=5000), time.monotonic)
    assert door.cap == MOST_IN_FLIGHT
    door.cap = 4000
    assert door.cap == MOST_IN_FLIGHT
