"""How a key of the registry becomes a binding, a line of help and a command. The registry itself is :mod:`tui.key_table`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from textual.binding import Binding

Scope = Literal["app", "pane", "prompt", "log", "waterfall"]
"""Where a binding lives: on the app, so that it works wherever the focus is, or on a widget, while that has the focus."""


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

    def binding(self) -> Binding:
        """Return the binding as Textual wants it."""
        return Binding(
            self.keys,
            self.action,
            self.label,
            show=self.shown,
            tooltip=self.tooltip,
            id=self.id,
            priority=self.scope == "app",
        )


_SHOWN: Final = {"pageup": "PageUp", "pagedown": "PageDown", "escape": "Esc", "space": "Space"}


def shown_key(name: str) -> str:
    """Return a key as people write it: ``ctrl+right`` becomes ``Ctrl+Right``."""
    return "+".join(_SHOWN.get(part) or (part.capitalize() if len(part) > 1 else part.upper()) for part in name.split("+"))
