"""A line that is there only while it has something to say."""

from __future__ import annotations

from textual.widgets import Static

from tui.safe import safe_content


class PassingLine(Static):
    """Plain text that takes a row while there is any. Saying the same again costs nothing: a change lays the screen out anew."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id, markup=False)
        self.display = False
        self._told = ""

    def tell(self, line: str) -> None:
        """Show ``line``, or go when it is empty."""
        if line != self._told:
            self._told = line
            self.display = bool(line)
            self.update(safe_content(line))
