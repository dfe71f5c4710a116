"""All model calls take the one path through here: cache, single flight, admission, attempts, decode, events."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import TYPE_CHECKING, Literal, Protocol, Self

import msgspec

from agents.attachments import fetch
from agents.errors import CallError, InputError
from agents.models.attempts import Attempts
from agents.models.cache import Answer, AnswerCache, identity
from agents.models.directory import Directory
from agents.models.discovery import targets
from agents.models.embedded import EmbeddedModel
from agents.models.embeddings import Embeddings, Place
from agents.models.figures import EndpointLoad, EngineFigures
from agents.models.flights import Flight
from agents.models.listing import EndpointModels, Listing
from agents.models.names import parse_model
from agents.models.routes import Seat
from agents.models.similar import SimilarAnswers
from agents.models.spend import Spend
from agents.models.turns import Turn
from agents.requests import ModelCall, ModelRef, Priority
from storage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from agents.models.client import EndpointClient
    from agents.models.routes import Course
    from agents.runs import Step
    from agents.settings import Locations, Price, Settings
    from storage.attachments import AttachedFiles
    from storage.cache import ResponseCache


class AnswersAhead(Protocol):
    """Knows answers to calls nobody has made yet."""

    def take(self, key: str) -> Answer | None:
        """Return the answer to the call of that identity, once."""


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
        defaults = settings.defaults
        self._settings = settings
        self._locations = locations
        self._environ = os.environ if environ is None else environ
        self._cache = None if cache is None else AnswerCache(cache, defaults.cache_ttl, defaults.cache_mb << 20)
        self._similar: SimilarAnswers | None = None
        if cache is not None and self._cache is not None and defaults.similar > 0:
            self._similar = SimilarAnswers(self._cache, cache, defaults.similar)
        self._files = files
        self.directory = Directory(targets(settings, self._environ), settings.routes, clock, Turn())
        self._flights: dict[str, Flight] = {}
        self._joined = 0
        self._chance = random.Random()
        self._tasks: dict[asyncio.Task[None], Flight] = {}
        self._group: asyncio.TaskGroup
        self._embedded: EmbeddedModel
        self.spend = Spend(defaults.budget)
        self.embeddings: Embeddings
        """Set on entering."""
        self.listing: Listing
        self.ahead: AnswersAhead | None = None
        """Answers that were made before they were asked for, if somebody makes any."""

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._embedded = EmbeddedModel(self._group, self._locations.data)
        self.embeddings = Embeddings(self._group, self.spend, self._chance)
        gates = self.directory.gates
        known = {name: gate.target for name, gate in gates.items()}
        self.listing = Listing(known, self._settings.routes, self._locations.data, self._listing_client, self._group)
        for gate in gates.values():
            gate.made = self.listing.prime
            if gate.target.endpoint.kind == "embedded":
                gate.serve = self._embedded.ready
        if self._similar is not None:
            await self._similar.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task, flight in self._tasks.items():
            if not flight.over:  # one that is over only keeps its answer, which is worth the wait
                task.cancel()
        self.listing.stop()
        self.directory.rest()
        try:
            await self._embedded.stop()
            # Its tasks end typed and never raise; the block's own error goes on as it is, not as a group.
            await self._group.__aexit__(None, None, None)
        finally:
            if self._similar is not None:
                await self._similar.__aexit__(None, None, None)
            if self._cache is not None:
                await self._cache.settle(closing=True)
            await self.directory.close()

    @property
    def settings(self) -> Settings:
        """The configuration that calls are completed from."""
        return self._settings

    # Calls

    async def call(self, step: Step, call: ModelCall) -> Answer:
        """Make ``call`` and tell ``step`` what happens: its start, its text, what is waited for, and how it ended.

        Returns only a whole answer. Raises :class:`CallError`, of kind ``cut`` when text had come; the step keeps that text. The
        caller owns the step's block. Cancelling closes the connection, unless another step follows the same call.
        """
        course, where = self.directory.course(call.model), self.directory.address(call.model)
        call = self._complete(call)
        key = identity(where, call)
        flight = self._flights.get(key)
        # A person's own question joins the same one asked beforehand, whatever the settings say of the cache.
        shared = flight is not None and not call.refresh and (call.use_cache or flight.call.priority is Priority.SPECULATIVE)
        purse = self.spend.of_run(step.run)
        # Nobody is stopped by the end of another's budget.
        if flight is not None and shared and flight.purse in {None, purse}:
            self._joined += 1
            flight.urge(call.priority)
            return await flight.follow(step)
        flight = Flight(call, self._price(course.members[0]), lambda flight: self._forget(key, flight))
        flight.purse = purse
        if call.use_cache or call.priority is Priority.SPECULATIVE:
            self._flights[key] = flight
        task = self._group.create_task(self._fly(flight, key, where, course), name=f"call {call.model.name}")
        self._tasks[task] = flight
        flight.bind(task)
        # A callback, because a task that is cancelled before its first step never enters its own try block.
        task.add_done_callback(lambda task: self._landed(key, flight, task))
        return await flight.follow(step)

    def key(self, call: ModelCall) -> str:
        """Return the identity of ``call``, by which answers made beforehand are kept. Raises :class:`CallError`."""
        return identity(self.directory.address(call.model), self._complete(call))

    async def _fly(self, flight: Flight, key: str, where: str, course: Course) -> None:
        call = flight.call
        cache = self._cache if call.use_cache else None
        attempts = Attempts(flight, course, self._fetch, self._price, self.spend, self._chance)
        try:
            kept = None if call.refresh else await self._kept(cache, flight, key, where)
            if kept is not None:
                flight.land(kept)
                if cache is not None:
                    await (cache.put(key, kept) if kept.speculated else cache.settle())
                return
            reply = await attempts.run()
        except CallError as error:
            flight.fail(error)
            return
        except (InputError, StoreError) as error:
            flight.fail(CallError("bad_request", str(error)))
            return
        except Exception as error:  # noqa: BLE001  # a bug here must end one call, not the program
            name = call.model.endpoint
            flight.fail(CallError("protocol", f"{name}: the call failed: {type(error).__name__}: {error}"))
            return
        answer = Answer(text=flight.text, finish=reply.finish, usage=reply.usage)
        flight.land(answer)
        # What was asked beforehand is kept only when somebody asked it, and a fallback's answer is not that model's.
        speculative = flight.priority is Priority.SPECULATIVE
        if cache is None or speculative or attempts.seat in course.fallbacks:
            return
        if await cache.put(key, answer) and self._similar is not None:
            await self._similar.add(where, call, key)

    async def _kept(self, cache: AnswerCache | None, flight: Flight, key: str, where: str) -> Answer | None:
        """Return the answer that is there already: kept, made beforehand, or made for a similar question."""
        kept = None
        if cache is not None:
            # What nobody asked yet is no miss of anybody's.
            look = cache.find if flight.call.priority is Priority.SPECULATIVE else cache.get
            kept = await look(key, lambda line: flight.log(line, "warning"))
        if kept is None and self.ahead is not None:
            kept = self.ahead.take(key)
        if kept is None and cache is not None and self._similar is not None and flight.call.similar:
            kept = await self._similar.find(where, flight.call)
        return kept

    async def _fetch(self, call: ModelCall) -> Mapping[str, bytes]:
        return await fetch(call.messages, self._files)

    def _landed(self, key: str, flight: Flight, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._forget(key, flight)
        flight.fail(CallError("unreachable", "the call was stopped: stretto is closing"))

    def _forget(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

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

    def _price(self, seat: Seat) -> Price | None:
        quote = self.listing.price(ModelRef(seat.gate.name, seat.model))
        return None if quote is None else quote.price

    async def _listing_client(self, name: str) -> EndpointClient:
        return await self.directory.gate(name).ready(_ignore)

    async def embed(self, ref: ModelRef, texts: Sequence[str], priority: Priority = Priority.INTERACTIVE) -> list[list[float]]:
        """Return one vector for each text, in order, from the endpoint's ``/embeddings``. Raises :class:`CallError`.

        Texts of several callers go out together, see :mod:`agents.models.batching`.
        """
        gate = self.directory.gate(ref.endpoint)
        if gate.target.endpoint.kind == "embedded":
            raise CallError("bad_request", "the embedded model makes no embeddings: use the static ones or another endpoint")
        place = Place(gate, lambda: self._price(Seat(gate, ref.model)))
        return await self.embeddings.embed(ref, texts, priority, place)

    async def warm(self, ref: ModelRef, progress: Callable[[str], None]) -> None:
        """Make the endpoint ready for its first call: import the client, start the embedded model. Raises :class:`CallError`."""
        await self.directory.warm(ref, progress)

    async def connect(self, ref: ModelRef) -> None:
        """Open a connection to where ``ref`` is, ahead of its next call. Raises :class:`CallError` when there is no such place."""
        await self.directory.connect(ref)

    # What a person sees and changes

    def load(self) -> tuple[EndpointLoad, ...]:
        """Return how busy each endpoint is; cheap enough for every frame."""
        return self.directory.load()

    def figures(self) -> EngineFigures:
        """Return what there is to see of the engine; cheap enough for a few times a second."""
        gates = self.directory.gates
        return EngineFigures(
            doors={name: gate.door.figures() for name, gate in gates.items()},
            health={name: gate.health.figures() for name, gate in gates.items()},
            first_token={name: gate.first_tokens.mean for name, gate in gates.items()},
            routes={name: road.figures() for name, road in self.directory.roads.items()},
            cache=None if self._cache is None else self._cache.figures(),
            spend=self.spend.figures(),
            batches=self.embeddings.figures(),
            flights=len(self._tasks),
            joined=self._joined,
        )

    async def look(self) -> None:
        """Read anew what the cache holds, for :meth:`figures`."""
        if self._cache is not None:
            await self._cache.look()

    async def clear_cache(self) -> int:
        """Remove every answer that is kept; returns how many. Raises :class:`~storage.errors.StoreError`."""
        return 0 if self._cache is None else await self._cache.clear()

    def set_cap(self, endpoint: str, cap: int | Literal["adaptive"]) -> None:
        """Change how many calls to an endpoint are in flight at once, while they run. Raises :class:`CallError`."""
        self.directory.set_cap(endpoint, cap)

    def set_limits(self, endpoint: str, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        """Change an endpoint's limits while calls run; ``None`` is none. Raises :class:`CallError`."""
        self.directory.set_limits(endpoint, requests_per_minute, tokens_per_minute)

    async def available(self, *, refresh: bool = False) -> tuple[EndpointModels, ...]:
        """Return what every endpoint and route offers, asked at once; see :class:`agents.models.listing.Listing`."""
        return await self.listing.available(refresh=refresh)

    async def defaults(self) -> tuple[ModelRef, ...]:
        """Return the models used where nobody names one: the configured ones, else those of the first endpoint that has any.

        Raises :class:`InputError` for a configured name that is none.
        """
        if self._settings.defaults.models:
            return tuple(map(self._parse, self._settings.defaults.models))
        return await self.listing.choose()

    def _parse(self, text: str) -> ModelRef:
        ref = parse_model(text)
        known = self.directory.names
        if ref.endpoint not in known:
            raise InputError(f"defaults.models: there is no endpoint {ref.endpoint!r}; there are {', '.join(known)}")
        return ref


def _ignore(line: str) -> None:
    pass


def _whole_characters(text: str) -> str:
    """Return ``text`` with halves of characters, which a damaged document may hold and JSON cannot, joined or replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
