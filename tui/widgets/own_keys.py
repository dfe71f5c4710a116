"""Keys of a widget, done where they arrive: as bindings of the app they would be overtaken by letters typed after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual import events
    from textual.widget import Widget


async def do_own_key(widget: Widget, event: events.Key) -> bool:
    """Do what ``widget`` itself binds the key to, and take the key; False where it binds nothing that can be done now."""
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):  # noqa: SLF001  # Textual tells of no one's own keys
        if await widget.app.run_action(binding.action, widget):
            event.stop()
            event.prevent_default()
            return True
    return False
