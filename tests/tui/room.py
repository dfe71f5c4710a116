"""One widget alone in an app, in any size, and the events that widgets are fed."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

from rich.cells import cell_len
from textual.app import App

from agents.events import Event, Hit, Place, StepEnded, Timings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from textual.app import ComposeResult
    from textual.strip import Strip
    from textual.widget import Widget

E = TypeVar("E", bound=Event)

HOSTILE = (
    "[/]",
    "[@click=app.quit]x[/]",
    "a\nb\r\nc",
    "\x1b]0;title\x07",
    "\x9b31m red",
    "\u202eevil",
    "wide 字字字字字字字字字字",
    "e\u0301" * 30,
    "👩\u200d👩\u200d👧" * 6,
    "\u200d\u200d",
    "\t\ttabs",
    "\ud800",
    "",
    " ",
    "x" * 500,
)
"""Names and lines as models, servers and file systems may give them."""

_SEQ = itertools.count(1)


class Room(App[None]):
    """Holds the widget."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget

    def compose(self) -> ComposeResult:
        """Give the widget the whole screen."""
        yield self._widget


@contextlib.asynccontextmanager
async def room(widget: Widget, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Room]:
    """Show ``widget`` alone."""
    app = Room(widget)
    async with app.run_test(size=size):
        yield app


def make(kind: type[E], at: float = 0.0, /, *, run: str = "r", **fields: Any) -> E:
    """Return an event of ``kind``."""
    return kind(run=run, seq=next(_SEQ), at=at, **fields)


def ended(step: str, queued: float = 0.0, *, at: float, outcome: str = "done", **fields: Any) -> StepEnded:
    """Return the end of a step at ``at``."""
    first = fields.pop("first", None)
    gap = None if first is None else 0.02
    timings = Timings(queued=queued, started=fields.pop("started", queued), first=first, ended=at, itl_mean=gap)
    return make(StepEnded, at, step=step, outcome=outcome, timings=timings, **fields)


def hit(name: str, number: int = 1) -> Hit:
    """Return a passage that stands in a file of this name."""
    return Hit(chunk=f"{name}#{number}", title=name, place=Place(uri=f"/docs/{name}", line=number), text="text", score=1.0)


def plain(strip: Strip) -> str:
    """Return a row's text."""
    return "".join(segment.text for segment in strip)


def faults(strips: Iterable[Strip], width: int) -> list[str]:
    """Return the rows that are not exactly ``width`` cells of harmless text."""
    return [
        text
        for text in map(plain, strips)
        if cell_len(text) != width
        or any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" or 0xD800 <= ord(char) < 0xE000 for char in text)
    ]
