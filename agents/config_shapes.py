"""Checks one layer of configuration against the shapes in :mod:`agents.settings`, and words what is wrong with it.

Knows keys, types and limits; knows nothing of where layers come from or which wins. No message shows a value, because a value
may be a key that was put in the wrong place.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from agents.errors import ConfigError
from agents.settings import Defaults, Endpoint, LibrarySettings, Price, Route, Screen, Settings, Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "STRETTO_"

_LEAST: dict[tuple[type, str], float] = {
    (Defaults, "max_tokens"): 1,
    (Defaults, "temperature"): 0,
    (Defaults, "cache_ttl"): 0,
    (Endpoint, "concurrency"): 1,
    (Endpoint, "max_retries"): 0,
    (Endpoint, "requests_per_minute"): 1,
    (Endpoint, "tokens_per_minute"): 1,
    (Route, "hedge_budget"): 0,
    (Defaults, "cache_mb"): 1,
    (Defaults, "similar"): 0,
    (Defaults, "budget"): 0,
    (Screen, "fps"): 1,
    (LibrarySettings, "chunk_chars"): 100,
    (LibrarySettings, "overlap_chars"): 0,
    (LibrarySettings, "source_timeout"): 0.001,
    **{(Timeouts, name): 0.001 for name in Timeouts.__struct_fields__},
    **{(Price, name): 0 for name in Price.__struct_fields__},
}
"""The least a number may be. A limit the type cannot say."""

_MOST: dict[tuple[type, str], float] = {
    (Route, "hedge_budget"): 1,
    (Defaults, "similar"): 1,
    # No price is infinite: nothing times infinity is no number, and no budget counts with that.
    **{(Price, name): 1e9 for name in Price.__struct_fields__},
}
"""The most a number may be."""

_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def check_table(table: dict[str, Any], source: str) -> None:
    """Raise :class:`ConfigError` for the first thing in a layer that cannot be; ``source`` is what the message calls it."""
    _check(table, Settings, (), source)


def _check(table: dict[str, Any], shape: type, path: tuple[str, ...], source: str) -> None:
    fields = _fields(shape)
    for key, value in table.items():
        here = (*path, key)
        if key not in fields:
            _unknown(here, fields, source)
        kind = fields[key]
        inner, named = _shape_of(kind)
        if inner is None:
            fault = _fault(value, kind, shape, key)
        elif not isinstance(value, dict):
            fault = f"must be a table, not {_kind_of(value)}"
        else:
            fault = None
            (_check_named if named else _check)(value, inner, here, source)
        if fault:
            raise ConfigError(f"{source}: {dotted(here)} {fault}")


def _check_named(tables: dict[str, Any], shape: type, path: tuple[str, ...], source: str) -> None:
    for name, table in tables.items():
        here = (*path, name)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ConfigError(f"{source}: {dotted(here)}: a name may hold letters, digits, '.', '_' and '-'")
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: {dotted(here)} must be a table, not {_kind_of(table)}")
        _check(table, shape, here, source)


def _fields(shape: type) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(shape)}


def _shape_of(kind: Any) -> tuple[type | None, bool]:
    """Return the struct behind a field's type, and whether the field is a table of named ones; None for a plain value."""
    if get_origin(kind) is dict:
        return get_args(kind)[1], True
    for part in _parts(kind):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part, False
    return None, False


def _parts(kind: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union, without None; the type itself when it is none."""
    if get_origin(kind) in {types.UnionType, typing.Union}:
        return tuple(part for part in get_args(kind) if part is not type(None))
    return (kind,)


def _fault(value: Any, kind: Any, shape: type, key: str) -> str | None:
    """Return what is wrong with one plain value; None when nothing is."""
    try:
        value = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        words = any(get_origin(part) is Literal for part in _parts(kind))
        got = "" if words and isinstance(value, str) else f", not {_kind_of(value)}"
        return f"must be {_expected(kind)}{got}"
    least = _LEAST.get((shape, key))
    if least is not None and isinstance(value, int | float) and not value >= least:  # also true for nan
        return f"must be at least {least:g}"
    most = _MOST.get((shape, key))
    if most is not None and isinstance(value, int | float) and value > most:
        return f"must be at most {most:g}"
    if shape is Endpoint and key == "base_url" and value:
        return url_fault(value)
    if key == "api_key_env" and value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        return "must be the name of the environment variable that holds the key, not the key itself"
    return None


def url_fault(url: str) -> str | None:
    """Return why ``url`` cannot be an endpoint's address; None when it can.

    Strict, because this and the HTTP client must agree on which machine it names.
    """
    example = "must be an address like http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-\[\]-~]+", url):
        return example
    if "@" in parts.netloc:
        return f"{example}, without a name or password; name a key with api_key_env"
    return None


def _unknown(path: tuple[str, ...], fields: dict[str, Any], source: str) -> NoReturn:
    *above, key = path
    raise ConfigError(f"{source}: unknown key {dotted(path)}; {_suggestion(tuple(above), key, fields)}")


def _suggestion(above: tuple[str, ...], key: str, fields: dict[str, Any]) -> str:
    if near := difflib.get_close_matches(key, fields, n=1):
        return f"did you mean {dotted((*above, near[0]))}?"
    everywhere = {path[-1]: path for path in _paths(Settings, ())}
    if near := difflib.get_close_matches(key, everywhere, n=1, cutoff=0.75):
        return f"did you mean {dotted(everywhere[near[0]])}?"
    return f"known here: {', '.join(fields)}"


def _paths(shape: type, above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, kind in _fields(shape).items():
        inner, named = _shape_of(kind)
        here = (*above, key, "NAME") if named else (*above, key)
        found += [here] if inner is None else _paths(inner, here)
    return found


def dotted(path: Sequence[str]) -> str:
    """Return a key's whole name, with parts quoted as TOML wants them where they hold more than letters."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else repr(part) for part in path)


def _expected(kind: Any) -> str:
    kind, *others = _parts(kind)
    if others:
        return f"{_expected(kind)} or {' or '.join(map(_alternative, others))}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        return "a list of texts"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(kind, str(kind))


def _alternative(kind: Any) -> str:
    return " or ".join(map(repr, get_args(kind))) if get_origin(kind) is Literal else _expected(kind)


def _kind_of(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a table", list: "a list"}
    return names.get(type(value), "a date or time")


def place_variable(name: str, text: str, table: dict[str, Any], below: dict[str, Any]) -> None:
    """Put the value of the environment variable ``name`` into ``table``, at the place that its name says.

    ``below`` is what lower layers say: endpoints named there are found again whatever their case and punctuation.
    """
    kind: Any = Settings
    owner: type = Settings
    path: list[str] = []
    lower: Any = below
    for part in name.removeprefix(PREFIX).split("__"):
        inner, named = _shape_of(kind)
        if inner is None:
            raise ConfigError(f"environment: {name} cannot be used: {dotted(path)} has no keys below it")
        if named:
            known = {variable([key]): key for key in lower}
            key, kind = known.get(variable([part]), part.lower()), inner
        else:
            fields, owner, key = _fields(inner), inner, part.lower()
            if key not in fields:
                raise ConfigError(f"environment: {name}: unknown key {dotted([*path, key])}; {_near(path, key, fields)}")
            kind = fields[key]
        path.append(key)
        lower = lower.get(key, {}) if isinstance(lower, dict) else {}
    if _shape_of(kind)[0] is not None:
        raise ConfigError(f"environment: {name} cannot be used: {dotted(path)} is a table; name a key in it")
    value = _value(text, kind)
    fault = _fault(value, kind, owner, path[-1])
    if fault:
        raise ConfigError(f"environment: {name}: {dotted(path)} {fault}")
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value


def nearest_variable(name: str) -> str | None:
    """Return the variable that ``name`` seems to mean, when it begins with a section's name; None when it is not ours."""
    if not any(name.startswith(f"{PREFIX}{section.upper()}_") for section in _fields(Settings)):
        return None
    known = [variable(path) for path in _paths(Settings, ())]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return near[0] if near else None


def variable(path: Sequence[str]) -> str:
    """Return the environment variable that sets a key."""
    return PREFIX + "__".join(re.sub(r"[^A-Za-z0-9]", "_", part).upper() for part in path)


def _near(path: list[str], key: str, fields: dict[str, Any]) -> str:
    near = difflib.get_close_matches(key, fields, n=1)
    return f"did you mean {variable([*path, near[0]])}?" if near else f"known here: {', '.join(fields)}"


def _value(text: str, kind: Any) -> Any:
    """Return an environment variable's text as the type it is to be; text that cannot be is left for the check to name."""
    kind = _parts(kind)[0]
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    if get_origin(kind) is tuple:
        return text.split()
    if kind in {int, float}:
        try:
            return msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError:
            return text
    return text
