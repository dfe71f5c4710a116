"""A view that watches what all the others run, on a board that takes the whole room."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tui.views.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.widget import Widget

    from agents.events import AnyEvent
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane


class WatchingView(View):
    """It starts nothing itself: a prompt sent from here goes where ``send`` takes it, and its answers are read there."""

    takes_files: ClassVar[bool] = True

    def __init__(self, workspace: Workspace, feed: Feed, send: Callable[[Prompt], None]) -> None:
        super().__init__(workspace, feed)
        self._send = send
        feed.observe(self.observe)

    @property
    def shown(self) -> Widget:
        """What it shows, which has the focus while the view is on screen."""
        raise NotImplementedError

    def observe(self, event: AnyEvent) -> None:
        """Take note of an event of any run."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Give the board the whole room."""
        yield self.shown

    def offers(self, name: str) -> bool:
        """Leave the keys of panes to the board: there are no panes here."""
        return name == "focus"

    def entered(self) -> None:
        """Let the keys act on the board; what is typed otherwise goes to the prompt."""
        self.shown.focus()

    def handle(self, event: AnyEvent) -> None:
        """Do nothing: it starts no runs, and what it shows of those of others it observes."""

    def panes(self) -> list[StreamPane]:
        """Return none."""
        return []

    def submit(self, prompt: Prompt) -> None:
        """Send the prompt to where answers are read."""
        self._send(prompt)

    def stop(self) -> bool:
        """Leave what runs alone: Esc leads back to the prompt."""
        return False

    def stop_all(self) -> int:
        """Stop every run that goes on, whichever view started it."""
        for run in list(self.workspace.engine.runs.values()):
            run.cancel()
        return 0

    def act_focus(self) -> None:
        """Give the board the focus."""
        self.shown.focus()
