from __future__ import annotations

import asyncio
import random

from agents.models.admission import Admission
from agents.requests import Priority


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def _let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_the_cap_are_inside_and_all_get_in() -> None:
    door = Admission(3, _Clock())
    inside = most = served = 0

    async def call() -> None:
        nonlocal inside, most, served
        async with door.place(Priority.INTERACTIVE):
            inside += 1
            most = max(most, inside)
            await _let_run()
            inside -= 1
            served += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(call())
        await asyncio.sleep(0)
        assert (door.in_flight, door.depth) == (3, 17)
    assert (most, served, door.in_flight, door.depth) == (3, 20, 0, 0)


async def test_classes_go_in_order_and_within_a_class_first_come_first_served() -> None:
    door = Admission(1, _Clock())
    order: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        async with door.place(priority):
            order.append(name)
            await _let_run()

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
    door = Admission(1, clock := _Clock())
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
        clock.now = 1.0
        for _ in range(30):
            group.create_task(call(Priority.INTERACTIVE))
    assert served.index(Priority.SPECULATIVE) < 12


async def test_depth_and_oldest_wait_are_known_at_any_moment() -> None:
    door = Admission(1, clock := _Clock())
    leave = asyncio.Event()

    async def call() -> None:
        async with door.place(Priority.AGENT):
            await leave.wait()

    assert (door.depth, door.oldest_wait) == (0, 0.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(call())
        await asyncio.sleep(0)
        clock.now = 2.0
        group.create_task(call())
        await asyncio.sleep(0)
        clock.now = 5.0
        assert (door.depth, door.in_flight, door.oldest_wait) == (1, 1, 3.0)
        leave.set()
    assert (door.depth, door.oldest_wait) == (0, 0.0)


async def test_raising_the_cap_lets_waiting_calls_in_at_once() -> None:
    door = Admission(1, _Clock())
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


async def test_cancelling_at_any_moment_loses_no_place() -> None:
    chance = random.Random(7)
    door = Admission(3, _Clock())

    async def call() -> None:
        async with door.place(chance.choice(list(Priority))):
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
