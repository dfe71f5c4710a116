"""The passage behind a citation: its place and its text, over the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.key_table import bindings
from tui.safe import safe_content, safe_line

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from agents.events import Hit


class PassageScreen(ModalScreen[None]):
    """Shows one passage; any of Escape, Enter and q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("passage"))

    def __init__(self, number: int, hit: Hit) -> None:
        super().__init__()
        self._number = number
        self._hit = hit

    def compose(self) -> ComposeResult:
        """Lay out place, text and ranks."""
        hit = self._hit
        ranks = ", ".join(f"{source} {rank}" for source, rank in sorted(hit.ranks.items()))
        with VerticalScroll(id="passage") as box:
            box.border_title = safe_content(f"[{self._number}] {safe_line(str(hit.place), 200)}")
            box.border_subtitle = safe_content(safe_line(f"rank: {ranks}" if ranks else hit.title, 200))
            yield Static(safe_content(hit.text), markup=False)

    def on_mount(self) -> None:
        """Let the arrows scroll the text."""
        self.query_one("#passage").focus()
