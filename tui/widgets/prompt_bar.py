"""The prompt with what belongs around it: what waits, the mark, the estimate of its tokens, and the files behind an @."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget

from agents.tokens import estimate_tokens, tokens_of
from tui.safe import safe_line
from tui.widgets.file_picker import FilePicker
from tui.widgets.next_line import NextLine
from tui.widgets.prompt_area import PromptArea
from tui.widgets.queue_strip import QueueStrip
from tui.widgets.told import PassingLine, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.widgets import TextArea

    from tui.prompts import Prompt

_EVERY: Final = 0.2
"""Least seconds between two estimates."""
_WIDTH: Final = 13
"""Columns the estimate takes at least, so that the text is not wrapped anew for every figure."""
_NARROW: Final = 50
"""Columns below which the estimate makes room for the text."""


class TokenEstimate(Widget):
    """About how many tokens the prompt is, updated a few times a second however fast someone types."""

    ALLOW_SELECT = False

    def __init__(self, prompt: PromptArea) -> None:
        super().__init__(id="estimate")
        self.styles.width = _WIDTH
        self._prompt = prompt
        self._due = False
        self._words = ""
        self.counts_files = True
        """Whether files named with @ count."""

    def later(self) -> None:
        """Estimate soon, once for all that is typed until then."""
        if not self._due:
            self._due = True
            self.set_timer(_EVERY, self._update)

    def _update(self) -> None:
        self._due = False
        text = self._prompt.value
        if self.counts_files and "@" in text:
            self.run_worker(self._with_files(text), exclusive=True, name="estimate", description="sizes of files")
        else:
            self.workers.cancel_node(self)
            self._tell(told(estimate_tokens(text)))

    async def _with_files(self, text: str) -> None:
        from agents.attachments import look_for, weigh

        back = self._prompt.back
        stored, unread = ((), frozenset[str]()) if back is None else (back.attachments, back.unread)
        size, images = await asyncio.to_thread(lambda: weigh(look_for(text, stored, unread)))
        words = told(estimate_tokens(text) + tokens_of(size))
        self._tell(f"{words} + {images} image{'s' * (images > 1)}" if images else words)

    def _tell(self, words: str) -> None:
        if words != self._words:
            self._words = words
            self.styles.width = max(_WIDTH, len(words) + 2)
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

    def __init__(self, placeholder: str, whom: Callable[[Prompt], str], typed: Callable[[str], None]) -> None:
        super().__init__(id="bar")
        self.prompt = PromptArea(placeholder=placeholder)
        self.files = FilePicker(self.prompt)
        self.waiting = QueueStrip()
        self.likely = NextLine()
        self._whom = whom
        self._typed = typed
        self._companions = PassingLine(id="companions")
        self.mark = Told(id="mark")
        """Whom the prompt goes to, by a sign."""
        self.mark.tell(Content("›"))
        self._estimate = TokenEstimate(self.prompt)

    @property
    def picks(self) -> bool:
        """Whether an @ offers files, which go with the prompt."""
        return self._estimate.counts_files

    @picks.setter
    def picks(self, picks: bool) -> None:
        self._estimate.counts_files = picks
        self._estimate.later()

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom; the files lie over what is above."""
        yield self.waiting
        yield self.likely
        with Horizontal(id="prompt"):
            yield self.mark
            yield self.prompt
            yield self._estimate
        yield self._companions

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Estimate what is typed now, tell it on, and say what goes with it; with the text that is let go of."""
        event.stop()
        self._estimate.later()
        self._typed(self.prompt.text)
        if not self.prompt.text:
            self.prompt.back = None
        back = self.prompt.back
        words = "" if back is None else back.companions(self._whom(back))
        self._companions.say(safe_line(f"goes with it: {words}", 200) if words else "")

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
