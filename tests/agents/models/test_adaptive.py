from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.adaptive import MOST, START, Adaptive, Search
from agents.models.admission import Admission
from agents.requests import Priority
from agents.settings import Endpoint
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Callable


def served(adaptive: Adaptive, now: float, calls: int, ttft: float = 0.0) -> float:
    """Serve so many calls with the cap full all the time; returns when the last has ended."""
    for _ in range(calls):
        now += 0.01
        adaptive.started(now, adaptive.cap, 1.0)
        adaptive.held_back(by_pace=False)
        adaptive.ok(now, ttft)
    return now


def test_it_doubles_for_each_clean_round_until_the_first_refusal() -> None:
    adaptive = Adaptive()
    caps, now = [adaptive.cap], 0.0
    for _ in range(4):
        now = served(adaptive, now, adaptive.cap)
        caps.append(adaptive.cap)
    assert caps == [START, 16, 32, 64, 128]


def test_it_never_goes_beyond_its_bounds() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, 5000)
    assert adaptive.cap == MOST
    for _ in range(100):
        now += 10
        adaptive.rejected(now, 200, now)
    assert adaptive.cap >= 1
    assert adaptive.rate is None or adaptive.rate > 0


def test_a_cap_that_is_not_used_does_not_grow() -> None:
    adaptive = Adaptive()
    for number in range(100):
        adaptive.started(number, 2, 0.0)
        adaptive.ok(number + 0.5, 0.1)
    assert adaptive.cap == START


def test_fifty_refusals_at_once_are_one_decrease() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, START + 16 + 32)
    assert adaptive.cap == 64
    caps = []
    for _ in range(50):
        adaptive.rejected(now, 64, now + 0.1)
        caps.append(adaptive.cap)
    assert set(caps) == {32}
    now += 10
    for _ in range(50):
        adaptive.rejected(now, 33, now + 0.1)
    assert adaptive.cap == int(32 * 0.8)


def test_refusals_while_the_server_asks_to_wait_belong_to_the_same_episode() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, START + 16 + 32)
    adaptive.rejected(now, 64, now + 30)
    adaptive.rejected(now + 20, 40, now + 30)
    assert adaptive.cap == 32


def test_successes_shortly_after_a_refusal_prove_nothing() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, START + 16)
    adaptive.rejected(now, 32, now + 5)
    for _ in range(100):
        adaptive.ok(now + 4, 0.1)
    assert adaptive.cap == 16


def test_a_refused_number_is_approached_and_not_gone_beyond_at_once() -> None:
    search = Search(10.0, 1.0, 100.0, 1.0, 0.8, relative=False)
    search.clean(0.0, 10)
    search.refuse()
    values = []
    for round_ in range(40):
        search.clean(1.0 + round_ * 0.05, 20)
        values.append(search.value)
    assert values[:5] == [14.5, 16.75, 17.875, 18.875, 19.0]
    assert max(values) == 19.0
    for round_ in range(10):
        search.clean(10.0 + round_ * 2, 20)
        values.append(search.value)
    assert values[-1] > 50


def test_a_refusal_beyond_the_refused_number_leads_back_to_where_the_looking_began() -> None:
    search = Search(10.0, 1.0, 100.0, 1.0, 0.8, relative=False)
    search.clean(0.0, 10)
    search.refuse()
    now = 0.0
    while search.value < 22:
        now += 2
        search.clean(now, 20)
    search.refuse()
    assert search.value == 19.0


@given(st.lists(st.booleans(), max_size=200))
def test_a_search_stays_within_its_bounds(rounds: list[bool]) -> None:
    for relative, grain, floor in ((False, 1.0, 1.0), (True, 0.01, 0.02)):
        search = Search(8.0, floor, 64.0, grain, 0.8, relative=relative)
        for number, clean in enumerate(rounds):
            before = search.value
            if clean:
                search.clean(float(number), 16)
                assert search.value >= before
            else:
                search.refuse()
                assert search.value <= before
            assert floor <= search.value <= 64.0


def test_timeouts_stop_growth_and_several_in_a_row_are_a_refusal() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, START - 1)
    adaptive.timed_out(now)
    now = served(adaptive, now, START - 1)
    adaptive.failed()
    now = served(adaptive, now, 1)
    assert adaptive.cap == START
    for _ in range(3):
        adaptive.timed_out(now)
    assert adaptive.cap == START // 2
    adaptive.timed_out(now)
    assert adaptive.cap == START // 2


def test_failures_of_the_server_never_lower_the_cap() -> None:
    adaptive = Adaptive()
    for _ in range(100):
        adaptive.failed()
    assert adaptive.cap == START


def test_growth_stops_when_first_texts_take_more_than_twice_as_long_as_at_best() -> None:
    adaptive = Adaptive()
    now = served(adaptive, 0.0, START + 16, ttft=0.1)
    grown = adaptive.cap
    now = served(adaptive, now, 1000, ttft=0.5)
    assert adaptive.cap <= 2 * grown
    slow = adaptive.cap
    served(adaptive, now, 100, ttft=0.1)
    assert adaptive.cap > slow


class Server:
    """Takes so many calls a second (a bucket of five) or so many at once, and refuses what is beyond; each takes ``service``."""

    def __init__(self, service: Callable[[], float], *, rate: float | None = None, slots: int | None = None) -> None:
        self.rate, self.slots, self.service = rate, slots, service
        self.taken: list[float] = []
        self.refused: list[float] = []
        self._tokens, self._filled, self._inside = 5.0, 0.0, 0

    async def __call__(self) -> bool:
        await asyncio.sleep(0.002)
        now = asyncio.get_running_loop().time()
        if not self._free(now):
            self.refused.append(now)
            return False
        self.taken.append(now)
        self._inside += 1
        await asyncio.sleep(self.service())
        self._inside -= 1
        return True

    def _free(self, now: float) -> bool:
        if self.slots is not None:
            return self._inside < self.slots
        assert self.rate is not None
        self._tokens = min(5.0, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def share_refused(self, start: float, end: float) -> float:
        taken = sum(start <= at < end for at in self.taken)
        refused = sum(start <= at < end for at in self.refused)
        return refused / (taken + refused)

    def taken_per_second(self, start: float, end: float) -> float:
        return sum(start <= at < end for at in self.taken) / (end - start)


async def load(server: Server, seconds: float, *, callers: int = 120, seed: int = 1) -> Admission:
    """Keep so many calls wanted, each tried again after full jitter, for so long."""
    loop, chance = asyncio.get_running_loop(), random.Random(seed)
    door = Admission(Endpoint(concurrency="adaptive"), loop.time)

    async def attempt() -> bool:
        async with door.place(Priority.BATCH):
            if await server():
                door.ok(0.2)
                return True
            door.rejected()
            return False

    async def caller() -> None:
        while True:
            tries = 0
            while not await attempt():
                await asyncio.sleep(chance.uniform(0, min(60, 2**tries)))
                tries += 1

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())
    except TimeoutError:
        pass
    return door


def always(seconds: float) -> Callable[[], float]:
    return lambda: seconds


def about(seconds: float, seed: int = 2) -> Callable[[], float]:
    """Return service times as answers have them: mostly shorter, some much longer, ``seconds`` on average."""
    chance = random.Random(seed)
    return lambda: seconds * chance.lognormvariate(-0.18, 0.6)


@pytest.mark.parametrize("service", [always(0.2), always(0.15), about(0.2)], ids=["200 ms", "150 ms", "about 200 ms"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_tenths_of_a_rate_are_used_within_fifteen_seconds_and_few_calls_refused_after(
    service: Callable[[], float], seed: int
) -> None:
    server = Server(service, rate=30.0)
    door = virtual.run(load(server, 30, seed=seed))
    assert server.taken_per_second(10, 15) >= 27
    assert server.taken_per_second(15, 30) >= 27
    assert server.share_refused(15, 30) < 0.02
    assert not door.depth


@pytest.mark.parametrize("service", [always(0.4), about(0.4)], ids=["400 ms", "about 400 ms"])
def test_a_limit_on_calls_at_once_is_followed_down_and_up_again(service: Callable[[], float]) -> None:
    server = Server(service, slots=50)

    async def main() -> None:
        async def change() -> None:
            await asyncio.sleep(40)
            server.slots = 5
            await asyncio.sleep(40)
            server.slots = 50

        async with asyncio.TaskGroup() as group:
            group.create_task(change())
            await load(server, 125)

    virtual.run(main())
    for start, end, slots in ((20, 40, 50), (60, 80, 5), (110, 125, 50)):
        assert server.taken_per_second(start, end) * 0.4 / slots > 0.8
        assert server.share_refused(start, end) < 0.05


def test_a_server_that_bears_everything_is_not_paced() -> None:
    server = Server(always(0.1), slots=10_000)
    door = virtual.run(load(server, 20))
    figures = door.figures()
    assert (figures.rate, figures.rejected_ever) == (None, 0)
    assert door.cap >= 120


def test_small_limits_on_calls_at_once_are_found_by_long_calls() -> None:
    server = Server(about(5.0), slots=2)
    virtual.run(load(server, 400))
    assert server.taken_per_second(100, 400) * 5.0 / 2 > 0.7
    assert server.share_refused(100, 400) < 0.1


def test_a_refused_call_that_was_alone_does_not_shut_a_person_out_for_long() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        door = Admission(Endpoint(concurrency="adaptive"), loop.time)
        async with door.place(Priority.INTERACTIVE):
            door.rejected()
        async with door.place(Priority.INTERACTIVE):
            return loop.time()

    assert virtual.run(main()) < 5


def test_a_pace_that_holds_nobody_back_is_forgotten() -> None:
    async def main() -> Admission:
        loop = asyncio.get_running_loop()
        door = Admission(Endpoint(concurrency="adaptive"), loop.time)
        async with door.place(Priority.INTERACTIVE):
            door.rejected()
        assert door.figures().rate is not None
        for _ in range(300):
            await asyncio.sleep(5)
            async with door.place(Priority.INTERACTIVE):
                door.ok(0.1)
        return door

    assert virtual.run(main()).figures().rate is None


def test_the_pace_is_kept_between_calls_that_wait() -> None:
    server = Server(always(0.2), rate=10.0)
    virtual.run(load(server, 60))
    late = [at for at in server.taken if at > 40]
    gaps = [after - before for before, after in pairwise(late)]
    assert min(gaps) > 0.05
