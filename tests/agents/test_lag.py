from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING

from agents.lag import LagProbe, LagSnapshot, name_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType


async def probing(probe: LagProbe, work: Callable[[], Awaitable[None]]) -> LagSnapshot:
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(probe.run())
        await work()
        task.cancel()
    return probe.snapshot()


async def until_measured(probe: LagProbe) -> None:
    while probe.snapshot().p99 is None:  # noqa: ASYNC110  # a measurement is what is waited for
        await asyncio.sleep(0.005)


def hold_the_loop(probe: LagProbe) -> None:
    before, patience = probe._caught, time.monotonic() + 10
    while probe._caught == before and time.monotonic() < patience:
        time.sleep(0.001)


def test_nothing_is_claimed_before_it_was_measured() -> None:
    assert LagProbe().snapshot() == LagSnapshot(now=None, p99=None, worst=None, stalls=())


async def test_a_stall_is_measured_and_what_blocked_is_named() -> None:
    probe = LagProbe(period=0.01, stall=0.03)

    async def work() -> None:
        await until_measured(probe)
        hold_the_loop(probe)
        while not probe.snapshot().stalls:  # noqa: ASYNC110  # a measurement is what is waited for
            await asyncio.sleep(0.005)

    snapshot = await probing(probe, work)
    stall = max(snapshot.stalls, key=lambda stall: stall.lag)
    assert stall.what is not None
    assert "test_lag.hold_the_loop:" in stall.what
    assert stall.lag >= 0.03
    assert snapshot.worst == stall
    assert snapshot.p99 is not None


async def test_an_idle_loop_has_no_stall_of_a_second() -> None:
    probe = LagProbe(period=0.005, stall=1.0)

    async def work() -> None:
        for _ in range(20):
            await asyncio.sleep(0.005)

    snapshot = await probing(probe, work)
    assert snapshot.stalls == ()
    assert snapshot.worst is None


async def test_only_the_latest_stalls_are_kept_and_the_worst_of_all() -> None:
    probe = LagProbe()
    for number in range(40):
        probe._note(float(number), number + (5.0 if number == 3 else 0.1))
    snapshot = probe.snapshot()
    assert len(snapshot.stalls) == 16
    assert snapshot.stalls[-1].at > snapshot.stalls[0].at
    assert snapshot.worst is not None
    assert snapshot.worst.lag == 5.0
    assert snapshot.worst.what is None


async def test_the_watching_thread_ends_with_the_probe() -> None:
    probe = LagProbe()
    await probing(probe, lambda: until_measured(probe))
    assert "stretto-lag" not in {thread.name for thread in threading.enumerate()}


def frame_in(module: str, call: Callable[[], FrameType]) -> FrameType:
    namespace = {"__name__": module, "call": call}
    exec("def work():\n    return call()", namespace)
    found = namespace["work"]()  # type: ignore[operator]
    assert isinstance(found, type(sys._getframe()))
    return found


def test_the_innermost_function_of_ours_is_named_and_what_it_had_called() -> None:
    def caught() -> FrameType:
        return sys._getframe(1)

    assert name_of(frame_in("agents.retrieval.chunks", caught)) == "agents.retrieval.chunks.work:2"
    called = name_of(frame_in("agents.retrieval.chunks", lambda: frame_in("json.decoder", caught)))
    assert called == "agents.retrieval.chunks.work:2 → json.decoder.work:2"


def test_what_started_the_loop_is_not_what_blocks_it() -> None:
    def caught() -> FrameType:
        return sys._getframe(1)

    through = name_of(frame_in("tui.main", lambda: frame_in("asyncio.events", lambda: frame_in("textual.app", caught))))
    assert through == "textual.app.work:2"


def test_a_loop_that_waits_blocks_nobody() -> None:
    assert name_of(None) is None
    assert name_of(frame_in("tui.main", lambda: frame_in("selectors", lambda: sys._getframe(1)))) is None
