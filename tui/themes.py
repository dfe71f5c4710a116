"""Themes as data: TOML files become Textual themes, each value checked first.

Textual takes any string for a colour and fails when the theme is used. Here a file that cannot be used is named with the
reason and left out; the others load. The person's own folder comes after the built-in themes and may replace one by its name.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual.color import Color, ColorParseError
from textual.theme import Theme

from agents.errors import ConfigError
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BUILT_IN: Final = Path(__file__).resolve().parent.parent / "themes"
_TABLES: Final = ("dark", "colors", "variables")
_COLORS: Final = (
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
)
_TEXT_STYLES: Final = frozenset(
    {"none", "not", "bold", "dim", "italic", "underline", "underline2", "reverse", "strike", "overline"}
)
_LARGEST: Final = 65_536
"""Bytes. A theme is a page of text; anything larger is some other file."""


@dataclass(frozen=True, slots=True)
class Themes:
    """What was found."""

    loaded: dict[str, Theme] = field(default_factory=dict)
    """By name, in the order found."""
    failed: dict[str, str] = field(default_factory=dict)
    """File name to the one line that says why it is left out; safe to show."""


def load_themes(own: Path | None = None) -> Themes:
    """Read the built-in themes, then those in the folder ``own`` if it exists."""
    found = Themes()
    for folder in (_BUILT_IN, own):
        if folder is None:
            continue
        try:
            files = sorted(folder.glob("*.toml"))
        except OSError as error:
            found.failed[safe_line(str(folder))] = safe_line(f"cannot be read: {error.strerror}")
            continue
        for file in files:
            try:
                found.loaded[file.stem] = load_theme(file)
            except ConfigError as error:
                found.failed[safe_line(file.name)] = str(error)
    return found


def load_theme(file: Path) -> Theme:
    """Read one theme; its name is the file's.

    Raises:
        ConfigError: the file cannot be read, or a key or value in it cannot be used.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ConfigError("larger than 64 KiB, so it is no theme")
        data = tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(safe_line(f"cannot be read: {error.strerror}")) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(safe_line(f"not TOML: {error}")) from error
    _only_known(data, _TABLES, "")
    dark, colors, variables = data.get("dark", True), data.get("colors", {}), data.get("variables", {})
    if not isinstance(dark, bool):
        raise ConfigError("dark must be true or false")
    parsed = _parsed(colors)
    theme = Theme(name=file.stem, dark=dark, primary=parsed.pop("primary"))
    for name, color in parsed.items():
        setattr(theme, name, color)
    theme.variables = _checked(variables, theme)
    return theme


def _only_known(table: Mapping[str, object], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise ConfigError(safe_line(f"unknown key {where}{key!r}" + (f", did you mean {near[0]!r}?" if near else "")))


def _parsed(colors: object) -> dict[str, str]:
    if not isinstance(colors, dict) or "primary" not in colors:
        raise ConfigError("[colors] with at least primary is missing")
    _only_known(colors, _COLORS, "colors.")
    return {name: _color(f"colors.{name}", value) for name, value in colors.items()}


def _color(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f'{name} must be a colour in quotes, like "#8ab6e8"')
    try:
        color = Color.parse(value)
    except ColorParseError:
        raise ConfigError(safe_line(f"{name} = {value!r} is no colour; write it like #8ab6e8")) from None
    if color.ansi is not None:
        raise ConfigError(safe_line(f"{name} = {value!r} is a colour of the terminal's own palette; write it like #8ab6e8"))
    return color.hex


def _checked(variables: object, theme: Theme) -> dict[str, str]:
    """Return the variables as they may be used: only names that exist, each with a value of its kind."""
    if not isinstance(variables, dict):
        raise ConfigError("variables must be a table")
    _only_known(variables, theme.to_color_system().generate(), "variables.")
    checked: dict[str, str] = {}
    for name, value in variables.items():
        key = f"variables.{name}"
        if name.endswith("-style") or "-style-" in name:
            if not isinstance(value, str) or not _TEXT_STYLES.issuperset(value.split()):
                raise ConfigError(safe_line(f"{key} = {value!r} is no text style; use words like bold, underline, none"))
            checked[name] = value
        else:
            checked[name] = _color(key, value)
    return checked
