"""A screen as text that can be read in a diff: each row, under it the styles of its cells, and what the styles are at the end."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from textual._context import visible_screen_stack

if TYPE_CHECKING:
    from rich.style import Style
    from textual.app import App
    from textual.strip import Strip

_ATTRIBUTES = ("bold", "dim", "italic", "underline", "strike", "reverse")


def strips_of(app: App[Any]) -> list[Strip]:
    """Return the rows of the screen, with what stands behind it, as a terminal gets them."""
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips()


def picture(app: App[Any]) -> str:
    """Return what ``app`` shows now. Equal pictures are equal cells; links and other meta data are left out."""
    names: dict[str, str] = {}
    rows: list[str] = []
    for strip in strips_of(app):
        pieces = [(_look(segment.style), segment) for segment in strip if segment.text]
        rows.append("│" + "".join(segment.text for _, segment in pieces) + "│")
        runs: list[str] = []
        for look, group in groupby(pieces, key=lambda piece: piece[0]):
            name = names.setdefault(look, _name(len(names)))
            runs.append(f"{name}{sum(segment.cell_length for _, segment in group)}")
        rows.append(" " + " ".join(runs))
    legend = [f"{name}: {look}" for look, name in names.items()]
    return "\n".join([*rows, "", *legend, ""])


def _look(style: Style | None) -> str:
    if style is None:
        return "plain"
    attributes = [name for name in _ATTRIBUTES if getattr(style, name)]
    fore, back = (colour.name if colour is not None else "default" for colour in (style.color, style.bgcolor))
    return " ".join([f"{fore} on {back}", *attributes])


def _name(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[number] if number < 26 else letters[number // 26 - 1].upper() + letters[number % 26]
