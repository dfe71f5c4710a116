"""The prompt with what belongs around it: what waits, the mark, the estimate of its tokens, and the files behind an @."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agents.tokens import estimate_tokens
from tui.widgets.file_picker import FilePicker
from tui.widgets.prompt_area import PromptArea
from tui.widgets.queue_strip import QueueStrip

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.widgets import TextArea

_EVERY: Final = 0.2
"""Least seconds between two estimates."""
_NARROW: Final = 50
"""Columns below which the estimate makes room for the text."""


class TokenEstimate(Widget):
    """About how many tokens the prompt is, updated a few times a second however fast someone types."""

    ALLOW_SELECT = False

    def __init__(self, prompt: PromptArea) -> None:
        super().__init__(id="estimate")
        self._prompt = prompt
        self._due = False
        self._words = ""

    def later(self) -> None:
        """Estimate soon, once for all that is typed until then."""
        if not self._due:
            self._due = True
            self.set_timer(_EVERY, self._update)

    def _update(self) -> None:
        self._due = False
        words = told(estimate_tokens(self._prompt.value))
        if words != self._words:
            self._words = words
            self.refresh()

    def render(self) -> Content:
        """Draw it."""
        return Content(self._words)


def told(tokens: int) -> str:
    """Return an estimate as it is shown: ``≈ 1.2k tok``; nothing for nothing."""
    if tokens < 1000:
        return f"≈ {tokens} tok" if tokens else ""
    return f"≈ {tokens / 1000:.1f}k tok" if tokens < 99_950 else f"≈ {tokens // 1000}k tok"


class PromptBar(Vertical):
    """Lays them out, and keeps them in step with what is typed."""

    BLANK = True

    def __init__(self, placeholder: str) -> None:
        super().__init__(id="bar")
        self.prompt = PromptArea(placeholder=placeholder)
        self.files = FilePicker(self.prompt)
        self.waiting = QueueStrip()
        self.picks = True
        """Whether an @ offers files."""
        self._estimate = TokenEstimate(self.prompt)

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom; the files lie over what is above."""
        yield self.waiting
        with Horizontal(id="prompt"):
            yield Static("›", id="mark", markup=False)
            yield self.prompt
            yield self._estimate

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Estimate what is typed now."""
        event.stop()
        self._estimate.later()

    def on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        """Offer files for what stands before the cursor."""
        event.stop()
        if self.picks:
            self.files.look()

    def on_resize(self, event: events.Resize) -> None:
        """Give the text the room in a narrow terminal."""
        self._estimate.display = event.size.width >= _NARROW
        self.prompt.fit()
        self.files.close()
