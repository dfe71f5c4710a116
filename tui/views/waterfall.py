"""Waterfall: every step of every run of this session as bars over time, whichever view started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agents.events import RunStarted, Saved
from tui.screens.step import StepScreen
from tui.timeline import Bar, Timeline
from tui.views.view import View
from tui.widgets.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from agents.events import AnyEvent
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane


class WaterfallView(View):
    """The bars. It starts nothing itself: a prompt sent from here goes where ``send`` takes it."""

    title: ClassVar[str] = "Waterfall"
    placeholder: ClassVar[str] = "Sent to Compare; here the arrows, + and - move through what ran"
    takes_files: ClassVar[bool] = True

    def __init__(self, workspace: Workspace, feed: Feed, send: Callable[[Prompt], None]) -> None:
        super().__init__(workspace, feed)
        self.timeline = Timeline()
        self.bars = Waterfall(self.timeline, workspace.engine.clock, self._cap, calm=workspace.settings.screen.reduced_motion)
        self._send = send
        self._unsaved: dict[str, Run] = {}
        """Runs whose steps are still read from memory, because not all of them is on disk."""
        feed.observe(self._observe)

    def compose(self) -> ComposeResult:
        """Give the bars the whole room."""
        yield self.bars

    def offers(self, name: str) -> bool:
        """Leave the keys of panes to the bars: there are no panes here."""
        return name == "focus"

    def entered(self) -> None:
        """Let the keys move through the bars; what is typed otherwise goes to the prompt."""
        self.bars.focus()

    def _observe(self, event: AnyEvent) -> None:
        self.timeline.handle(event)
        match event:
            case RunStarted(run=run) if (known := self.workspace.engine.runs.get(run)) is not None:
                self._unsaved[run] = known
            case Saved(run=run, step=None, error=None):
                self._unsaved.pop(run, None)
            case _:
                pass

    def _cap(self, endpoint: str) -> int | None:
        if not self.workspace.opened:
            return None
        return next((load.cap for load in self.workspace.models.load() if load.endpoint == endpoint), None)

    def handle(self, event: AnyEvent) -> None:
        """Do nothing: it starts no runs, and what it shows of those of others it observes."""

    def panes(self) -> list[StreamPane]:
        """Return none: its text stands over the dashboard."""
        return []

    def submit(self, prompt: Prompt) -> None:
        """Send the prompt to where answers are read; its bars appear here."""
        self._send(prompt)

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self.bars.flush(now)

    def stop(self) -> bool:
        """Leave what runs alone: Esc leads back to the prompt."""
        return False

    def stop_all(self) -> int:
        """Stop every run that goes on, whichever view started it."""
        for run in list(self.workspace.engine.runs.values()):
            run.cancel()
        return 0

    def act_focus(self) -> None:
        """Give the bars the focus."""
        self.bars.focus()

    def on_waterfall_opened(self, event: Waterfall.Opened) -> None:
        """Show all of a row over the dashboard."""
        event.stop()
        track = event.row.track if isinstance(event.row, Bar) else event.row
        self.app.push_screen(StepScreen(event.row, self.workspace, self._unsaved.get(track.run)))
