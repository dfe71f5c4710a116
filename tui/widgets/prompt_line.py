"""The one prompt line. It is never locked: what is typed while answers stream is taken at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

if TYPE_CHECKING:
    from textual import events

_BREAK = "⏎"


class PromptLine(Input):
    """A line of input with the history of what was sent from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "history(-1)", "Earlier prompt", show=False, id="prompt.earlier"),
        Binding("down", "history(1)", "Later prompt", show=False, id="prompt.later"),
        Binding("ctrl+u", "clear", "Clear", show=False, id="prompt.clear"),
    ]

    @dataclass
    class Sent(Message):
        """A person pressed Enter on a text that is not blank."""

        text: str

    def __init__(self, *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self._history: list[str] = []
        self._at = 0
        self._draft = ""

    async def _on_key(self, event: events.Key) -> None:
        """Take Enter here: as a binding it would go round by the app, and keys behind it would overtake it."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()

    async def action_submit(self) -> None:
        """Send the line and make room for the next at once: keys that come right behind Enter belong to the next."""
        text = self.value.strip()
        self.value = ""
        if not text:
            return
        if not self._history or self._history[-1] != text:
            self._history.append(text)
        self._at = len(self._history)
        self.post_message(self.Sent(text.replace(_BREAK, "\n")))

    def _on_paste(self, event: events.Paste) -> None:
        """Keep every line of what is pasted; a break shows as a sign and is a break again when it is sent."""
        event.prevent_default()
        event.stop()
        self.replace(_BREAK.join(event.text.strip("\n").splitlines()), *self.selection)

    def action_history(self, by: int) -> None:
        """Go to an earlier or later prompt; past the last one is the draft."""
        if self._at == len(self._history):
            self._draft = self.value
        self._at = min(max(self._at + by, 0), len(self._history))
        self.value = self._draft if self._at == len(self._history) else self._history[self._at]
        self.cursor_position = len(self.value)

    def action_clear(self) -> None:
        """Empty the line."""
        self.value = ""
