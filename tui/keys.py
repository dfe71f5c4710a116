"""How a key of the registry becomes a binding, a line of help and a command. The registry itself is :mod:`tui.key_table`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from textual.binding import Binding
from textual.keys import key_to_character

Scope = Literal[
    "app",
    "pane",
    "search",
    "prompt",
    "files",
    "ask",
    "log",
    "waterfall",
    "queue",
    "sheet",
    "sheet.race",
    "sheet.judge",
    "sheet.merge",
    "sheet.merged",
    "sheet.vote",
    "sheet.ratings",
    "sheet.sweep",
    "sheet.swept",
    "sheet.setting",
    "sheet.diff",
    "sheet.queue",
    "sheet.endpoint",
    "sheet.limit",
    "sheet.templates",
    "sheet.template",
    "sheet.setup",
    "code",
    "links",
    "passage",
    "step",
    "help",
    "choice",
    "ticks",
    "slider",
    "table",
    "diff",
]
"""Where a binding lives: on the app, so that it works wherever the focus is in the dashboard, on a screen that stands over it, or
on a widget, while that has the focus."""

OF_DASHBOARD: Final[frozenset[Scope]] = frozenset({"pane", "search", "prompt", "files", "ask", "log", "waterfall", "queue"})
"""Scopes of widgets of the dashboard, where the keys of the app work, too."""


@dataclass(frozen=True)
class Key:
    """One thing a key does."""

    id: str
    keys: str
    """Textual key names, separated by commas; the first is the one shown. May be empty when there is a leader key."""
    action: str
    label: str
    tooltip: str
    where: str = "Everywhere"
    """The heading it stands under in help; a view's title makes it a key of that view alone."""
    leader: str = ""
    """The key that does it after the leader key."""
    scope: Scope = "app"
    shown: bool = False
    """True for the few that the footer has room for."""
    first: bool = False
    """True for a key of a screen that goes before what has the focus there."""

    @property
    def names(self) -> tuple[str, ...]:
        """The Textual names of its keys."""
        return tuple(self.keys.split(",")) if self.keys else ()

    @property
    def shown_keys(self) -> tuple[str, ...]:
        """Its keys as people write them, each once."""
        return tuple(dict.fromkeys(map(shown_key, self.names)))

    def binding(self) -> Binding:
        """Return the binding as Textual wants it."""
        return Binding(
            self.keys,
            self.action,
            self.label,
            show=self.shown,
            tooltip=self.tooltip,
            id=self.id,
            # Escape belongs to what is open where the focus is, and comes here only when nothing there wants it.
            priority=self.first or (self.scope == "app" and "escape" not in self.names),
        )


_SHOWN: Final = {"pageup": "PageUp", "pagedown": "PageDown", "escape": "Esc", "ctrl+@": "Ctrl+Space", "space": "Space"}
_SHORT: Final = {"slash": "/", "minus": "-", "plus": "+", "at": "@", "backslash": "\\", "underscore": "_"}
"""Names that are Textual's own, not Unicode's."""


def character_of(name: str) -> str | None:
    """Return the character a key types; None for a key that types none."""
    if name == "space":
        return " "
    character = _SHORT.get(name) or key_to_character(name)
    return character if character is not None and character.isprintable() else None


def shown_key(name: str) -> str:
    """Return a key as people write it: ``ctrl+right`` becomes ``Ctrl+Right``, ``question_mark`` becomes ``?``."""
    if name in _SHOWN:
        return _SHOWN[name]
    if (character := character_of(name)) is not None:
        return character
    *modifiers, last = name.split("+")
    end = _SHOWN.get(last) or character_of(last) or last.capitalize()
    return "+".join([*map(str.capitalize, modifiers), end.upper() if len(end) == 1 else end])


_MODIFIERS: Final = {"ctrl": "ctrl", "control": "ctrl", "alt": "alt", "meta": "alt", "option": "alt", "shift": "shift"}
_NAMED: Final = {
    name: name
    for name in (
        *("up", "down", "left", "right", "home", "end", "insert", "delete", "backspace", "enter", "tab"),
        *("pageup", "pagedown", "escape", "space"),
        *(f"f{number}" for number in range(1, 25)),
    )
} | {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
}
_SAME: Final = {
    "ctrl+i": "Tab",
    "ctrl+m": "Enter",
    "ctrl+h": "Backspace",
    "ctrl+left_square_bracket": "Esc",
}
"""What a terminal sends for these is what it sends for another key."""


def read_key(text: str) -> tuple[str, ...]:
    """Return the names Textual has for a key as people write it: ``Ctrl+W``, ``?``, ``shift+f6``, ``pgup``.

    More than one only where terminals differ. Raises :class:`ValueError` with the reason when it is no key.
    """
    *before, last = re.split(r"\+(?=.)", text.strip())
    modifiers = set()
    for part in before:
        if part.lower() not in _MODIFIERS:
            raise ValueError(f"{part!r} is no modifier; there are ctrl, alt and shift")
        modifiers.add(_MODIFIERS[part.lower()])
    base = _base(last)
    if base is None:
        raise ValueError("is no key; write it like ctrl+w, alt+x, f7, pageup, ? or G")
    if len(base) == 1 and base.isalpha():
        if "shift" in modifiers and modifiers == {"shift"}:
            return (base.upper(),)
        base = base.lower() if modifiers else base
    elif modifiers == {"shift"} and base != "space" and character_of(base) is not None:
        raise ValueError("is a character of its own with shift: write that character")
    name = "+".join([*sorted(modifiers), base])
    if name in _SAME:
        raise ValueError(f"is what a terminal sends for {_SAME[name]}; take another key")
    if name in {"ctrl+space", "ctrl+at"}:
        return "ctrl+space", "ctrl+@"
    return (name,)


def _base(text: str) -> str | None:
    if len(text) == 1 and text.isprintable() and not text.isspace():
        if text.isalnum():
            return text
        binding = next(iter(Binding.make_bindings([Binding(text, "")]))) if text != "," else None
        return binding.key if binding else "comma"
    lower = text.lower()
    if lower in _NAMED:
        return _NAMED[lower]
    return lower if len(lower) > 1 and character_of(lower) is not None else None
