"""The line over the prompt that shows which prompts wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

    from tui.prompts import Prompt


class QueueStrip(Widget):
    """Says how many prompts wait and how they begin; takes no room while none does."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__(id="waiting")
        self.display = False
        self._shown: tuple[tuple[str, str], ...] = ()

    def show(self, queue: Sequence[Prompt], key: str, whom: Callable[[Prompt], str]) -> None:
        """Show what waits, and for ``whom``; cheap enough for every frame. ``key`` opens the list of it."""
        shown = ((key, ""), *((prompt.text, whom(prompt)) for prompt in queue))
        if shown == self._shown:
            return
        self._shown = shown
        self.display = len(shown) > 1
        self.refresh()

    def render(self) -> Content:
        """Draw as much as fits."""
        (key, _), *texts = self._shown or (("", ""),)
        parts: list[str | tuple[str, str]] = [("◌ ", "$accent"), (f"{len(texts)} waiting", "bold")]
        for number, (text, whom) in enumerate(texts, 1):
            parts += [("  ", ""), (f"{number} ", "$text-muted"), safe_line(text, 40)]
            if whom:
                parts.append((f" for {whom}", "$text-muted"))
        hint = f"  {key} changes" if key else ""
        line = Content.assemble(*parts).truncate(max(self.size.width - len(hint), 0), ellipsis=True)
        return Content.assemble(line, (hint, "$text-muted"))

    async def on_click(self, event: events.Click) -> None:
        """Open the list of what waits."""
        event.stop()
        await self.run_action("app.queue")
