"""How files, environment and flags become one :class:`agents.settings.Settings`.

Four layers, each over the one before: the person's file, the project's ``./stretto.toml``, variables ``STRETTO_SECTION__KEY``,
and flags. Every layer is checked on its own, so that an error names the place that is to be changed. The project's file came
with the project and is not the person's word: it may not decide where keys, prompts and documents are sent.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from agents.addresses import is_loopback
from agents.config_shapes import PREFIX, check_table, nearest_variable, place_variable
from agents.errors import ConfigError
from agents.locations import CONFIG_VARIABLE, DATA_VARIABLE, PROJECT_FILE, find_locations
from agents.settings import Locations, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Table = dict[str, Any]

_FILE_LIMIT = 1 << 20
FOUND = frozenset({"openai", "ollama", "embedded"})
"""Endpoints that are there without configuration; a configured one of the same name takes their place."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One place configuration came from, already checked."""

    name: str
    """What errors and ``stretto doctor`` call it: a path, ``environment`` or ``command line``."""
    table: Table
    trusted: bool = True
    """False for the project's file."""


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> tuple[Settings, Locations]:
    """Return the merged settings and the places of everything.

    ``flags`` holds dotted keys (``{"defaults.max_tokens": 80}``); those that are ``None`` were not given. ``folder`` is where a
    project's file is looked for, the working directory if not named. Raises :class:`ConfigError`.
    """
    environ = os.environ if environ is None else environ
    locations = find_locations(environ)
    layers = read_layers(locations, environ, folder or Path.cwd())
    if given := {key: value for key, value in (flags or {}).items() if value is not None}:
        layers = (*layers, Layer(name="command line", table=_nested(given)))
    return merge(layers, locations), locations


def read_layers(locations: Locations, environ: Mapping[str, str], folder: Path) -> tuple[Layer, ...]:
    """Return the layers that exist, lowest first: the person's file, the project's file, the environment."""
    layers: list[Layer] = []
    if (table := _read(locations.config)) is not None:
        layers.append(Layer(name=str(locations.config), table=table))
    project = folder / PROJECT_FILE
    if not _same(project, locations.config) and (table := _read(project)) is not None:
        layers.append(Layer(name=str(project), table=table, trusted=False))
    below = _merged(layers)
    table = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in {CONFIG_VARIABLE, DATA_VARIABLE} and environ[name]:
            if "__" in name:
                place_variable(name, environ[name], table, below)
            elif wanted := nearest_variable(name):
                raise ConfigError(f"environment: {name} is not known; did you mean {wanted}?")
    if table:
        layers.append(Layer(name="environment", table=table))
    return tuple(layers)


def merge(layers: Iterable[Layer], locations: Locations) -> Settings:
    """Return the settings of all ``layers``, lowest first, or say which layer asks for something that cannot be."""
    layers = tuple(layers)
    settings = msgspec.convert(_merged(layers), Settings)
    for layer in layers:
        if not layer.trusted:
            _guard(layer, settings, _merged(other for other in layers if other.trusted), locations)
    for name, endpoint in settings.endpoints.items():
        if endpoint.kind == "openai" and not endpoint.base_url:
            fault = f'endpoints.{name} has no base_url; add one like base_url = "http://127.0.0.1:8000/v1"'
            raise ConfigError(f"{_source(layers, 'endpoints', name)}: {fault}")
    if settings.library.overlap_chars >= settings.library.chunk_chars:
        fault = "library.overlap_chars must be smaller than library.chunk_chars"
        raise ConfigError(f"{_source(layers, 'library')}: {fault}")
    return settings


def _guard(project: Layer, settings: Settings, trusted: Table, locations: Locations) -> None:
    """Refuse a project's file that would send the person's keys, prompts or documents where the person did not say."""

    def refuse(key: str, fault: str, remedy: str) -> NoReturn:
        raise ConfigError(
            f"{project.name}: {key}: a project's file may not {fault}; put {remedy} in {locations.config} if you want that"
        )

    owned = trusted.get("endpoints", {})
    for name, table in project.table.get("endpoints", {}).items():
        endpoint, own, here = settings.endpoints[name], owned.get(name, {}), f"endpoints.{name}"
        if name in FOUND and name not in owned:
            refuse(here, f"take the place of what is found as {name!r}", here)
        sends = endpoint.api_key_env is not None and endpoint.api_key_env == table.get("api_key_env") != own.get("api_key_env")
        if sends and not is_loopback(endpoint.base_url):
            refuse(f"{here}.api_key_env", "send a key to another machine", here)
        if "base_url" not in table or endpoint.base_url == own.get("base_url"):
            continue
        if own.get("api_key_env"):
            refuse(f"{here}.base_url", "move an endpoint that your own configuration gives a key", here)
        if endpoint.base_url and not is_loopback(endpoint.base_url):
            refuse(f"{here}.base_url", "send what you write to another machine", here)
    embeddings = settings.library.embeddings
    said = embeddings == project.table.get("library", {}).get("embeddings") != trusted.get("library", {}).get("embeddings")
    if said and embeddings != "static":
        name = embeddings.partition("/")[0]
        if name not in owned and not (name in settings.endpoints and is_loopback(settings.endpoints[name].base_url)):
            refuse("library.embeddings", "send your documents to another machine or a paid service", "library.embeddings")


def _read(path: Path) -> Table | None:
    """Return the checked content of a TOML file; None when there is none."""
    try:
        # Looked at before it is opened: opening a pipe would wait for its writer.
        if not S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: is not a file; configuration is a TOML file")
        with path.open("rb") as file:
            raw = file.read(_FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    if len(raw) > _FILE_LIMIT:
        raise ConfigError(f"{path}: is larger than 1 MiB; this is not a configuration file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: is not UTF-8 text; save the file as UTF-8") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _broken(path, text, str(error))
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deep; this is not a configuration file") from None
    check_table(table, str(path))
    return table


def _broken(path: Path, text: str, message: str) -> NoReturn:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    what = found[1] if found else message
    line = int(found[2]) if found and found[2] else len(text.splitlines()) or 1
    raise ConfigError(f"{path}: line {line}: {what[:1].lower()}{what[1:]}; the file must be TOML")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _nested(dotted: Mapping[str, object]) -> Table:
    table: Table = {}
    for key, value in dotted.items():
        *above, last = key.split(".")
        here = table
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
    return table


def _merged(layers: Iterable[Layer]) -> Table:
    merged: Table = {}
    for layer in layers:
        _lay_over(merged, layer.table)
    return merged


def _lay_over(below: Table, above: Table) -> None:
    for key, value in above.items():
        if isinstance(value, dict):
            here = below.setdefault(key, {})
            _lay_over(here, value)
        else:
            below[key] = value


def _source(layers: tuple[Layer, ...], *path: str) -> str:
    """Return the name of the highest layer that says anything about ``path``."""
    for layer in reversed(layers):
        table: Any = layer.table
        for part in path:
            table = table.get(part) if isinstance(table, dict) else None
        if table is not None:
            return layer.name
    return "configuration"
