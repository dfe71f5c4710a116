"""Waterfall: every step of every run of this session as bars over time, whichever view started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agents.events import RunStarted, Saved
from tui.screens.step import StepScreen
from tui.timeline import Bar, Timeline
from tui.views.watching import WatchingView
from tui.widgets.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.events import AnyEvent
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt


class WaterfallView(WatchingView):
    """The bars."""

    title: ClassVar[str] = "Waterfall"
    placeholder: ClassVar[str] = "Sent to Compare; here the arrows, + and - move through what ran"

    def __init__(self, workspace: Workspace, feed: Feed, send: Callable[[Prompt], None]) -> None:
        super().__init__(workspace, feed, send)
        self.timeline = Timeline()
        self.bars = Waterfall(self.timeline, workspace.engine.clock, self._cap, calm=workspace.settings.screen.reduced_motion)
        self._unsaved: dict[str, Run] = {}
        """Runs whose steps are still read from memory, because not all of them is on disk."""

    @property
    def shown(self) -> Waterfall:
        """The bars."""
        return self.bars

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self.bars.flush(now)

    def observe(self, event: AnyEvent) -> None:
        """Make bars of it."""
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

    def on_waterfall_opened(self, event: Waterfall.Opened) -> None:
        """Show all of a row over the dashboard."""
        event.stop()
        track = event.row.track if isinstance(event.row, Bar) else event.row
        self.app.push_screen(StepScreen(event.row, self.workspace, self._unsaved.get(track.run)))
