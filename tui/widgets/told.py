"""Text that is told again and again while other things go on: what is told twice costs nothing, and seldom anything moves for it.

Textual lays the whole screen out when a ``Static`` is updated, whatever it is updated with.
"""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.safe import safe_content


class Told(Static):
    """Text that lays the screen out anew only when a line of it is longer or shorter than it was."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id, classes=classes, markup=False)
        self._told = Content()

    def tell(self, content: Content) -> None:
        """Show ``content``."""
        before, self._told = self._told, content
        if not content.is_same(before):
            self.update(content, layout=_lengths(content) != _lengths(before))


class PassingLine(Told):
    """A plain line that takes a row only while there is any."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self.display = False

    def say(self, line: str) -> None:
        """Show ``line``, or go when it is empty."""
        self.display = bool(line)
        self.tell(safe_content(line))


def _lengths(content: Content) -> list[int]:
    return [line.cell_length for line in content.split("\n", allow_blank=True)]
