"""Endpoints under load for the Queue view: real doors, circuits and routes on a clock that stands still."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.errors import CallError
from agents.models.directory import Directory
from agents.models.discovery import Target
from agents.models.turns import Turn
from agents.requests import ModelRef, Priority
from agents.settings import Endpoint, Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.models.gates import Gate
    from tests.tui.still import Steady

ROUTES = {"fast": Route(members=("lab", "ill"), fallbacks=("slow/m",), hedge=True)}
ENDPOINTS = {
    "lab": Endpoint(base_url="http://lab.example/v1", concurrency=4, requests_per_minute=60, tokens_per_minute=20_000),
    "slow": Endpoint(base_url="http://slow.example/v1", concurrency="adaptive"),
    "ill": Endpoint(base_url="http://ill.example/v1", concurrency=2),
    "unused": Endpoint(base_url="http://unused.example/v1"),
}
CROWD = (Priority.BATCH,) * 12 + (Priority.AGENT,) * 3 + (Priority.INTERACTIVE,) * 2 + (Priority.SPECULATIVE,)
TOLD = CallError("rate_limit", "slow: the server said too many requests", retry_after=7.0)
DOWN = CallError("unreachable", "ill: nothing listens at ill.example:443: is the server running?", retryable=True)


def directory(clock: Steady, routes: dict[str, Route] | None = None) -> Directory:
    """Return the endpoints, nothing asked of any yet."""
    targets = {name: Target(name=name, endpoint=each, base_url=each.base_url) for name, each in ENDPOINTS.items()}
    return Directory(targets, ROUTES if routes is None else routes, clock, Turn())


class Crowd:
    """Calls that hold places, or wait for them, until all go."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, gate: Gate, *classes: Priority, tokens: int = 0) -> None:
        """Let calls come to a gate, one after the other."""
        for priority in classes:
            self._tasks.append(self._group.create_task(self._call(gate, priority, tokens)))
            for _ in range(3):
                await asyncio.sleep(0)

    async def _call(self, gate: Gate, priority: Priority, tokens: int) -> None:
        async with gate.door.place(priority, tokens):
            await asyncio.Event().wait()

    def leave(self) -> None:
        """Let all go, those that wait first."""
        for task in reversed(self._tasks):
            task.cancel()


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    """Keep calls for the length of the block."""
    async with asyncio.TaskGroup() as group:
        found = Crowd(group)
        try:
            yield found
        finally:
            found.leave()


async def load(places: Directory, clock: Steady, people: Crowd) -> None:
    """Fill ``lab``, have ``slow`` refuse, and let ``ill`` fail until its circuit opens."""
    lab, slow, ill = (places.gates[name] for name in ("lab", "slow", "ill"))
    places.course(ModelRef("fast", "m"))
    places.roads["fast"].answered.update({"lab/m": 40, "ill/m": 12})
    await people.come(lab, *CROWD[:4], tokens=900)
    lab.door.heard({"x-ratelimit-limit-requests": "40", "x-ratelimit-remaining-requests": "36"})
    for _ in range(20):
        lab.begin("m").passed(None)
    await people.come(lab, *CROWD[4:])
    clock.now += 0.4
    await people.come(slow, *(Priority.INTERACTIVE,) * 3)
    for _ in range(5):
        slow.begin("m").passed(None)
    for _ in range(3):
        slow.begin("m").failed(TOLD)
    for _ in range(5):
        ill.begin("m").failed(DOWN)
