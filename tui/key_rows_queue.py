"""The keys of the Queue view's board, and of what opens over it."""

from __future__ import annotations

from typing import Final

from tui.keys import Key

_WHERE: Final = "Queue"

ROWS: Final[tuple[Key, ...]] = (
    Key("load.up", "up,k", "move(-1)", "Endpoint up", "Mark the endpoint above", _WHERE, scope="queue"),
    Key("load.down", "down,j", "move(1)", "Endpoint down", "Mark the endpoint below", _WHERE, scope="queue"),
    Key("load.first", "home,g", "edge(-1)", "First endpoint", "Mark the first endpoint", _WHERE, scope="queue"),
    Key("load.last", "end,G", "edge(1)", "Last endpoint", "Mark the last endpoint", _WHERE, scope="queue"),
    Key("load.page_up", "pageup,b", "page(-1)", "Page up", "Scroll up a page", _WHERE, scope="queue"),
    Key("load.page_down", "pagedown,space", "page(1)", "Page down", "Scroll down a page", _WHERE, scope="queue"),
    Key(
        "load.more",
        "plus,equals_sign",
        "cap(1)",
        "Cap up",
        "Let one more call be in flight at the marked endpoint, for this session",
        _WHERE,
        scope="queue",
        shown=True,
    ),
    Key("load.fewer", "minus", "cap(-1)", "Cap down", "Let one call fewer be in flight", _WHERE, scope="queue", shown=True),
    Key("load.more_ten", "greater_than_sign", "cap(10)", "Cap up by 10", "Let ten more calls be in flight", _WHERE, scope="queue"),
    Key(
        "load.fewer_ten", "less_than_sign", "cap(-10)", "Cap down by 10", "Let ten calls fewer be in flight", _WHERE, scope="queue"
    ),
    Key(
        "load.adaptive",
        "a",
        "adaptive",
        "Adaptive",
        "Find out how many calls the endpoint bears, or keep the cap there is",
        _WHERE,
        scope="queue",
        shown=True,
    ),
    Key(
        "load.requests",
        "r",
        "limit('requests')",
        "Requests/min",
        "Set the limit on requests a minute, for this session",
        _WHERE,
        scope="queue",
        shown=True,
    ),
    Key(
        "load.tokens",
        "t",
        "limit('tokens')",
        "Tokens/min",
        "Set the limit on tokens a minute, for this session",
        _WHERE,
        scope="queue",
        shown=True,
    ),
    Key("load.open", "enter", "open", "Details", "The endpoint's details and its last failures", _WHERE, scope="queue", shown=True),
    Key("load.clear", "c", "clear", "Empty cache", "Empty the cache of answers; asks once", _WHERE, scope="queue"),
    Key(
        "load.ahead",
        "s",
        "switch",
        "Likely questions",
        "Ask likely next questions beforehand from now on, or no longer",
        _WHERE,
        scope="queue",
    ),
    Key("load.leave", "i,escape", "leave", "Leave the board", "Back to the prompt", _WHERE, scope="queue"),
    Key(
        "endpoint.close",
        "enter,i,q",
        "leave",
        "Close",
        "Back to the queue",
        "Endpoint's details",
        scope="sheet.endpoint",
        first=True,
    ),
    Key(
        "limit.apply",
        "enter",
        "apply",
        "Apply",
        "Hold to this limit from now on",
        "Limit per minute",
        scope="sheet.limit",
        shown=True,
        first=True,
    ),
)
