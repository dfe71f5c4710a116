"""What is kept for one endpoint as long as the process lives: its door, its health, its client once there is one."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from agents.models.admission import Admission
from agents.models.figures import EndpointLoad
from agents.models.health import FAULTS, Health
from agents.models.hedging import FirstTokens
from agents.models.limits import LONGEST_HOLD
from agents.requests import Priority

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
        """Whether a person's call would be let in at once."""
        door = self.door
        return door.in_flight < door.cap and not door.depth and not door.shut_for(Priority.INTERACTIVE)

    @property
    def only_guessed(self) -> bool:
        """Whether nobody named it and nothing has shown so far that there is anything."""
        health, door = self.health, self.door
        asked = health.answered or health.state != "closed" or door.in_flight or door.depth
        return self.target.probed and self.client is None and not asked

    @property
    def load(self) -> float:
        """Calls in flight and waiting, as a share of the cap."""
        return (self.door.in_flight + self.door.depth) / max(self.door.cap, 1)

    def load_figures(self) -> EndpointLoad:
        """Return how busy it is; cheap enough for every frame."""
        door, (late, refused, refused_ever) = self.door, self.door.alarms()
        return EndpointLoad(
            endpoint=self.name,
            depth=door.depth,
            in_flight=door.in_flight,
            cap=door.cap,
            oldest_wait=door.oldest_wait,
            late=late,
            refused=refused,
            refused_ever=refused_ever,
            answered=self.health.answered,
            ill=self.health.state != "closed",
        )

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

    def begin(self, model: str) -> Trial:
        """Say that an attempt begins."""
        return Trial(self, model)


class Trial:
    """One attempt at an endpoint, and what door and health are told of it. It ends with ``passed``, ``failed`` or ``left``.

    A model that is not there says nothing about the endpoint, nor does what was stopped by us.
    """

    __slots__ = ("_gate", "_model", "_probe", "_served", "began")

    def __init__(self, gate: Gate, model: str) -> None:
        self.began = monotonic()
        """When it was sent; set anew once it really is."""
        self._gate = gate
        self._model = model
        self._probe = gate.health.begin()
        self._served = False

    @property
    def urgent(self) -> bool:
        """Whether its first text is worth telling of at once: it decides what others may do, or is the first sign of life."""
        return self._probe or self._gate.door.adaptive or not self._gate.health.answered

    def spoke(self) -> None:
        """Say that the first text came."""
        if not self._served:
            self._serve(monotonic() - self.began)

    def _serve(self, seconds: float | None) -> None:
        self._served = True
        if seconds is not None:
            self._gate.first_tokens.add(self._model, seconds)
        self._gate.health.passed(self._probe)
        self._probe = False
        self._gate.door.ok(seconds or 0.0)

    def passed(self, first: float | None) -> None:
        """Say that the answer is whole; ``first`` is when its first text came, on the monotonic clock, if it had any."""
        seconds = None if first is None else max(first - self.began, 0.0)
        if not self._served:
            self._serve(seconds)

    def left(self) -> None:
        """Say that it was stopped, by a person or by us."""
        self._gate.health.left(self._probe)

    def failed(self, error: CallError) -> None:
        """Say how it failed."""
        gate = self._gate
        if error.kind == "budget":  # that was us
            self.left()
            return
        gate.health.failed(self._probe, error, self._model)
        wait = error.retry_after
        if error.kind == "rate_limit" or (error.kind == "server" and wait is not None):
            if wait is not None and wait > PATIENCE:  # too long to be waited for: calls are told, instead of kept at the door
                gate.health.shut(min(wait, LONGEST_HOLD), error)
                wait = None
            gate.door.rejected(wait)
        elif error.kind == "timeout":
            gate.door.timed_out()
        elif error.kind in FAULTS:
            gate.door.failed()


def _make_client(target: Target, turn: Turn) -> EndpointClient:
    from agents.models.client import EndpointClient

    return EndpointClient(target, turn)
