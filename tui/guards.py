"""Keys and clicks that Textual's own widgets fail on: they are left out before any widget sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.widgets import OptionList

if TYPE_CHECKING:
    from textual.app import App

_PAGES = frozenset({"pageup", "pagedown"})


def would_fail(app: App[None], event: events.Event) -> bool:
    """Return whether Textual would end with an exception over ``event`` now."""
    if isinstance(event, events.Key):
        return event.key in _PAGES and _is_cramped(app)
    return isinstance(event, events.MouseDown) and _is_gone(app, event.x, event.y)


def _is_cramped(app: App[None]) -> bool:
    """Return whether a list over the dashboard has no room at all: Textual's fails when it shall turn a page then."""
    lists = app.screen.query(OptionList) if len(app.screen_stack) > 1 else ()
    return any(each.highlighted is not None and not each.scrollable_content_region for each in lists)


def _is_gone(app: App[None], x: int, y: int) -> bool:
    """Return whether what is still seen there was taken away already: Textual fails when it is to begin selecting in it."""
    widget, _ = app.screen.get_widget_and_offset_at(x, y)
    return widget is not None and widget.parent is None
