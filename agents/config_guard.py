"""What configuration may not ask for though its shape is right: routes to nowhere, and what a project's file may not decide.

A project's file came with the project and is not the person's word: it may not send the person's keys, prompts or documents
where the person did not say. What it changes is seen by comparing the settings with it and without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from agents.addresses import is_loopback
from agents.errors import ConfigError
from agents.models.presets import PRESETS, place_of
from agents.settings import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.config import Layer
    from agents.settings import Defaults, Locations, OnCut, Route, Settings

_FURTHER: Final[tuple[OnCut, ...]] = ("keep", "resume", "restart")
"""What follows a cut answer, that which asks least first."""
_FIRST_CAP: Final = 8
"""Calls at once that an adaptive endpoint begins with."""


def guard(project: Layer, settings: Settings, trusted: Settings, locations: Locations) -> None:
    """Raise :class:`ConfigError` where ``settings`` go beyond what they would be ``trusted`` to be without ``project``'s file."""

    def refuse(key: str, fault: str) -> NoReturn:
        raise ConfigError(
            f"{project.name}: {key}: a project's file may not {fault}; put {key} in {locations.config} if you want that"
        )

    for name in project.table.get("endpoints", {}):
        here, own = f"endpoints.{name}", trusted.endpoints.get(name)
        if name in PRESETS and own is None:
            refuse(here, f"take the place of what is found as {name!r}")
        if own is not None and settings.endpoints[name].price != own.price:
            refuse(f"{here}.price", "say what your own endpoint costs")
        base_url, key = place_of(name, settings.endpoints[name], {})
        own_url, own_key = place_of(name, own or Endpoint(), {})
        away = bool(base_url) and not is_loopback(base_url)
        if key not in {None, own_key} and away:
            refuse(f"{here}.api_key_env", "send a key to another machine")
        if own is not None:
            _guard_limits(here, settings.endpoints[name], own, refuse)
        if base_url == own_url:
            if own is not None and settings.endpoints[name].kind != own.kind:
                # By its kind it is known where it states its prices, and in which unit: without, no budget counts its calls.
                refuse(f"{here}.kind", "say what your own endpoint is")
            continue
        if own_key:
            refuse(f"{here}.base_url", "move an endpoint that your own configuration gives a key")
        if away:
            refuse(f"{here}.base_url", "send what you write to another machine")
    _guard_routes(project, settings, trusted, refuse)
    _guard_money(settings.defaults, trusted.defaults, refuse)
    embeddings = settings.library.embeddings
    if embeddings not in {"static", trusted.library.embeddings}:
        name = embeddings.partition("/")[0]
        endpoint = settings.endpoints.get(name)
        if name not in trusted.endpoints and not (endpoint and is_loopback(place_of(name, endpoint, {})[0])):
            refuse("library.embeddings", "send your documents to another machine or a paid service")


def _guard_routes(project: Layer, settings: Settings, trusted: Settings, refuse: Callable[[str, str], NoReturn]) -> None:
    for name, asked in project.table.get("routes", {}).items():
        route, own = settings.routes[name], trusted.routes.get(name)
        if own is not None and not own.members:
            own = None  # a variable says something of the project's route
        if own is not None and route != own:
            refuse(f"routes.{name}", "lead calls elsewhere than your own configuration does")
        leads_to = {member.partition("/")[0] for member in route.members}
        if own is None and route.hedge and asked.get("hedge") and leads_to & {*trusted.endpoints, *PRESETS}:
            refuse(f"routes.{name}.hedge", "ask your own endpoints twice for one answer")


def _guard_limits(here: str, asked: Endpoint, own: Endpoint, refuse: Callable[[str, str], NoReturn]) -> None:
    for key in ("requests_per_minute", "tokens_per_minute"):
        most, wanted = getattr(own, key), getattr(asked, key)
        if most is not None and wanted > most:
            refuse(f"{here}.{key}", "raise what you said may be asked in a minute")
    if not _gentler(asked, own):
        refuse(f"{here}.concurrency", "have more calls at once at your own endpoint")
    if asked.max_retries > own.max_retries:
        refuse(f"{here}.max_retries", "have your own endpoint asked again more often")
    if _FURTHER.index(asked.on_cut) > _FURTHER.index(own.on_cut):
        refuse(f"{here}.on_cut", "have your own endpoint asked again for what was cut")


def _gentler(asked: Endpoint, own: Endpoint) -> bool:
    """Tell whether no more calls are made at once than the person's own configuration lets through."""
    if asked.concurrency == "adaptive" or own.concurrency == "adaptive":
        # What is to be found out may be little: instead of it, a project may name what the doors begin with.
        return asked.concurrency == own.concurrency or (asked.concurrency != "adaptive" and asked.concurrency <= _FIRST_CAP)
    return asked.concurrency <= own.concurrency


def _guard_money(asked: Defaults, own: Defaults, refuse: Callable[[str, str], NoReturn]) -> None:
    if asked.speculate == "always" != own.speculate:
        refuse("defaults.speculate", "ask beforehand where that costs")
    if own.budget is not None and (asked.budget is None or asked.budget > own.budget):
        refuse("defaults.budget", "raise what you said a session may cost")


def route_fault(name: str, route: Route, settings: Settings) -> str | None:
    """Return what is wrong with a route; ``None`` when it can be used if its endpoints are there."""
    here = f"routes.{name}"
    endpoints = {*settings.endpoints, *PRESETS}
    if name in endpoints:
        return f"{here} is called like an endpoint; give the route another name"
    if not route.members:
        return f'{here}.members is empty; name endpoints, like members = ["gpu1", "gpu2"]'
    for key, places in (("members", route.members), ("fallbacks", route.fallbacks)):
        faults = (_place_fault(place, key, endpoints, settings) for place in places)
        if fault := next(filter(None, faults), None):
            return f"{here}.{key}: {fault}"
        if len(set(places)) < len(places):
            return f"{here}.{key} names the same place twice"
    return None


def _place_fault(place: str, key: str, endpoints: set[str], settings: Settings) -> str | None:
    endpoint, slash, model = place.partition("/")
    if endpoint in settings.routes:
        return f"{endpoint!r} is a route; a route leads to endpoints only"
    if endpoint not in endpoints:
        return f"there is no endpoint {endpoint!r}; there are {', '.join(sorted(endpoints))}"
    if (slash and not model) or (key == "fallbacks" and not slash):
        return f"{place!r} names no model; write endpoint/model"
    return None
