"""Themes as data: TOML files become Textual themes, each value checked first.

Textual takes any string for a colour and fails when the theme is used. Here a file that cannot be used is named with the
reason and left out; the others load. The person's own folder comes after the built-in themes and may replace one by its name.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from textual.color import Color, ColorParseError
from textual.theme import Theme

from agents.errors import ConfigError
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BUILT_IN: Final = Path(__file__).resolve().parent.parent / "themes"
_TABLES: Final = ("dark", "transparent", "colors", "variables")
COLORS: Final = (
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
GROUNDS: Final = ("background", "surface", "panel", "boost")
"""What the terminal's own background takes the place of in a transparent theme."""
_NIGHT: Final = "#101419"
_DAY: Final = "#ffffff"
"""What a transparent theme's own few grounds are, and what its muted colours lean towards."""
_NIGHTS: Final = ("#000000", "#1e1e1e", "#282c34", "#2e3440", "#300a24", "#002b36")
_DAYS: Final = ("#ffffff", "#fafafa", "#f0f0f0", "#fdf6e3", "#eee8d5")
"""Backgrounds terminals come with or are often given."""
LEAST_CONTRAST: Final = 4.5
_INKS: Final = (
    *("foreground", "text", "text-muted", "text-disabled", "foreground-muted"),
    *("primary", "secondary", "accent", "success", "warning", "error"),
    *("text-primary", "text-secondary", "text-accent", "text-success", "text-warning", "text-error"),
)
PAIRS: Final = (
    *((ink, ground) for ink in _INKS for ground in ("background", "surface", "panel")),
    *((ink, "primary-muted") for ink in ("foreground", "text-muted", "primary", "accent", "success", "warning", "error")),
    *(("foreground", f"{name}-muted") for name in ("secondary", "accent", "success", "warning", "error")),
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("input-cursor-foreground", "input-cursor-background"),
    ("foreground", "input-selection-background"),
    ("block-cursor-foreground", "primary"),
    ("block-cursor-foreground", "warning"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("button-color-foreground", "primary"),
)
"""Inks and the grounds the stylesheets put them on."""
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
        # Looked at before it is opened: opening a pipe would wait for its writer.
        if not S_ISREG(file.stat().st_mode):
            raise ConfigError("cannot be read: it is not a file")
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ConfigError("larger than 64 KiB, so it is no theme")
        data = tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(safe_line(f"cannot be read: {error.strerror}")) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(safe_line(f"not TOML: {error}")) from error
    except RecursionError as error:
        raise ConfigError("not TOML: nested too deep") from error
    _only_known(data, _TABLES, "")
    dark, transparent = _flag(data, "dark", True), _flag(data, "transparent", False)
    parsed = _parsed(data.get("colors", {}))
    theme = Theme(name=file.stem, dark=dark, ansi=transparent, primary=parsed.pop("primary"))
    if transparent:
        theme.background = "ansi_default"
    for name, color in parsed.items():
        if transparent and name in GROUNDS:
            raise ConfigError(f"colors.{name} cannot be set: a transparent theme has the terminal's own background")
        setattr(theme, name, color)
    theme.variables = _checked(data.get("variables", {}), theme)
    if transparent:
        theme.variables = _on_terminal(theme) | theme.variables
    return theme


def luminance(color: Color) -> float:
    """Return the relative luminance of WCAG 2."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (color.r / 255, color.g / 255, color.b / 255)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink: Color, ground: Color) -> float:
    """Return WCAG 2's contrast of ``ink`` as it looks on ``ground``: from 1 to 21."""
    lighter, darker = sorted((luminance(ground + ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _ink(value: str, ground: Color) -> Color:
    """Return a colour, also one of Textual's that is made from the ground: ``auto 87%``."""
    if value.startswith("auto"):
        return ground.get_contrast_text(float(value.removeprefix("auto").strip(" %") or 100) / 100)
    return Color.parse(value)


def poor_pairs(theme: Theme) -> dict[tuple[str, str], float]:
    """Return the contrast of each ink on each ground that the screen puts it on and where it is under 4.5.

    Of a transparent theme only the grounds it has itself, and a ground it is likely to be shown on.
    """
    values = theme.to_color_system().generate() | theme.variables
    likely = [Color.parse(ground) for ground in (_NIGHTS if theme.dark else _DAYS)]
    found: dict[tuple[str, str], float] = {}
    for ink, ground in PAIRS:
        under = Color.parse(values[ground])
        grounds = likely if under.ansi is not None or under.a == 0 else [under]
        ratio = min(contrast(_ink(values[ink], each), each) for each in grounds)
        if ratio < LEAST_CONTRAST:
            found[ink, ground] = ratio
    return found


def _on_terminal(theme: Theme) -> dict[str, str]:
    """Return what takes the place of Textual's terminal colours, which nobody can know to be readable on each other."""
    ground = Color.parse(_NIGHT if theme.dark else _DAY)
    ink = theme.foreground = theme.foreground or ground.inverse.hex
    colors = {name: getattr(theme, name) or theme.primary for name in COLORS if name not in {*GROUNDS, "foreground"}}
    muted = {f"{name}-muted": Color.parse(color).blend(ground, 0.7).hex for name, color in colors.items()}
    found = {"ansi-background": ground.hex, "ansi-foreground": ink, "input-cursor-text-style": "none"}
    for name, value in theme.to_color_system().generate().items():
        if name in muted:
            found[name] = muted[name]
        elif name in {"button-color-foreground", "block-cursor-foreground", "input-cursor-foreground"}:
            found[name] = ground.hex
        elif name in {"block-cursor-background", "input-cursor-background"}:
            found[name] = theme.primary
        elif value.startswith("ansi_"):
            if "background" in name:
                found[name] = "ansi_default" if value == "ansi_default" else muted["primary-muted"]
            else:
                found[name] = ink if value.startswith("ansi_default") or "foreground" in name else theme.primary
    return found


def _flag(data: Mapping[str, object], name: str, otherwise: bool) -> bool:
    value = data.get(name, otherwise)
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false")
    return value


def _only_known(table: Mapping[str, object], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise ConfigError(safe_line(f"unknown key {where}{key!r}" + (f", did you mean {near[0]!r}?" if near else "")))


def _parsed(colors: object) -> dict[str, str]:
    if not isinstance(colors, dict) or "primary" not in colors:
        raise ConfigError("[colors] with at least primary is missing")
    _only_known(colors, COLORS, "colors.")
    return {name: _color(f"colors.{name}", value) for name, value in colors.items()}


def _color(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f'{name} must be a colour in quotes, like "#8ab6e8"')
    try:
        color = Color.parse(value)
    except (ColorParseError, OverflowError):
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
