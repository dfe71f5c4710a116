"""Texts to vectors by an endpoint: one batcher a model, the endpoint's door as for every other call, and attempts like theirs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.errors import CallError, StrettoError
from agents.events import Usage
from agents.models.attempts import LONGEST_WAIT, backoff
from agents.models.batching import Batcher, BatchFigures, Load
from agents.models.gates import PATIENCE, Gate
from agents.models.spend import input_tokens
from agents.requests import Message, ModelCall, Priority

if TYPE_CHECKING:
    from agents.models.client import Embedded
    from agents.models.spend import Meter, Spend
    from agents.requests import ModelRef
    from agents.settings import Price

_TOO_MUCH: Final = frozenset({"bad_request", "too_large"})
"""What a server says of a list that is too long for it, or of one text in it that it cannot take."""

Vector = list[float]


class Place(NamedTuple):
    """Where embeddings are made, and what they cost there."""

    gate: Gate
    price: Callable[[], Price | None]


class _Text(NamedTuple):
    text: str
    priority: Priority


class Embeddings:
    """Embeds for all endpoints; ``group`` owns the requests, ``spend`` counts what they cost."""

    def __init__(self, group: asyncio.TaskGroup, spend: Spend, chance: random.Random) -> None:
        self.late: Callable[[], bool] = lambda: False
        """Whether the loop is so late that batches must be small."""
        self.group = group
        self.spend = spend
        self.chance = chance
        self._lines: dict[str, _Line] = {}

    async def embed(self, ref: ModelRef, texts: Sequence[str], priority: Priority, place: Place) -> list[Vector]:
        """Return one vector for each text, in order. Raises :class:`CallError`."""
        line = self._lines.get(ref.name)
        if line is None:
            line = self._lines[ref.name] = _Line(ref, place, self)
        # Somebody waits for a question's vector; documents have the time to wait for each other.
        urgent = priority is Priority.INTERACTIVE
        return await line.batcher.add_all([_Text(text, priority) for text in texts], urgent=urgent)

    def figures(self) -> dict[str, BatchFigures]:
        """Return what the batches of each model came to, by ``endpoint/model``."""
        return {name: line.batcher.figures() for name, line in self._lines.items()}


class _Line:
    """One model's batches."""

    def __init__(self, ref: ModelRef, place: Place, owner: Embeddings) -> None:
        self.batcher: Batcher[_Text, Vector] = Batcher(self._send, owner.group, self._load)
        self._ref, self._place, self._owner = ref, place, owner
        self._outside = self._inside = 0
        """Batches that wait at the door, and that are through."""

    def _load(self) -> Load:
        door = self._place.gate.door
        if self._owner.late() or door.depth > self._outside:
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
        gate, attempt = self._place.gate, 1
        gate.health.retries.earn()
        while True:
            try:
                await self._until_well(priority, attempt)
                return await self._through_door(texts, priority)
            except CallError as error:
                wait = error.retry_after
                over = not error.retryable or attempt > gate.target.endpoint.max_retries or (wait is not None and wait > PATIENCE)
                if over or (error.kind != "rate_limit" and not gate.health.retries.spend()):
                    raise
            await asyncio.sleep(backoff(attempt, wait, self._owner.chance))
            attempt += 1

    async def _until_well(self, priority: Priority, attempt: int) -> None:
        """Wait while the endpoint is ill. Raises why it is not asked, where nothing is to wait; a person may always try."""
        health, waited = self._place.gate.health, 0.0
        patience = LONGEST_WAIT if priority is Priority.BATCH else PATIENCE
        while priority is not Priority.INTERACTIVE and not health.lets(self._ref.model):
            refusal = health.refusal(self._ref.model)
            wait = refusal.retry_after or 1.0
            if not refusal.retryable or not (priority is Priority.BATCH or attempt > 1) or max(wait, waited) > patience:
                raise CallError(refusal.kind, str(refusal))  # it was not asked: that is no attempt that failed
            await health.change(wait)
            waited += wait

    async def _through_door(self, texts: list[str], priority: Priority) -> list[Vector]:
        gate = self._place.gate
        call = ModelCall(model=self._ref, messages=tuple(Message("user", text) for text in texts), priority=priority)
        self._outside += 1
        inside = False
        try:
            async with gate.door.place(priority, tokens=input_tokens(call)) as place:
                self._outside -= 1
                self._inside += 1
                inside = True
                made = await self._make(call, texts)
                if made.tokens is not None:
                    place.used(made.tokens)
                return made.vectors
        finally:
            if inside:
                self._inside -= 1
            else:
                self._outside -= 1

    async def _make(self, call: ModelCall, texts: list[str]) -> Embedded:
        gate = self._place.gate
        trial = gate.begin(call.model.model)
        meter: Meter | None = None
        try:
            client = await gate.ready(_ignore)
            if (price := self._place.price()) is not None:
                meter = self._owner.spend.start(call, price)
            made = await client.embed(call.model.model, texts, heard=gate.door.heard)
        except CallError as error:
            if error.kind == "protocol" and not error.retryable:
                trial.left()  # that it makes no vectors says nothing of its chats
            else:
                trial.failed(error)  # before the place is given back, so that a refusal holds whoever waits for it
            raise
        except BaseException:
            trial.left()
            raise
        else:
            trial.passed(None)
            if meter is not None:
                meter.settle(None if made.tokens is None else Usage(input=made.tokens), charged=True)
            return made
        finally:
            if meter is not None:
                meter.settle(None)


def _ignore(line: str) -> None:
    pass
