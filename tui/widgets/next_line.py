"""The line over the prompt that offers likely next questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from agents.offers import Likely

_SIGNS: Final = {"ready": "●", "asking": "○", "failed": "○"}
_GAP: Final = 2
_LEAST: Final = 12
"""Columns a question takes at least where it is cut; those for which there is no room are left out."""


class _Place(NamedTuple):
    """Where a question stands on the line."""

    start: int
    end: int
    number: int


class NextLine(Widget):
    """Shows up to three questions by their numbers, a full circle before those whose answer is there already.

    It takes no room while there are none. While something is typed it keeps its row, so that nothing moves, and is blank.
    """

    ALLOW_SELECT = False

    class Picked(Message):
        """A person clicked on a question."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__(id="next")
        self.display = False
        self._likely: tuple[Likely, ...] = ()
        self._key = ""
        self._blank = False
        self._places: list[_Place] = []

    def show(self, likely: Sequence[Likely], key: str, *, blank: bool) -> None:
        """Show these; cheap enough for every frame. ``key`` picks the first, ``blank`` shows nothing of them for now."""
        shown = tuple(likely)
        if (shown, key, blank) == (self._likely, self._key, self._blank):
            return
        self._likely, self._key, self._blank = shown, key, blank
        self.display = bool(shown)
        self.refresh()

    def render(self) -> Content:
        """Draw as much of each as there is room for."""
        self._places = []
        if self._blank or not self._likely:
            return Content("")
        hint = f"  {self._key} asks 1" if self._key else ""
        room = self.size.width - (cell_len(hint) if self.size.width >= 6 * _LEAST else 0)
        parts: list[Content | str | tuple[str, str]] = []
        at = 0
        for number, width in enumerate(_widths([4 + cell_len(_line(likely)) for likely in self._likely], room), 1):
            likely = self._likely[number - 1]
            sign = (f"{_SIGNS[likely.state]} ", "$success" if likely.state == "ready" else "$text-muted")
            piece = Content.assemble(sign, (f"{number} ", "bold"), _line(likely)).truncate(width, ellipsis=True)
            if at:
                parts.append(" " * _GAP)
                at += _GAP
            parts.append(piece)
            self._places.append(_Place(at, at + piece.cell_length, number))
            at += piece.cell_length
        if at + cell_len(hint) <= self.size.width:
            parts.append((hint, "$text-muted"))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Pick what was clicked on."""
        event.stop()
        at = event.x - self.styles.padding.left
        number = next((place.number for place in self._places if place.start <= at < place.end), None)
        if number is not None:
            self.post_message(self.Picked(number))


def _line(likely: Likely) -> str:
    return safe_line(likely.text, 200)


def _widths(wanted: Sequence[int], room: int) -> list[int]:
    """Share ``room`` columns: short ones stay whole, long ones are cut alike, and the last ones go where even that is too much."""
    count = len(wanted)
    while count > 1 and count * _LEAST + (count - 1) * _GAP > room and sum(wanted[:count]) + (count - 1) * _GAP > room:
        count -= 1
    left = max(room - (count - 1) * _GAP, 0)
    widths = [0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda index: wanted[index])):
        widths[index] = min(wanted[index], left // (count - rank))
        left -= widths[index]
    return widths
