from __future__ import annotations

import asyncio

from agents.models.turns import Turn


async def test_streams_that_always_have_more_leave_the_loop_its_turns() -> None:
    turn = Turn(share=0.0005)
    turns = 0
    over = False

    async def flood() -> None:
        for _ in range(20_000):
            await turn.breathe()

    async def watch() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        async with asyncio.TaskGroup() as floods:
            for _ in range(4):
                floods.create_task(flood())
        over = True
    assert turns > 4


async def test_a_stream_within_its_share_gives_nothing_away() -> None:
    turn = Turn(share=60)
    told: list[str] = []
    asyncio.get_running_loop().call_soon(told.append, "the loop went on")
    for _ in range(100):
        await turn.breathe()
    assert told == []
