"""What each endpoint offers: its models, what its server says of them, and what it asks for them.

Lists are kept in the data folder, one file for each address and key. A service is asked again after an hour; a server of one's
own is asked each time, because what it has changes with a pull or a restart. When an endpoint does not answer, what it
said up to seven days ago is offered instead, with its age. What comes from outside is data: names and numbers of a
sensible size, and nothing else of it is kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from agents.addresses import is_loopback
from agents.errors import CallError
from agents.models.discovery import EMBEDDED_MODEL, Target, answers, preferred
from agents.models.listed import FRESH, USABLE, Record, forget_old, keep, path_of, recall
from agents.models.presets import root_of
from agents.models.stated import ModelFacts, facts_of, with_tags
from agents.requests import ModelRef, Params

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from agents.models.client import EndpointClient
    from agents.settings import Price, Route


class EndpointModels(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint or route and what it offers, or why that is not known."""

    name: str
    kind: str = "openai"
    """The endpoint's kind, or ``route``."""
    base_url: str = ""
    """Empty for a route, and for the embedded model while it does not run."""
    models: tuple[str, ...] = ()
    details: tuple[ModelFacts, ...] = ()
    """What the server says of its models; only those of which it says something."""
    price: Price | None = None
    """What the configuration says that each of them costs, per million tokens."""
    embedding_model: str | None = None
    image_model: str | None = None
    error: str | None = None
    """Why the endpoint could not be asked. There may be models all the same: those it named before."""
    age: float | None = None
    """Seconds since the endpoint named these models; ``None`` where they come from elsewhere."""
    found: str = "configuration"
    """How it came to be known: the configuration, a variable's name, where it answers, or built in."""
    members: tuple[str, ...] = ()
    """Of a route: where its calls go."""
    fallbacks: tuple[str, ...] = ()


class Quote(msgspec.Struct, frozen=True):
    """What a model costs, and who says so."""

    price: Price
    source: str
    """``configuration``, or whose list of models."""


class Listing:
    """What endpoints offer, asked and remembered. ``client`` gives the client of an endpoint by its name.

    Background questions run in ``group``; :meth:`stop` ends them.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        routes: Mapping[str, Route],
        folder: Path,
        client: Callable[[str], Awaitable[EndpointClient]],
        group: asyncio.TaskGroup,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._targets = targets
        self._routes = routes
        self._folder = folder / "models"
        self._client = client
        self._group = group
        self._wall = wall
        self._records: dict[str, Record] = {}
        self._facts: dict[str, dict[str, ModelFacts]] = {}
        self._locks = {name: asyncio.Lock() for name in targets}
        self._background: dict[str, asyncio.Task[None]] = {}
        self._primed: set[str] = set()

    def stop(self) -> None:
        """End what asks in the background."""
        for task in self._background.values():
            task.cancel()

    async def available(self, *, refresh: bool = False) -> tuple[EndpointModels, ...]:
        """Return what every endpoint and route offers, all asked at once; with ``refresh`` also those whose list is fresh.

        An endpoint that only might be there and is not is left out.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.offer(target, refresh=refresh)) for target in self._targets.values()]
        return self._with_routes(offer for task in tasks if (offer := task.result()) is not None)

    async def known(self) -> tuple[EndpointModels, ...]:
        """Return what is remembered, without waiting for any endpoint; what is old is asked for in the background."""
        offers = []
        for target in self._targets.values():
            record = None if _is_fixed(target) else await self._recalled(target)
            age = None if record is None else self._age(record)
            if not _is_fixed(target) and (age is None or age > FRESH):
                if not target.probed:
                    self._ask_in_background(target)
                if target.probed or age is None or age > USABLE:
                    continue
            offers.append(self._offered(target, record))
        return self._with_routes(offers)

    async def choose(self) -> tuple[ModelRef, ...]:
        """Return the models to use where nobody names one: those of the first endpoint that answers and has any.

        The embedded model comes twice, once sober and once inventive, so that two panes side by side differ.
        """
        async with asyncio.TaskGroup() as group:
            # All are asked at once, and one that hangs only holds up those that come after it in order.
            asking = [(target, group.create_task(self.offer(target))) for target in self._targets.values()]
            chosen: tuple[ModelRef, ...] = ()
            for target, task in asking:
                offer = None if chosen else await task
                if target.endpoint.kind == "embedded" and not chosen:
                    chosen = tuple(ModelRef(target.name, EMBEDDED_MODEL, Params(temperature=heat)) for heat in (0.2, 0.9))
                elif offer is not None and offer.error is None:
                    chosen = tuple(ModelRef(target.name, model) for model in preferred(target, offer.models))
                task.cancel()
        return chosen

    def price(self, ref: ModelRef) -> Quote | None:
        """Return what a model costs: what the configuration says, else what the endpoint's own list does, if it is known yet."""
        target = self._targets.get(ref.endpoint)
        if target is None:
            return None
        if target.endpoint.price is not None:
            return Quote(target.endpoint.price, "configuration")
        facts = self._facts.get(ref.endpoint, {}).get(ref.model)
        if facts is None or facts.price is None:
            return None
        return Quote(facts.price, f"{target.preset.title}'s list of models")

    def prime(self, name: str) -> None:
        """Learn the prices of an endpoint that is about to be used, if it states any and the configuration has none."""
        target = self._targets[name]
        if name not in self._primed and target.preset.stated_prices and target.endpoint.price is None:
            self._primed.add(name)
            self._ask_in_background(target)

    async def offer(self, target: Target, *, refresh: bool = False) -> EndpointModels | None:
        """Return what one endpoint offers; ``None`` when it only might be there and is not."""
        if target.probed and not await answers(target):
            return None
        if _is_fixed(target):
            return self._offered(target, None)
        record, error = await self._current(target, refresh=refresh)
        return msgspec.structs.replace(self._offered(target, record), error=error)

    async def _current(self, target: Target, *, refresh: bool = False) -> tuple[Record | None, str | None]:
        """Return the list of an endpoint, asked for if it is not fresh; where that fails the one before, and why."""
        async with self._locks[target.name]:
            record = await self._recalled(target)
            if record is not None and not refresh and self._age(record) < _fresh_for(target):
                return record, None
            try:
                record = await self._ask(target)
            except CallError as error:
                return self._usable(record), str(error)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the trouble of one endpoint and not of all
                return self._usable(record), f"{target.name}: cannot be asked: {type(error).__name__}: {error}"
            await asyncio.to_thread(keep, path_of(self._folder, target), record)
            return record, None

    def _usable(self, record: Record | None) -> Record | None:
        return record if record is not None and self._age(record) <= USABLE else None

    async def _ask(self, target: Target) -> Record:
        """Ask an endpoint for its models. Raises :class:`CallError`."""
        client = await self._client(target.name)
        preset = target.preset
        headers = {"accept": "application/json", **dict(preset.headers)}
        if target.key:
            headers[preset.key_header] = f"Bearer {target.key}" if preset.key_header == "authorization" else target.key
        url = target.base_url.rstrip("/") + preset.models_path
        async with asyncio.TaskGroup() as group:
            listed = group.create_task(_page(client, url, headers))
            more = None
            if preset.facts_path is not None:
                more = group.create_task(_page(client, root_of(target.base_url) + preset.facts_path, headers))
        try:
            models = await asyncio.to_thread(facts_of, _body(listed.result()), target)
        except ValueError as fault:
            raise client.failures.make("protocol", str(fault)) from None
        if more is not None and isinstance(tags := more.result(), bytes):
            models = with_tags(models, tags)
        record = Record(endpoint=target.name, base_url=target.base_url, asked=self._wall(), models=models)
        self._remember(target, record)
        return record

    async def _recalled(self, target: Target) -> Record | None:
        if target.name not in self._records:
            record = await asyncio.to_thread(recall, path_of(self._folder, target))
            if record is not None and target.name not in self._records:
                self._remember(target, record)
        return self._records.get(target.name)

    def _remember(self, target: Target, record: Record) -> None:
        self._records[target.name] = record
        self._facts[target.name] = {model.name: model for model in record.models if model.says_something}

    def _age(self, record: Record) -> float:
        # A list from the future was kept under another clock: it may be of any age.
        age = self._wall() - record.asked
        return age if age > -60 else USABLE + 1

    def _offered(self, target: Target, record: Record | None) -> EndpointModels:
        endpoint = target.endpoint
        models = endpoint.models or ((EMBEDDED_MODEL,) if endpoint.kind == "embedded" else ())
        if record is not None and not models:
            models = tuple(model.name for model in record.models)
        return EndpointModels(
            name=target.name,
            kind=endpoint.kind,
            base_url=_shown(target.base_url),
            models=models,
            details=tuple(filter(None, map(self._facts.get(target.name, {}).get, models))),
            price=endpoint.price,
            embedding_model=endpoint.embedding_model,
            image_model=endpoint.image_model,
            age=None if record is None else max(0.0, self._age(record)),
            found=target.found,
        )

    def _with_routes(self, offers: Iterable[EndpointModels]) -> tuple[EndpointModels, ...]:
        offers = tuple(offers)
        has = {offer.name: offer.models for offer in offers}
        return (*offers, *(_route(name, route, has) for name, route in self._routes.items()))

    def _ask_in_background(self, target: Target) -> None:
        if target.name not in self._background:
            task = self._group.create_task(self._ask_quietly(target), name=f"models of {target.name}")
            self._background[target.name] = task
            task.add_done_callback(lambda _: self._background.pop(target.name, None))

    async def _ask_quietly(self, target: Target) -> None:
        await self._current(target)
        await asyncio.to_thread(forget_old, self._folder, self._wall())


async def _page(client: EndpointClient, url: str, headers: Mapping[str, str]) -> bytes | CallError:
    # Returned, not raised: a task group would stop the other question and wrap the error.
    try:
        return await client.get(url, headers)
    except CallError as error:
        return error


def _body(page: bytes | CallError) -> bytes:
    if isinstance(page, CallError):
        raise page
    return page


def _is_fixed(target: Target) -> bool:
    """Return whether an endpoint's models are known without asking."""
    return bool(target.endpoint.models) or target.endpoint.kind == "embedded"


def _fresh_for(target: Target) -> float:
    own = target.preset.own or (target.endpoint.kind == "openai" and is_loopback(target.base_url))
    return 0.0 if own else FRESH


def _route(name: str, route: Route, has: Mapping[str, tuple[str, ...]]) -> EndpointModels:
    """Return what a route offers: the models that each of its members has, in the order of the first."""
    plain = [has.get(member, ()) for member in route.members if "/" not in member]
    common = tuple(model for model in plain[0] if all(model in others for others in plain[1:])) if plain else ()
    return EndpointModels(name=name, kind="route", models=common, members=route.members, fallbacks=route.fallbacks)


def _shown(base_url: str) -> str:
    """Return the address without a name and password, which do not belong into it and must not be shown."""
    scheme, mark, rest = base_url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"
