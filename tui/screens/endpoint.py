"""Over the Queue view: all that is known of one endpoint with what went wrong there lately, and the form for a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.widgets import Static

from tui.key_table import bindings
from tui.rounds.sheet import Field, Sheet, line_input
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

_LARGEST = 10**12
_EVERY = 0.25
"""Seconds between two looks."""


class EndpointScreen(Sheet[None]):
    """Names and values, and below them lines, newest first; read again while it is open."""

    heading: ClassVar[str] = "Endpoint"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.endpoint"))
    DEFAULT_CSS = """
    EndpointScreen #endpoint { height: auto; }
    """

    def __init__(self, read: Callable[[], tuple[Sequence[tuple[str, str]], Sequence[str]]]) -> None:
        super().__init__()
        self._read = read
        self._text = Static(id="endpoint", markup=False)
        self._shown: object = None
        self._due = 0.0

    def body(self) -> Iterator[Widget]:
        """Yield the text."""
        yield self._text

    def on_mount(self) -> None:
        """Show what there is."""
        super().on_mount()
        self.flush(0.0)

    def flush(self, now: float) -> None:
        """Show what changed since the last look."""
        if now < self._due:
            return
        self._due = now + _EVERY
        facts, lines = read = self._read()
        if read == self._shown:
            return
        self._shown = read
        width = max(len(name) for name, _ in facts)
        parts: list[tuple[str, str]] = []
        for name, value in facts:
            parts += [(f"{name:<{width}}  ", "$text-muted"), (f"{safe_line(value, 300)}\n", "$foreground")]
        parts.append(("\nLast failures, newest first\n", "bold"))
        parts.append(("\n".join(safe_line(line, 300) for line in lines) or "There were none in this session.", "$foreground"))
        self._text.update(Content.assemble(*parts))


class LimitScreen(Sheet[tuple[int | None]]):
    """Asks for a limit per minute; gives it back in a tuple, ``None`` in it for no limit."""

    heading: ClassVar[str] = "Limit per minute"
    AUTO_FOCUS = "#limit"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.limit"))

    def __init__(self, endpoint: str, what: str, limit: int | None) -> None:
        super().__init__()
        self._about = f"{what.capitalize()} a minute at {safe_line(endpoint, 80)}, for this session; empty for none."
        self._line = line_input("" if limit is None else str(limit), "no limit", "limit")
        self._what = what

    def body(self) -> Iterator[Widget]:
        """Yield the line."""
        yield Static(self._about, classes="sheet--text", markup=False)
        yield Field(self._what.capitalize(), self._line)

    def action_apply(self) -> None:
        """Give the limit back, if it is one."""
        typed = self._line.value.replace(",", "").replace("_", "").strip()
        if not typed:
            self.dismiss((None,))
        elif typed.isascii() and typed.isdigit() and 0 < int(typed[:20]) <= _LARGEST:
            self.dismiss((int(typed),))
        else:
            self.fail("Write a whole number above nothing, or leave it empty for no limit.")
