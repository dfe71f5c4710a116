"""Texts to vectors by an endpoint: one batcher a model, the endpoint's door as for every other call, and attempts like theirs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.errors import CallError, StrettoError
from agents.models.attempts import backoff
from agents.models.batching import Batcher, BatchFigures, Load
from agents.models.gates import PATIENCE
from agents.models.health import FAULTS
from agents.requests import Priority
from agents.tokens import estimate_tokens

if TYPE_CHECKING:
    from agents.models.admission import Admission
    from agents.models.client import EndpointClient
    from agents.requests import ModelRef

_TOO_MUCH: Final = frozenset({"bad_request", "too_large"})
"""What a server says of a list that is too long for it, or of one text in it that it cannot take."""

Vector = list[float]


class Place(NamedTuple):
    """Where embeddings are made: the endpoint's door, its client, and how often what failed is tried again."""

    door: Admission
    client: Callable[[], Awaitable[EndpointClient]]
    max_retries: int


class _Text(NamedTuple):
    text: str
    priority: Priority


class Embeddings:
    """Embeds for all endpoints; ``group`` owns the requests."""

    def __init__(self, group: asyncio.TaskGroup, chance: random.Random) -> None:
        self.late: Callable[[], bool] = lambda: False
        """Whether the loop is so late that batches must be small."""
        self._group = group
        self._chance = chance
        self._lines: dict[str, _Line] = {}

    async def embed(self, ref: ModelRef, texts: Sequence[str], priority: Priority, place: Place) -> list[Vector]:
        """Return one vector for each text, in order. Raises :class:`CallError`."""
        line = self._lines.get(ref.name)
        if line is None:
            line = self._lines[ref.name] = _Line(ref.model, place, self._group, self._chance, self._is_late)
        # Somebody waits for a question's vector; documents have the time to wait for each other.
        urgent = priority is Priority.INTERACTIVE
        return await line.batcher.add_all([_Text(text, priority) for text in texts], urgent=urgent)

    def figures(self) -> dict[str, BatchFigures]:
        """Return what the batches of each model came to, by ``endpoint/model``."""
        return {name: line.batcher.figures() for name, line in self._lines.items()}

    def _is_late(self) -> bool:
        return self.late()


class _Line:
    """One model's batches."""

    def __init__(self, model: str, place: Place, group: asyncio.TaskGroup, chance: random.Random, late: Callable[[], bool]) -> None:
        self.batcher: Batcher[_Text, Vector] = Batcher(self._send, group, self._load)
        self._model, self._place, self._chance, self._late = model, place, chance, late
        self._outside = self._inside = 0
        """Batches that wait at the door, and that are through."""

    def _load(self) -> Load:
        door = self._place.door
        if self._late() or door.depth > self._outside:
            return "pressed"
        return "quiet" if door.in_flight <= self._inside else "usual"

    async def _send(self, batch: list[_Text]) -> Sequence[Vector | StrettoError]:
        """Embed ``batch``, and where a server will not have it, its halves: one text it cannot take must not cost the others."""
        try:
            return await self._attempt([each.text for each in batch], min(each.priority for each in batch))
        except CallError as error:
            if error.kind not in _TOO_MUCH:
                raise
            if len(batch) == 1:
                return [error]
        middle = len(batch) // 2
        return [*await self._send(batch[:middle]), *await self._send(batch[middle:])]

    async def _attempt(self, texts: list[str], priority: Priority) -> list[Vector]:
        attempt = 1
        while True:
            try:
                return await self._through_door(texts, priority)
            except CallError as error:
                wait = error.retry_after
                if not error.retryable or attempt > self._place.max_retries or (wait is not None and wait > PATIENCE):
                    raise
            await asyncio.sleep(backoff(attempt, wait, self._chance))
            attempt += 1

    async def _through_door(self, texts: list[str], priority: Priority) -> list[Vector]:
        door = self._place.door
        self._outside += 1
        inside = False
        try:
            async with door.place(priority, tokens=sum(map(estimate_tokens, texts))):
                self._outside -= 1
                self._inside += 1
                inside = True
                try:
                    client = await self._place.client()
                    vectors = await client.embed(self._model, texts)
                except CallError as error:
                    _tell(door, error)  # before the place is given back, so that a refusal holds whoever waits for it
                    raise
                door.ok()
                return vectors
        finally:
            if inside:
                self._inside -= 1
            else:
                self._outside -= 1


def _tell(door: Admission, error: CallError) -> None:
    """Let the door learn from a failure what it learns from those of chats."""
    if error.kind == "rate_limit":
        door.rejected(error.retry_after if error.retry_after is None or error.retry_after <= PATIENCE else None)
    elif error.kind == "timeout":
        door.timed_out()
    elif error.kind in FAULTS:
        door.failed()
