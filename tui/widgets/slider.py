"""A number on a line, moved by arrows from mark to mark, or typed as digits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from tui.key_table import bindings
from tui.widgets.own_keys import do_own_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import RenderResult
    from textual.binding import BindingType

_DIGITS: Final = 6
_FIGURE: Final = 14
"""Cells for the number and its unit beside the line."""


class Slider(Widget, can_focus=True):
    """Shows where a number stands between its marks. The marks are spaced evenly, so that small numbers have room, too."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"slider--line", "slider--filled", "slider--knob", "slider--figure"}
    DEFAULT_CSS = """
    Slider {
        height: 1;
        background: $surface;
        color: $foreground;
        & > .slider--line { color: $text-muted; }
        & > .slider--filled { color: $text-primary; }
        & > .slider--knob { color: $text-accent; text-style: bold; }
        & > .slider--figure { color: $foreground; }
        &:focus { background: $primary-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("slider"))
    hints: ClassVar[tuple[tuple[str, str], ...]] = (("◂ ▸", "change"), ("0…9", "type it"))
    value: reactive[int] = reactive(0)

    @dataclass
    class Changed(Message):
        """A person changed the number."""

        slider: Slider
        value: int

        @property
        def control(self) -> Slider:
            """The slider that was moved."""
            return self.slider

    def __init__(self, value: int, marks: Sequence[int], unit: str, *, id: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id)
        self._marks = tuple(marks)
        self._unit = unit
        self._typed = ""
        self.set_reactive(Slider.value, value)

    async def on_key(self, event: events.Key) -> None:
        """Take its own keys, and digits as the number itself; marks do not bind what is typed."""
        character = event.character
        if not await do_own_key(self, event) and character is not None and character.isascii() and character.isdecimal():
            self._type((self._typed + character)[-_DIGITS:])
            event.stop()
            event.prevent_default()

    def action_step(self, by: int) -> None:
        """Go to the next mark, or to the one before."""
        self._put(step(self._marks, self.value, by))

    def action_edge(self, at: int) -> None:
        """Go to the first mark or the last."""
        self._put(self._marks[at])

    def action_shorten(self) -> None:
        """Take the last digit away."""
        self._type((self._typed or str(self.value))[:-1])

    def on_blur(self) -> None:
        """Begin a new number when digits are typed again."""
        self._typed = ""

    def on_click(self, event: events.Click) -> None:
        """Go to the mark under the pointer."""
        line = self._line
        if event.x < line and line > 1:
            event.stop()
            self._put(self._marks[round(event.x / (line - 1) * (len(self._marks) - 1))])

    def _put(self, value: int) -> None:
        self._typed = ""
        self._set(value)

    def _type(self, digits: str) -> None:
        self._typed = digits
        self._set(max(int(digits), 1) if digits else self._marks[0])

    def _set(self, value: int) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))

    @property
    def _line(self) -> int:
        return max(self.size.width - _FIGURE, 0)

    def render(self) -> RenderResult:
        """Return the line, the knob on it and the number."""
        line = self._line
        at = round(place(self._marks, self.value) * max(line - 1, 0))
        parts = [("━" * min(at, line), "filled"), ("●" if line else "", "knob"), ("─" * max(line - at - 1, 0), "line")]
        figure = f" {self.value} {self._unit}"
        return Content.assemble(
            *((text, self.get_visual_style(f"slider--{name}")) for text, name in parts),
            (figure, self.get_visual_style("slider--figure")),
        )


def step(marks: Sequence[int], value: int, by: int) -> int:
    """Return the mark ``by`` places up or down from ``value``; past the ends it stays."""
    at = bisect_right(marks, value) - 1 if by > 0 else bisect_left(marks, value)
    return marks[min(max(at + by, 0), len(marks) - 1)]


def place(marks: Sequence[int], value: int) -> float:
    """Return where ``value`` stands on the line, from 0 to 1: between two marks in proportion."""
    if value <= marks[0]:
        return 0.0
    if value >= marks[-1]:
        return 1.0
    at = bisect_right(marks, value) - 1
    low, high = marks[at], marks[at + 1]
    return (at + (value - low) / (high - low)) / (len(marks) - 1)
