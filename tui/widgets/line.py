"""One line to type in that goes by words as a shell does: with Alt and an arrow, Alt+B and Alt+F."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.widgets import Input

if TYPE_CHECKING:
    from textual import events

_LEFT: Final = frozenset({"alt+left", "alt+b"})
_RIGHT: Final = frozenset({"alt+right", "alt+f"})


class Line(Input):
    """A line in which a letter with Alt is a command and types nothing."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key in _LEFT:
            self.action_cursor_left_word()
        elif event.key in _RIGHT:
            self.action_cursor_right_word()
        if event.key.startswith("alt+"):
            event.prevent_default()
