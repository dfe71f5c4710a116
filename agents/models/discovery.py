"""Which endpoints there are: those configured, and those found without configuration.

Found are ``openai`` when ``OPENAI_API_KEY`` is set (``OPENAI_BASE_URL`` is honoured), ``ollama`` at ``OLLAMA_HOST`` or where it
listens by default, and ``embedded``, which is always there. A configured endpoint of the same name takes the place of a found one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from agents.errors import InputError
from agents.settings import Endpoint, Price, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.requests import ModelRef

EMBEDDED = "embedded"
EMBEDDED_MODEL = "smollm2-135m"
EMBEDDED_SLOTS = 4
_OLLAMA_PORT = 11434
_OPENAI_CHOICE = ("gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it is called: its settings, where it is, and the key's value, which must never be shown."""

    name: str
    endpoint: Endpoint
    base_url: str
    key: str | None = None
    key_name: str | None = None
    """The environment variable the key comes from; a key that is named but missing is an error when it is needed."""
    found: str = "configuration"
    """How the endpoint came to be known, for a person."""
    probed: bool = False
    """True when it exists only if something answers there."""

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.base_url!r})"


def targets(settings: Settings, environ: Mapping[str, str]) -> dict[str, Target]:
    """Return every endpoint that can be named, in the order in which defaults are looked for."""
    known: dict[str, Target] = {}
    for name, endpoint in settings.endpoints.items():
        key = None if endpoint.api_key_env is None else environ.get(endpoint.api_key_env, "").strip() or None
        known[name] = Target(name=name, endpoint=endpoint, base_url=endpoint.base_url, key=key, key_name=endpoint.api_key_env)
    for target in (_openai(environ), _ollama(environ), _embedded()):
        if target is not None:
            known.setdefault(target.name, target)
    return known


def _openai(environ: Mapping[str, str]) -> Target | None:
    key = environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        return None
    base_url = environ.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com/v1"
    endpoint = Endpoint(base_url=base_url, api_key_env="OPENAI_API_KEY", embedding_model="text-embedding-3-small")
    return Target(name="openai", endpoint=endpoint, base_url=base_url, key=key, key_name="OPENAI_API_KEY", found="OPENAI_API_KEY")


def _ollama(environ: Mapping[str, str]) -> Target:
    given = environ.get("OLLAMA_HOST", "").strip()
    base_url = ollama_url(given)
    endpoint = Endpoint(base_url=base_url, concurrency=4)
    found = "OLLAMA_HOST" if given else f"answers at 127.0.0.1:{_OLLAMA_PORT}"
    return Target(name="ollama", endpoint=endpoint, base_url=base_url, found=found, probed=not given)


def ollama_url(given: str) -> str:
    """Return the address of the API for a value of ``OLLAMA_HOST``: ``host``, ``host:port``, ``:port`` or a URL."""
    scheme, mark, rest = given.strip().rstrip("/").partition("://")
    if not mark:
        scheme, rest = "http", scheme
    rest = rest.removesuffix("/v1")
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port:
        host, port = rest, "" if scheme == "https" else str(_OLLAMA_PORT)
    # A server is told to listen on every address this way; a client cannot call one.
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
    return f"{scheme}://{host}{':' if port else ''}{port}/v1"


def _embedded() -> Target:
    # Its model runs on the person's own machine: that has a price, which is known and is nothing.
    endpoint = Endpoint(kind="embedded", concurrency=EMBEDDED_SLOTS, models=(EMBEDDED_MODEL,), price=Price())
    return Target(name=EMBEDDED, endpoint=endpoint, base_url="", found="built in")


def check_embedded(ref: ModelRef, settings: Settings) -> None:
    """Raise :class:`InputError` for a model that an embedded endpoint does not have: its server would answer all the same."""
    endpoint = settings.endpoints.get(ref.endpoint) or (_embedded().endpoint if ref.endpoint == EMBEDDED else None)
    if endpoint is None or endpoint.kind != "embedded":
        return
    known = endpoint.models or (EMBEDDED_MODEL,)
    if ref.model not in known:
        names = ", ".join(f"{ref.endpoint}/{model}" for model in known)
        raise InputError(f"there is no model {ref.name!r}; there is {names}")


def missing_key(target: Target) -> str | None:
    """Return what to do about a key whose variable is not set, or ``None`` where no key is wanted or it is there."""
    if target.key is not None or target.key_name is None:
        return None
    return f"the variable {target.key_name} is not set: export it with the endpoint's key"


async def answers(target: Target, seconds: float = 0.3) -> bool:
    """Tell whether something listens where ``target`` is."""
    try:
        url = urlsplit(target.base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(url.hostname or "", port)
    except (OSError, ValueError):  # TimeoutError is an OSError
        return False
    writer.close()
    return True


def preferred(target: Target, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of an endpoint's models are used where nobody names one: two of a person's own, one of a paid service."""
    if target.found == "OPENAI_API_KEY":
        return tuple(model for model in _OPENAI_CHOICE if model in models)[:1] or models[:1]
    chat = tuple(model for model in models if "embed" not in model)
    return chat[:2]
