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

from agents.config_guard import guard, route_fault
from agents.config_shapes import PREFIX, check_table, nearest_variable, place_variable
from agents.errors import ConfigError
from agents.locations import CONFIG_VARIABLE, DATA_VARIABLE, PROJECT_FILE, find_locations
from agents.models.presets import PRESETS, complete, place_of
from agents.settings import Locations, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Table = dict[str, Any]

_FILE_LIMIT = 1 << 20
FOUND = frozenset(map(str, PRESETS))
"""Endpoints that may be there without configuration; a configured one of the same name takes their place."""


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
    settings = _settings(_merged(layers))
    for layer in layers:
        if not layer.trusted:
            guard(layer, settings, _settings(_merged(other for other in layers if other.trusted)), locations)
    for name, endpoint in settings.endpoints.items():
        if endpoint.kind != "embedded" and not place_of(name, endpoint, {})[0]:
            fault = f'endpoints.{name} has no base_url; add one like base_url = "http://127.0.0.1:8000/v1", or a kind'
            raise ConfigError(f"{_source(layers, 'endpoints', name)}: {fault}")
    for name, route in settings.routes.items():
        if wrong := route_fault(name, route, settings):
            raise ConfigError(f"{_source(layers, 'routes', name)}: {wrong}")
    if settings.library.overlap_chars >= settings.library.chunk_chars:
        fault = "library.overlap_chars must be smaller than library.chunk_chars"
        raise ConfigError(f"{_source(layers, 'library')}: {fault}")
    return settings


def _settings(table: Table) -> Settings:
    """Return merged layers as settings, each endpoint with what its kind says of it."""
    endpoints = {name: complete(name, given) for name, given in table.get("endpoints", {}).items()}
    return msgspec.convert({**table, "endpoints": endpoints}, Settings)


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
