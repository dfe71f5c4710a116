"""What is kept for one endpoint as long as the process lives: its door, its health, its client once there is one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from agents.models.admission import Admission
from agents.models.health import FAULTS, Health
from agents.models.hedging import FirstTokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.errors import CallError
    from agents.models.client import EndpointClient
    from agents.models.discovery import Target
    from agents.models.embedded import Address
    from agents.models.routes import Road
    from agents.models.turns import Turn

PATIENCE = 120.0
"""A server that asks to wait longer than these seconds is told to the person instead of being waited for."""


class Gate:
    """The one way to one endpoint. ``turn`` is shared by all."""

    def __init__(self, target: Target, clock: Callable[[], float], turn: Turn) -> None:
        self.target = target
        self.clock = clock
        self.door = Admission(target.endpoint, clock)
        self.health = Health(target.name, clock)
        self.health.on_change = self._changed
        self.first_tokens = FirstTokens()
        self.client: EndpointClient | None = None
        self.serve: Callable[[Callable[[str], None]], Awaitable[Address]] | None = None
        """Starts the server itself, where that is ours to start."""
        self.made: Callable[[str], None] | None = None
        """Called with the endpoint's name once its client is there."""
        self.roads: list[Road] = []
        """The routes it is a member of."""
        self._turn = turn
        self._making = asyncio.Lock()

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.target.name

    @property
    def free(self) -> bool:
        """Whether a call would be let in at once."""
        return self.door.in_flight < self.door.cap and not self.door.depth

    @property
    def load(self) -> float:
        """Calls in flight and waiting, as a share of the cap."""
        return (self.door.in_flight + self.door.depth) / max(self.door.cap, 1)

    def left(self) -> None:
        """Let those know who wait elsewhere that a place may have become free."""
        for road in self.roads:
            road.fill()

    def _changed(self) -> None:
        for road in self.roads:
            road.look()

    async def ready(self, progress: Callable[[str], None]) -> EndpointClient:
        """Return the client, made off the loop the first time. Raises :class:`CallError` when none can be made."""
        target = self.target
        if self.serve is None:
            if self.client is not None:
                return self.client
        else:
            address = await self.serve(progress)
            target = msgspec.structs.replace(target, base_url=address.base_url, key=address.key)
        async with self._making:
            client = self.client
            if client is not None and client.target == target:
                return client
            self.client = await asyncio.to_thread(_make_client, target, self._turn)
            if self.made is not None:
                self.made(self.name)
            if client is not None:
                await client.close()
            return self.client

    async def close(self) -> None:
        """Close every connection."""
        if self.client is not None:
            await self.client.close()

    def passed(self, model: str, first_token: float | None, *, probe: bool) -> None:
        """Take note of an answer; ``first_token`` is the seconds its first text took, if it had any."""
        self.health.passed(probe)
        self.door.ok(first_token or 0.0)
        if first_token is not None:
            self.first_tokens.add(model, first_token)

    def failed(self, model: str, error: CallError, *, probe: bool) -> None:
        """Take note of an attempt that failed."""
        if error.kind == "budget":  # that was us
            self.health.left(probe)
            return
        self.health.failed(probe, error, model)
        wait = error.retry_after
        if error.kind == "rate_limit" or (error.kind == "server" and wait is not None):
            if wait is not None and wait > PATIENCE:  # too long to be waited for: calls are told, instead of kept at the door
                self.health.shut(wait, error)
                wait = None
            self.door.rejected(wait)
        elif error.kind == "timeout":
            self.door.timed_out()
        elif error.kind in FAULTS:
            self.door.failed()


def _make_client(target: Target, turn: Turn) -> EndpointClient:
    from agents.models.client import EndpointClient

    return EndpointClient(target, turn)
