"""The prompts that wait: taken back to be changed, dropped, or moved up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widgets import OptionList

from tui.key_table import bindings
from tui.prompts import Prompt
from tui.rounds.sheet import Sheet
from tui.safe import safe_content, safe_line

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator

    from textual.binding import BindingType
    from textual.widget import Widget

_LOOK_EVERY = 0.25
"""Seconds between two looks at what still waits."""


class QueueScreen(Sheet[Prompt]):
    """Lists what waits in a view; gives back the one that is to be changed."""

    heading: ClassVar[str] = "Waiting prompts"
    AUTO_FOCUS = "OptionList"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.queue"))
    DEFAULT_CSS = """
    QueueScreen OptionList { height: auto; max-height: 20; border: none; padding: 0; background: $surface; }
    """

    def __init__(self, queue: deque[Prompt]) -> None:
        super().__init__()
        self._queue = queue
        self._shown: tuple[Prompt, ...] = ()
        self._list = OptionList(markup=False, compact=True)

    def body(self) -> Iterator[Widget]:
        """Yield the list."""
        yield self._list

    def on_mount(self) -> None:
        """Show what waits, for as long as it does."""
        super().on_mount()
        self._look()
        self.set_interval(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Show what waits now; what was sent meanwhile is gone, and the mark stays on the prompt it was on."""
        now = tuple(self._queue)
        if now == self._shown:
            return
        marked, at = self._marked(), self._list.highlighted or 0
        self._shown = now
        self._list.clear_options()
        self._list.add_options([safe_content(f"{number}  {safe_line(each.text, 300)}") for number, each in enumerate(now, 1)])
        if now:
            self._list.highlighted = now.index(marked) if marked in now else min(at, len(now) - 1)
        else:
            self.dismiss(None)

    def _marked(self) -> Prompt | None:
        at = self._list.highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    def _place(self) -> int | None:
        """Return where the marked prompt waits now; ``None`` when it was sent meanwhile."""
        marked = self._marked()
        return None if marked is None or marked not in self._queue else self._queue.index(marked)

    def on_option_list_option_selected(self) -> None:
        """Enter and a click are the list's own."""
        self.action_change()

    def action_change(self) -> None:
        """Give the marked prompt back and let it wait no more."""
        at = self._place()
        if at is not None:
            prompt = self._queue[at]
            del self._queue[at]
            self.dismiss(prompt)

    def action_drop(self) -> None:
        """Let the marked prompt wait no more."""
        at = self._place()
        if at is not None:
            del self._queue[at]
            self._look()

    def action_rise(self) -> None:
        """Let the marked prompt go before the one above it."""
        at = self._place()
        if at:
            self._queue[at - 1], self._queue[at] = self._queue[at], self._queue[at - 1]
            self._look()
