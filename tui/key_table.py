"""The one registry of keys: bindings, leader menu, footer, palette and help are all made from its rows, those of ``key_rows_*``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode

from tui import key_rows_dashboard, key_rows_forms, key_rows_sheets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.keys import Key, Scope

KEYS: Final[tuple[Key, ...]] = (*key_rows_dashboard.ROWS, *key_rows_sheets.ROWS, *key_rows_forms.ROWS)


def key_of(name: str) -> str:
    """Return the first key in force of the row with that id, as people write it; a dash when it has none."""
    return next((row.shown_keys[0] for row in _in_force if row.id == name and row.keys), "–")


def rows_in_force() -> tuple[Key, ...]:
    """Return all rows with the keys in force."""
    return _in_force


def bindings(scope: Scope = "app") -> list[Binding]:
    """Return the bindings of one scope, with the keys in force."""
    return [key.binding() for key in _in_force if key.scope == scope and key.keys]


def place_of(action: str) -> str | None:
    """Return where the registry says that an action of the app belongs; ``None`` when it is none of the registry's."""
    return next((key.where for key in KEYS if key.scope == "app" and key.action.partition("(")[0] == action), None)


_in_force: tuple[Key, ...] = KEYS


def install(rows: tuple[Key, ...]) -> None:
    """Put these rows in force for every class whose bindings came from :func:`bindings`, and for those that are yet to come.

    A process shows one dashboard, and Textual makes an object's bindings from its class: so this comes before any is made.
    """
    global _in_force  # noqa: PLW0603  # the keys of the one dashboard
    _in_force = rows
    known = {(key.id, key.action): key.scope for key in KEYS}
    waiting: list[type[DOMNode]] = [DOMNode]
    while waiting:
        node = waiting.pop()
        waiting += node.__subclasses__()
        owns: list[list[Binding]] = []
        for base in reversed(node.__mro__):
            if issubclass(base, DOMNode):
                if not base._inherit_bindings:  # noqa: SLF001
                    owns.clear()
                owns.append(_own(base))
        if any((binding.id, binding.action) in known for own in owns for binding in own):
            node._merged_bindings = _rekeyed(owns, known)  # noqa: SLF001  # Textual offers no way to change a class's keys


def _own(node: type[DOMNode]) -> list[Binding]:
    """Return the bindings a class itself declares, one for each key."""
    return list(Binding.make_bindings(node.__dict__.get("BINDINGS", ())))


def _rekeyed(owns: list[list[Binding]], known: Mapping[tuple[str, str], Scope]) -> BindingsMap:
    """Merge what a class and its bases bind as Textual does, each key as the last class has it, with the rows in force."""
    keys: dict[str, list[Binding]] = {}
    for own in owns:
        scopes = {known.get((binding.id or "", binding.action)) for binding in own}
        kept = [binding for binding in own if (binding.id, binding.action) not in known]
        mine = [key.binding() for key in _in_force if key.scope in scopes and key.keys]
        found: dict[str, list[Binding]] = {}
        for binding in [*kept, *Binding.make_bindings(mine)]:
            found.setdefault(binding.key, []).append(binding)
        keys |= found
    return BindingsMap.from_keys(keys)
