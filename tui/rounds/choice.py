"""Two fields of forms: one of several, changed in place with the arrows, and any of several, ticked with Space."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui.figures import cut
from tui.key_table import bindings
from tui.safe import safe_line
from tui.widgets.own_keys import do_own_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import RenderResult
    from textual.binding import BindingType

T = TypeVar("T")
_TYPING: Final = 1.0
"""Seconds after which a letter begins a new search."""


class Choice(Widget, Generic[T], can_focus=True):
    """One of several: Left and Right go round, typing finds, a click goes on."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("choice"))
    hints: ClassVar[tuple[tuple[str, str], ...]] = (("◂ ▸", "change"), ("a…z", "find"))
    DEFAULT_CSS = """
    Choice { height: 1; }
    """

    class Changed(Message):
        """Another value is chosen."""

    def __init__(self, options: Sequence[tuple[str, T]], value: T | None = None, *, name: str | None = None) -> None:
        super().__init__(id=name)
        self._options = [(safe_line(label, 120), option) for label, option in options]
        self._at = 0
        self._typed = ""
        self._typed_at = 0.0
        if value is not None:
            self._select(value)

    @property
    def value(self) -> T | None:
        """What is chosen; ``None`` when there is nothing to choose from."""
        return self._options[self._at][1] if self._options else None

    def offer(self, options: Sequence[tuple[str, T]]) -> None:
        """Offer these instead; what was chosen stays chosen if it is among them."""
        value = self.value
        self._options = [(safe_line(label, 120), option) for label, option in options]
        self._at = 0
        if value is not None:
            self._select(value)
        self.refresh()

    def _select(self, value: T) -> None:
        self._at = next((at for at, (_, option) in enumerate(self._options) if option == value), 0)

    def move(self, by: int) -> None:
        """Choose the option ``by`` places further round."""
        if self._options:
            self._at = (self._at + by) % len(self._options)
            self.refresh()
            self.post_message(self.Changed())

    def action_move(self, by: int) -> None:
        """Choose the option ``by`` places further round."""
        self.move(by)

    async def on_key(self, event: events.Key) -> None:
        """Take its own keys, and letters."""
        if not await do_own_key(self, event) and event.is_printable and event.character is not None:
            self._find(event.character)
            event.stop()
            event.prevent_default()

    def _find(self, character: str) -> None:
        now = monotonic()
        self._typed = (self._typed if now - self._typed_at < _TYPING else "") + character.lower()
        self._typed_at = now
        order = [(self._at + step) % len(self._options) for step in range(len(self._options))]
        found = next((at for at in order if self._typed in self._options[at][0].lower()), None)
        if found is not None and found != self._at:
            self.move(found - self._at)

    def on_click(self) -> None:
        """Go on to the next."""
        self.move(1)

    def render(self) -> RenderResult:
        """Return the choice between its arrows, and which of how many it is."""
        if not self._options:
            return Content("– nothing to choose from")
        count = f" {self._at + 1}/{len(self._options)}"
        label = cut(self._options[self._at][0], max(self.size.width - 4 - len(count), 1))
        gap = " " * max(self.size.width - 4 - cell_len(label) - len(count), 0)
        return Content.assemble(("◂ ", "$text-primary"), (label, ""), (" ▸", "$text-primary"), gap, (count, "$text-muted"))


class Ticks(Widget, can_focus=True):
    """Any of several: Up and Down walk, Space ticks; past the ends the focus goes on to the next field."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("ticks"))
    hints: ClassVar[tuple[tuple[str, str], ...]] = (("↑ ↓", "walk"), ("Space", "tick"))
    DEFAULT_CSS = """
    Ticks { height: auto; max-height: 8; }
    """

    def __init__(self, labels: Sequence[str], ticked: Sequence[bool] | None = None, *, name: str | None = None) -> None:
        super().__init__(id=name)
        self._labels = [safe_line(label, 200) for label in labels]
        self._ticked = list(ticked) if ticked is not None else [True] * len(labels)
        self._at = 0
        self._top = 0

    @property
    def ticked(self) -> list[int]:
        """The numbers of what is ticked, from 0."""
        return [number for number, is_ticked in enumerate(self._ticked) if is_ticked]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Take a row for each."""
        return max(len(self._labels), 1)

    async def on_key(self, event: events.Key) -> None:
        """Walk and tick."""
        await do_own_key(self, event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Walk within the rows: past the ends the key is the form's."""
        match action, parameters:
            case "walk", (int(by),):
                return 0 <= self._at + by < len(self._labels)
            case "tick", _:
                return bool(self._labels)
            case _:
                return True

    def action_walk(self, by: int) -> None:
        """Go to another row."""
        self._at += by
        self.refresh()

    def action_tick(self) -> None:
        """Tick the row, or take its tick away."""
        self._ticked[self._at] = not self._ticked[self._at]
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Tick the row."""
        at = self._top + event.y
        if 0 <= at < len(self._labels):
            self._at = at
            self._ticked[at] = not self._ticked[at]
            self.refresh()

    def render(self) -> RenderResult:
        """Return the rows that fit, with the one the keys act on marked."""
        height = max(self.size.height, 1)
        self._top = min(max(self._top, self._at - height + 1), self._at)
        rows: list[Content] = []
        for number in range(self._top, min(self._top + height, len(self._labels))):
            here = number == self._at and self.has_focus
            box = "[x]" if self._ticked[number] else "[ ]"
            text = cut(f"{'›' if here else ' '} {box} {self._labels[number]}", self.size.width)
            rows.append(Content.styled(text, "bold" if here else ""))
        return Content("\n").join(rows)
