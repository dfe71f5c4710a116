"""What ``stretto doctor`` says of endpoints and routes: a line for each, whether it can be used, else what to do."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Literal
from urllib.request import getproxies

import msgspec

from agents.errors import CallError, StrettoError

if TYPE_CHECKING:
    from agents.models.discovery import Target
    from agents.models.listing import EndpointModels
    from agents.models.service import Models
    from agents.settings import Locations, Settings

State = Literal["ok", "warn", "fail"]

_REACHED_WITHIN = 2.0
"""Seconds an endpoint whose models are configured has to take a connection."""
_EMBEDDED_WITHIN = 4.0
"""Seconds an endpoint has to make a vector of one word; a server of one's own may have to load its model for it."""


class Check(msgspec.Struct, frozen=True):
    """One line of the report."""

    state: State
    name: str
    message: str


def check_keys(settings: Settings) -> list[Check]:
    """Say which configured endpoints want a key whose variable is not set."""
    from agents.models.discovery import missing_key, targets

    return [
        Check("fail", "endpoint", f"{target.name}: {fault}")
        for target in targets(settings, os.environ).values()
        if (fault := missing_key(target))
    ]


def check_routes(settings: Settings) -> list[Check]:
    """Say where each route leads, and which of its endpoints cannot be found at all."""
    from agents.models.discovery import targets

    known = targets(settings, os.environ)
    found = []
    for name, route in settings.routes.items():
        places = (*route.members, *route.fallbacks)
        missing = [place for place in places if place.partition("/")[0] not in known]
        to = f"{name} leads to {', '.join(route.members)}"
        if route.fallbacks:
            to = f"{to}, else to {', '.join(route.fallbacks)}"
        if missing:
            what = f"{', '.join(missing)} cannot be used: configure the endpoint or set the variable of its key"
            found.append(Check("warn" if len(missing) < len(places) else "fail", "route", f"{to}; {what}"))
        else:
            found.append(Check("ok", "route", to))
    return found


async def check_endpoints(settings: Settings, locations: Locations) -> list[Check]:
    """Ask every endpoint that has its key for its models, all at once; one whose models are configured is only reached for.

    An embedding model that is configured is asked for the vector of one word.
    """
    from agents.models.discovery import missing_key, targets
    from agents.models.service import Models

    known = targets(settings, os.environ)
    try:
        async with Models(settings, locations) as models, asyncio.TaskGroup() as group:
            asked = [
                group.create_task(_check(models, target, declared=target.name in settings.endpoints))
                for target in known.values()
                if not missing_key(target)  # told already
            ]
    except StrettoError as error:
        return [Check("fail", "endpoint", str(error))]
    found = [check for task in asked for check in task.result()]
    return found or [Check("fail", "endpoint", "there is none; put one in the configuration")]


async def _check(models: Models, target: Target, *, declared: bool) -> list[Check]:
    offer = await models.listing.offer(target, refresh=True)
    if offer is None:
        return []
    where = f"{target.name} ({offer.base_url or 'in a process of its own'})"
    if offer.error:
        return [Check("fail", "endpoint", f"{where}: {offer.error.removeprefix(f'{target.name}: ')}")]
    if not await _reaches(target):
        fault = f"nothing answers there within {_REACHED_WITHIN:g} s; start its server or correct base_url"
        return [Check("fail", "endpoint", f"{where}: {fault}")]
    count = len(offer.models)
    found = [Check("ok", "endpoint", f"{where}: {count} model{'s' if count != 1 else ''}")]
    if target.endpoint.image_model is not None:
        found.append(
            Check("ok", "images", f"{target.name}/{target.endpoint.image_model}{_unlisted(offer, target.endpoint.image_model)}")
        )
    if declared and target.endpoint.embedding_model is not None:
        found.append(await _check_embedding(models, target, target.endpoint.embedding_model))
    return found


def _unlisted(offer: EndpointModels, model: str) -> str:
    return "" if model in offer.models else " (not among the models it lists)"


async def _check_embedding(models: Models, target: Target, model: str) -> Check:
    from agents.requests import ModelRef

    name = f"{target.name}/{model}"
    try:
        async with asyncio.timeout(_EMBEDDED_WITHIN):
            (vector,) = await models.embed(ModelRef(target.name, model), ["stretto"])
    except TimeoutError:
        return Check("warn", "embeddings", f"{name}: no vector within {_EMBEDDED_WITHIN:g} s; it may be loading: try again")
    except CallError as error:
        fault = str(error).removeprefix(f"{target.name}: ")
        return Check("fail", "embeddings", f"{name}: {fault}; correct endpoints.{target.name}.embedding_model")
    return Check("ok", "embeddings", f"{name}: vectors of {len(vector)} numbers")


async def _reaches(target: Target) -> bool:
    """Return whether an endpoint with configured models answers; of others, and behind a proxy, only a question to it tells."""
    from agents.addresses import is_loopback
    from agents.models.discovery import answers

    try:
        local = is_loopback(target.base_url)
    except ValueError:  # not an address at all
        return False
    behind_proxy = not local and getproxies().keys() & {"all", target.base_url.partition(":")[0]}
    if target.endpoint.kind == "embedded" or not target.endpoint.models or behind_proxy:
        return True
    return await answers(target, _REACHED_WITHIN)
