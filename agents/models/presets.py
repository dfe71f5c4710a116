"""What is known beforehand of each kind of endpoint: where it is, which key it takes, where it lists its models, what it supports.

These are facts of servers' and services' documentation, kept as data. Nothing here asks anyone; a configuration may say
otherwise for every field it has, and the client still learns from refusals what one particular server does not take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.settings import Endpoint, EndpointKind

StatedPrices = Literal["", "token", "million"]
Continues = Literal["", "message", "flag"]


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of endpoint. A field that could not be checked against documentation says so where it is set."""

    title: str
    """Its name as people write it."""
    base_url: str = ""
    """Empty where it is started by us."""
    address_variable: str | None = None
    """The environment variable that names another address."""
    key: str | None = None
    """The environment variable that holds the key by custom."""
    hosted: bool = False
    """A service that costs money; it is never called because another endpoint happens to be named first."""
    concurrency: int = 8
    own: bool = False
    """A server of one's own, whose list of models changes when a model is pulled or loaded."""
    models_path: str = "/models"
    """Under ``base_url``."""
    facts_path: str | None = None
    """At the server's root: a list that says more of each model than ``models_path`` does."""
    health_path: str | None = None
    """At the server's root: what answers 200 when a call can be made."""
    tokenize_path: str | None = None
    """At the server's root: what tells how many tokens a text is."""
    owner: str | None = None
    """What the server calls itself in ``owned_by`` of its models; another server at the same address is not taken for it."""
    key_header: str = "authorization"
    """The header that carries the key when models are listed; calls always use ``authorization``."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers that listing models wants."""
    stated_prices: StatedPrices = ""
    """The unit of the prices in its list of models: per token, per million tokens, or none are stated."""
    ignored: tuple[str, ...] = ()
    """Parameters it takes and does nothing with; ``response_format`` among them means that it keeps to no schema."""
    most_temperature: float | None = None
    """Higher temperatures are taken for this one."""
    continues: Continues = ""
    """How an answer that was cut is gone on with: the beginning as the last message of the assistant, the same and
    ``continue_final_message``, or not at all."""
    embedding_model: str | None = None
    choice: tuple[str, ...] = ()
    """Models used where nobody names one, best first; a part of a name is enough."""


PRESETS: Mapping[EndpointKind, Preset] = {
    "openai": Preset(
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        address_variable="OPENAI_BASE_URL",
        key="OPENAI_API_KEY",
        hosted=True,
        embedding_model="text-embedding-3-small",
        choice=("gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini"),
    ),
    "ollama": Preset(
        title="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        address_variable="OLLAMA_HOST",
        own=True,
        concurrency=4,
        facts_path="/api/tags",
        health_path="/api/version",
        continues="message",
    ),
    "vllm": Preset(
        title="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        own=True,
        concurrency=32,
        health_path="/health",
        tokenize_path="/tokenize",
        owner="vllm",
        continues="flag",
    ),
    "llamacpp": Preset(
        title="llama.cpp",
        base_url="http://127.0.0.1:8080/v1",
        own=True,
        concurrency=4,
        health_path="/health",
        tokenize_path="/tokenize",
        owner="llamacpp",
        continues="message",
    ),
    "openrouter": Preset(
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        hosted=True,
        stated_prices="token",
        continues="message",  # told to the model behind it; whether that goes on was not checked
        choice=("openai/gpt-5-mini", "openai/gpt-4.1-mini", "openai/gpt-4o-mini", "-mini", ":free"),
    ),
    "nanogpt": Preset(
        title="NanoGPT",
        base_url="https://nano-gpt.com/api/v1",
        key="NANOGPT_API_KEY",
        hosted=True,
        models_path="/models?detailed=true",
        stated_prices="million",
        # Whether it tells usage and keeps to schemas was not checked; the client asks and goes on without where it is refused.
        choice=("openai/gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini", "-mini"),
    ),
    "anthropic": Preset(
        title="Anthropic",
        base_url="https://api.anthropic.com/v1",
        key="ANTHROPIC_API_KEY",
        hosted=True,
        concurrency=4,
        models_path="/models?limit=1000",
        key_header="x-api-key",
        headers=(("anthropic-version", "2023-06-01"),),
        ignored=("seed", "response_format"),
        most_temperature=1.0,
        # Newer models refuse an answer that was begun for them, so that none is.
        choice=("haiku", "sonnet"),
    ),
    "embedded": Preset(title="Embedded model", own=True, concurrency=4, health_path="/health", tokenize_path="/tokenize"),
}
"""Everything known beforehand, by kind. Checked against the documentation of each in 2026, where not said otherwise."""


def complete(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return an endpoint's table with what its kind says where the table says nothing.

    An endpoint that is named like a kind is of that kind. The address is left open: where it is not given, it depends on the
    environment.
    """
    filled = dict(table)
    if "kind" not in filled and name in PRESETS and not (name == "embedded" and filled.get("base_url")):
        filled["kind"] = name
    kind: EndpointKind = filled.get("kind", "openai")
    if name == kind or kind != "openai":  # else it is any server that speaks OpenAI's API: nothing is known of it
        filled.setdefault("concurrency", PRESETS[kind].concurrency)
    return filled


def place_of(name: str, endpoint: Endpoint, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the address of an endpoint and the variable its key comes from.

    A key that is not named goes only where its preset says it belongs: to the preset's own host, or where the variable that
    goes with the key says it is.
    """
    preset = PRESETS[endpoint.kind]
    generic = endpoint.kind == "openai" and name != "openai"
    given = endpoint.base_url or ("" if generic else address_from(endpoint.kind, environ) or preset.base_url)
    at_home = not endpoint.base_url or is_home(endpoint)
    return given, endpoint.api_key_env or (preset.key if at_home and not generic else None)


def is_home(endpoint: Endpoint) -> bool:
    """Return whether an endpoint's address leads to the host its kind stands for, in the same protocol."""
    return _door_of(endpoint.base_url) == _door_of(PRESETS[endpoint.kind].base_url)


def address_from(kind: EndpointKind, environ: Mapping[str, str]) -> str:
    """Return the address that the environment names for a kind; empty where it names none."""
    variable = PRESETS[kind].address_variable
    given = "" if variable is None else environ.get(variable, "").strip()
    return ollama_url(given) if given and kind == "ollama" else given


def _door_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", url


def root_of(base_url: str) -> str:
    """Return the address of a server's root from that of its API, which ends in ``/v1`` for most."""
    return base_url.rstrip("/").removesuffix("/v1").rstrip("/")


_OLLAMA_PORT = 11434


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
