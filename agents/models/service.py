"""All model calls take the one path through here: cache, single flight, admission, attempts, decode, events."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

import msgspec

from agents.attachments import fetch
from agents.errors import CallError, InputError
from agents.models.admission import Admission
from agents.models.attempts import attempt_until_done
from agents.models.cache import Answer, AnswerCache, identity
from agents.models.discovery import EMBEDDED, EMBEDDED_MODEL, Target, answers, preferred, targets
from agents.models.embedded import EmbeddedModel
from agents.models.embeddings import Embeddings, Place
from agents.models.flights import Flight
from agents.models.names import parse_model
from agents.models.turns import Turn
from agents.requests import ModelCall, ModelRef, Params, Priority
from storage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from agents.events import Usage
    from agents.models.client import EndpointClient
    from agents.runs import Step
    from agents.settings import Locations, Settings
    from storage.attachments import AttachedFiles
    from storage.cache import ResponseCache

Ready = Callable[[Callable[[str], None]], Awaitable[tuple["EndpointClient", "Mapping[str, bytes]"]]]


class EndpointModels(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint and what it offers, or why that is not known."""

    name: str
    base_url: str
    """Empty for the embedded model while it does not run."""
    models: tuple[str, ...] = ()
    error: str | None = None
    found: str
    """How it came to be known: the configuration, a variable's name, where it answers, or built in."""


class EndpointLoad(msgspec.Struct, frozen=True):
    """How busy the door to one endpoint is now."""

    endpoint: str
    depth: int
    in_flight: int
    cap: int
    oldest_wait: float
    """Seconds the call has waited that waits longest."""


class _Gate:
    """What is kept for one endpoint: its target, its door, and its client once there is one."""

    def __init__(self, target: Target, clock: Callable[[], float]) -> None:
        self.target = target
        self.door = Admission(target.endpoint, clock)
        self.client: EndpointClient | None = None
        self.making = asyncio.Lock()


class Models:
    """An async context manager: every endpoint, and the calls to them. Entering is quick; nothing is imported or started before
    the first call. Leaving stops what still runs, closes every connection and ends the embedded model's process.
    """

    def __init__(
        self,
        settings: Settings,
        locations: Locations,
        cache: ResponseCache | None = None,
        files: AttachedFiles | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._locations = locations
        self._environ = os.environ if environ is None else environ
        self._clock = clock
        self._cache = None if cache is None else AnswerCache(cache, settings.defaults.cache_ttl)
        self._files = files
        self._gates = {name: _Gate(target, clock) for name, target in targets(settings, self._environ).items()}
        self._turn = Turn()
        self._flights: dict[str, Flight] = {}
        self._chance = random.Random()
        self._tasks: dict[asyncio.Task[None], Flight] = {}
        self._group: asyncio.TaskGroup
        self._embedded: EmbeddedModel
        self.embeddings: Embeddings
        """Set on entering."""

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._embedded = EmbeddedModel(self._group, self._locations.data)
        self.embeddings = Embeddings(self._group, self._chance)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task, flight in self._tasks.items():
            if not flight.over:  # one that is over only keeps its answer, which is worth the wait
                task.cancel()
        try:
            await self._embedded.stop()
            # Its tasks end typed and never raise; the block's own error goes on as it is, not as a group.
            await self._group.__aexit__(None, None, None)
        finally:
            for gate in self._gates.values():
                if gate.client is not None:
                    await gate.client.close()

    @property
    def settings(self) -> Settings:
        """The configuration that calls are completed from."""
        return self._settings

    async def call(self, step: Step, call: ModelCall) -> Answer:
        """Make ``call`` and tell ``step`` what happens: its start, its text, what is waited for, and how it ended.

        Returns only a whole answer. Raises :class:`CallError`, of kind ``cut`` when text had come; the step keeps that text. The
        caller owns the step's block. Cancelling closes the connection, unless another step follows the same call.
        """
        gate = self._gate(call.model)
        call = self._complete(call)
        where = EMBEDDED if gate.target.endpoint.kind == "embedded" else gate.target.base_url
        key = identity(where, call)
        flight = self._flights.get(key) if call.use_cache else None
        if flight is not None:
            return await flight.follow(step, joined=True)
        flight = Flight(call, lambda usage: _cost(gate.target, usage), lambda flight: self._forget(key, flight))
        if call.use_cache:
            self._flights[key] = flight
        task = self._group.create_task(self._fly(flight, key, gate), name=f"call {call.model.name}")
        self._tasks[task] = flight
        flight.bind(task)
        # A callback, because a task that is cancelled before its first step never enters its own try block.
        task.add_done_callback(lambda task: self._landed(key, flight, task))
        return await flight.follow(step, joined=False)

    async def _fly(self, flight: Flight, key: str, gate: _Gate) -> None:
        cache = self._cache if flight.call.use_cache else None
        try:
            kept = None if cache is None else await cache.get(key, lambda line: flight.log(line, "warning"))
            if kept is not None:
                flight.land(kept)
                return

            async def ready(progress: Callable[[str], None]) -> tuple[EndpointClient, Mapping[str, bytes]]:
                return await self._client(gate, progress), await fetch(flight.call.messages, self._files)

            reply = await attempt_until_done(flight, gate.door, ready, gate.target.endpoint.max_retries, self._chance)
        except CallError as error:
            flight.fail(error)
            return
        except (InputError, StoreError) as error:
            flight.fail(CallError("bad_request", str(error)))
            return
        except Exception as error:  # noqa: BLE001  # a bug here must end one call, not the program
            flight.fail(CallError("protocol", f"{gate.target.name}: the call failed: {type(error).__name__}: {error}"))
            return
        answer = Answer(text=flight.text, finish=reply.finish, usage=reply.usage)
        flight.land(answer)
        if cache is not None:
            await cache.put(key, answer)

    def _landed(self, key: str, flight: Flight, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._forget(key, flight)
        flight.fail(CallError("unreachable", "the call was stopped: stretto is closing"))

    def _forget(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _gate(self, ref: ModelRef) -> _Gate:
        gate = self._gates.get(ref.endpoint)
        if gate is None:
            known = ", ".join(self._gates)
            raise CallError("not_found", f"there is no endpoint {ref.endpoint!r}; there are {known}. Add it to config.toml")
        return gate

    def _complete(self, call: ModelCall) -> ModelCall:
        """Fill in what the settings say where the call says nothing, so that equal calls are equal; make its text encodable."""
        defaults, given = self._settings.defaults, call.model.params
        params = msgspec.structs.replace(
            given,
            max_tokens=defaults.max_tokens if given.max_tokens is None else given.max_tokens,
            temperature=defaults.temperature if given.temperature is None else given.temperature,
        )
        messages = tuple(msgspec.structs.replace(message, content=_whole_characters(message.content)) for message in call.messages)
        return msgspec.structs.replace(call, model=msgspec.structs.replace(call.model, params=params), messages=messages)

    async def _client(self, gate: _Gate, progress: Callable[[str], None]) -> EndpointClient:
        target = gate.target
        if target.endpoint.kind == "embedded":
            address = await self._embedded.ready(progress)
            target = msgspec.structs.replace(target, base_url=address.base_url, key=address.key)
        async with gate.making:
            client = gate.client
            if client is not None and client.target == target:
                return client
            gate.client = await asyncio.to_thread(_make_client, target, self._turn)
            if client is not None:
                await client.close()
            return gate.client

    async def embed(self, ref: ModelRef, texts: Sequence[str], priority: Priority = Priority.INTERACTIVE) -> list[list[float]]:
        """Return one vector for each text, in order, from the endpoint's ``/embeddings``. Raises :class:`CallError`.

        Texts of several callers go out together, see :mod:`agents.models.batching`.
        """
        gate = self._gate(ref)
        if gate.target.endpoint.kind == "embedded":
            raise CallError("bad_request", "the embedded model makes no embeddings: use the static ones or another endpoint")
        place = Place(gate.door, lambda: self._client(gate, lambda _: None), gate.target.endpoint.max_retries)
        return await self.embeddings.embed(ref, texts, priority, place)

    async def warm(self, ref: ModelRef, progress: Callable[[str], None]) -> None:
        """Make the endpoint ready for its first call: import the client, start the embedded model. Raises :class:`CallError`."""
        await self._client(self._gate(ref), progress)

    def load(self) -> tuple[EndpointLoad, ...]:
        """Return how busy each endpoint is; cheap enough for every frame."""
        return tuple(
            EndpointLoad(name, gate.door.depth, gate.door.in_flight, gate.door.cap, gate.door.oldest_wait)
            for name, gate in self._gates.items()
        )

    async def available(self) -> tuple[EndpointModels, ...]:
        """Ask every endpoint at once what it offers. One that only might be there and is not is left out."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._offer(gate)) for gate in self._gates.values()]
        return tuple(offer for task in tasks if (offer := task.result()) is not None)

    async def _offer(self, gate: _Gate) -> EndpointModels | None:
        target = gate.target
        offer = EndpointModels(
            name=target.name, base_url=_shown(target.base_url), models=target.endpoint.models, found=target.found
        )
        if target.endpoint.kind == "embedded":
            return msgspec.structs.replace(offer, models=target.endpoint.models or (EMBEDDED_MODEL,))
        if target.probed and not await answers(target):
            return None
        if offer.models:
            return offer
        try:
            client = await self._client(gate, lambda _: None)
            return msgspec.structs.replace(offer, models=await client.models())
        except CallError as error:
            return msgspec.structs.replace(offer, error=str(error))

    async def defaults(self) -> tuple[ModelRef, ...]:
        """Return the models used where nobody names one: the configured ones, else those of the first endpoint that has any.

        The embedded model comes twice, once sober and once inventive, so that two panes side by side differ. Raises
        :class:`InputError` for a configured name that is none.
        """
        if self._settings.defaults.models:
            return tuple(map(self._parse, self._settings.defaults.models))
        async with asyncio.TaskGroup() as group:
            # All are asked at once, and one that hangs only holds up those that come after it in order.
            asking = [(gate.target, group.create_task(self._offer(gate))) for gate in self._gates.values()]
            chosen: tuple[ModelRef, ...] = ()
            for target, task in asking:
                offer = None if chosen else await task
                if target.endpoint.kind == "embedded" and not chosen:
                    chosen = tuple(ModelRef(target.name, EMBEDDED_MODEL, Params(temperature=heat)) for heat in (0.2, 0.9))
                elif offer is not None:
                    chosen = tuple(ModelRef(target.name, model) for model in preferred(target, offer.models))
                task.cancel()
        return chosen

    def _parse(self, text: str) -> ModelRef:
        ref = parse_model(text)
        if ref.endpoint not in self._gates:
            raise InputError(f"defaults.models: there is no endpoint {ref.endpoint!r}; there are {', '.join(self._gates)}")
        return ref


def _make_client(target: Target, turn: Turn) -> EndpointClient:
    from agents.models.client import EndpointClient

    return EndpointClient(target, turn)


def _shown(base_url: str) -> str:
    """Return the address without a name and password, which do not belong into it and must not be shown."""
    scheme, mark, rest = base_url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _whole_characters(text: str) -> str:
    """Return ``text`` with halves of characters, which a damaged document may hold and JSON cannot, joined or replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _cost(target: Target, usage: Usage) -> float | None:
    price = target.endpoint.price
    if price is None or usage.estimated:
        return None
    return (usage.input * price.input + usage.output * price.output) / 1e6
