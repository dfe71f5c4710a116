"""Which endpoints there are: those configured, and those found without configuration.

Found are servers on this machine that answer as what they should be (Ollama, vLLM, llama.cpp; ``OLLAMA_HOST`` names another
place), services whose key is in the environment, and ``embedded``, which is always there. A configured endpoint of the same
name or address takes the place of a found one. The order is the one in which defaults are looked for: what is configured, then
one's own servers, then services that cost money, then the embedded model.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from agents.errors import InputError
from agents.models.presets import PRESETS, Preset, address_from, is_home, place_of, root_of
from agents.settings import Endpoint, Price, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.requests import ModelRef
    from agents.settings import EndpointKind

EMBEDDED = "embedded"
EMBEDDED_MODEL = "smollm2-135m"
EMBEDDED_SLOTS = PRESETS["embedded"].concurrency
OWN: tuple[EndpointKind, ...] = ("ollama", "vllm", "llamacpp")
"""Servers of one's own that are looked for, in this order."""
HOSTED: tuple[EndpointKind, ...] = ("openai", "openrouter", "nanogpt", "anthropic")
"""Services that are there when their key is, in this order."""
_MOST_PROBED = 4 << 20
_PROBE_BYTES = 1 << 16
"""Bytes of an answer that are held at once while it is not known who answers."""


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

    @property
    def preset(self) -> Preset:
        """What is known beforehand of its kind. Of ``openai`` other than OpenAI itself hardly anything holds."""
        return PRESETS[self.endpoint.kind]

    @property
    def paid(self) -> bool:
        """Whether it is a service that costs money, by all that is known without asking."""
        named = self.endpoint.kind != "openai" or self.name == "openai"
        return named and self.preset.hosted and (self.found != "configuration" or is_home(self.endpoint))


def targets(settings: Settings, environ: Mapping[str, str]) -> dict[str, Target]:
    """Return every endpoint that can be named, in the order in which defaults are looked for."""
    known: dict[str, Target] = {}
    for name, endpoint in settings.endpoints.items():
        base_url, key_name = place_of(name, endpoint, environ)
        key = None if key_name is None else environ.get(key_name, "").strip() or None
        placed = msgspec.structs.replace(endpoint, base_url=base_url, api_key_env=key_name)
        known[name] = Target(name=name, endpoint=placed, base_url=base_url, key=key, key_name=key_name)
    taken = {_place(target.base_url) for target in known.values()}
    found = (*(_own(kind, environ) for kind in OWN), *(_hosted(kind, environ) for kind in HOSTED), _embedded())
    for target in found:
        if target is not None and not (target.probed and _place(target.base_url) in taken):
            known.setdefault(target.name, target)
    return known


def _own(kind: EndpointKind, environ: Mapping[str, str]) -> Target:
    preset = PRESETS[kind]
    given = address_from(kind, environ)
    base_url = given or preset.base_url
    endpoint = Endpoint(kind=kind, base_url=base_url, concurrency=preset.concurrency)
    found = preset.address_variable if given and preset.address_variable else f"answers at {urlsplit(base_url).netloc}"
    return Target(name=kind, endpoint=endpoint, base_url=base_url, found=found, probed=not given)


def _hosted(kind: EndpointKind, environ: Mapping[str, str]) -> Target | None:
    preset = PRESETS[kind]
    key = "" if preset.key is None else environ.get(preset.key, "").strip()
    if preset.key is None or not key:
        return None
    base_url = address_from(kind, environ) or preset.base_url
    endpoint = Endpoint(
        kind=kind,
        base_url=base_url,
        api_key_env=preset.key,
        concurrency=preset.concurrency,
        embedding_model=preset.embedding_model,
    )
    return Target(name=kind, endpoint=endpoint, base_url=base_url, key=key, key_name=preset.key, found=preset.key)


def _embedded() -> Target:
    # Its model runs on the person's own machine: that has a price, which is known and is nothing.
    endpoint = Endpoint(kind="embedded", concurrency=EMBEDDED_SLOTS, models=(EMBEDDED_MODEL,), price=Price())
    return Target(name=EMBEDDED, endpoint=endpoint, base_url="", found="built in")


def _place(base_url: str) -> str:
    """Return an address in the one form in which two that lead to the same place are equal."""
    return root_of(base_url).replace("://localhost", "://127.0.0.1")


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
    """Tell whether something listens where ``target`` is; of one that is only looked for, whether it is what it should be."""
    try:
        url = urlsplit(target.base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(url.hostname or "", port, limit=_PROBE_BYTES)
            try:
                return not target.probed or await _is_itself(target, reader, writer)
            finally:
                writer.close()
    except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):  # TimeoutError is an OSError
        return False


async def _is_itself(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Ask a server on this machine for its models, in the one form that needs no HTTP library, which takes long to import."""
    preset, url = target.preset, urlsplit(target.base_url)
    path = preset.facts_path or f"{url.path}{preset.models_path}"
    head = f"GET {path} HTTP/1.0\r\nhost: {url.netloc}\r\naccept: application/json\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    answered = await reader.readuntil(b"\r\n\r\n")
    if answered.split(b" ", 2)[1:2] != [b"200"]:
        return False
    # Some keep the connection open all the same, so that its end cannot be waited for.
    length = re.search(rb"\r\ncontent-length: *(\d{1,7})\r\n", answered, re.IGNORECASE)
    try:
        body = await reader.readexactly(min(int(length[1]), _MOST_PROBED) if length else _MOST_PROBED)
    except asyncio.IncompleteReadError as error:
        body = error.partial
    return _says_so(preset, body)


def _says_so(preset: Preset, body: bytes) -> bool:
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    listed = told.get("data" if preset.owner else "models") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return False
    return preset.owner is None or any(isinstance(model, dict) and model.get("owned_by") == preset.owner for model in listed)


def preferred(target: Target, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of an endpoint's models are used where nobody names one: two of a person's own, one of a paid service."""
    chat = tuple(model for model in models if "embed" not in model)
    if not target.paid:
        return chat[:2]
    choice = target.preset.choice
    exact = (model for wanted in choice for model in chat if model == wanted)
    near = (model for wanted in choice for model in chat if wanted in model)
    return tuple(filter(None, [next(exact, None) or next(near, None)])) or chat[:1]
