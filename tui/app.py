"""The app: wires workspace, feed, themes, keys and screens, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand

from agents.errors import StrettoError
from tui.feed import Feed
from tui.keys import KEYS, bindings
from tui.safe import SafeFilter, safe_line
from tui.screens.dashboard import Dashboard
from tui.themes import load_themes, theme_variable_defaults
from tui.widgets.pane_clock import FrameClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.binding import BindingType
    from textual.filter import LineFilter
    from textual.screen import Screen

    from agents.requests import ModelRef
    from agents.settings import Locations, Settings
    from agents.workspace import Workspace

_STYLES = Path(__file__).parent.parent / "themes" / "stretto.tcss"
_STATUS_EVERY = 0.25
"""Seconds between two readings of the status line."""


class StrettoApp(App[None], inherit_bindings=False):
    """The dashboard's app."""

    TITLE = "stretto"
    CSS_PATH = _STYLES
    BINDINGS: ClassVar[list[BindingType]] = list(bindings())

    def __init__(self, workspace: Workspace, models: Sequence[ModelRef] = ()) -> None:
        self._safe = SafeFilter()
        super().__init__()
        self.workspace = workspace
        self.feed = Feed(workspace.engine)
        self.dashboard = Dashboard(workspace, self.feed)
        self._known: list[ModelRef] = []
        self._wanted = tuple(models)
        self._clock = FrameClock(self._frame, fps=workspace.settings.screen.fps)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Put the last wall against control codes before Textual's own filters."""
        return [self._safe, *super().get_line_filters()]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return values for the variables that a theme need not set."""
        return theme_variable_defaults()

    def get_default_screen(self) -> Screen[None]:
        """Start on the dashboard."""
        return self.dashboard

    def on_mount(self) -> None:
        """Take the theme, then let the first frame come before anything is opened."""
        themes = load_themes(self.workspace.locations.themes)
        for theme in themes.loaded.values():
            self.register_theme(theme)
        for name, reason in themes.failed.items():
            self.notify(safe_line(f"theme {name} is skipped: {reason}", 300), severity="warning", markup=False)
        wanted = self.workspace.settings.screen.theme
        self.theme = wanted if wanted in self.available_themes else "stretto-dark"
        if self.theme != wanted:
            self.notify(safe_line(f"no theme named {wanted!r}", 200), severity="warning", markup=False)
        self.set_interval(_STATUS_EVERY, self.dashboard.status.refresh)
        self.run_worker(self._clock.run(), name="frames", exit_on_error=True)
        self.call_after_refresh(lambda: self.run_worker(self._open(), name="open"))

    async def _open(self) -> None:
        """Open the store, find the models, make their panes and warm the first."""
        dashboard = self.dashboard
        try:
            dashboard.status.notice = "opening"
            await self.workspace.open()
            models = self._wanted or await self.workspace.models.defaults()
            self._known = list(models)
            if not self._wanted and (line := self.workspace.fallback(models[0])) is not None:
                self.notify(safe_line(line, 300), severity="warning", timeout=15, markup=False)
            dashboard.compare.set_models(models)
            dashboard.ask.set_model(models[0])
            dashboard.agents.set_model(models[0])
            for model in dict.fromkeys(models):
                await self.workspace.models.warm(model, self._notice)
            self._notice("")
            # What was imported stays; leaving it out of collections spares the loop stalls of up to 50 ms.
            gc.freeze()
        except StrettoError as error:
            self._notice(str(error))

    def _notice(self, line: str) -> None:
        self.dashboard.status.notice = line

    def _frame(self) -> None:
        """Hand over events and draw what changed; the one clock of all panes."""
        self.feed.pump()
        self.dashboard.view.flush(self.workspace.engine.clock())

    def action_view(self, name: str) -> None:
        """Show another view."""
        self.dashboard.show(name)

    def action_show_help(self) -> None:
        """Show all keys."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_stop(self) -> None:
        """Stop the marked pane's answer."""
        if not self.dashboard.view.stop():
            self.dashboard.prompt.focus()

    def action_stop_all(self) -> None:
        """Stop everything the view runs."""
        self.dashboard.view.stop_all()

    def action_pane(self, by: int) -> None:
        """Mark another pane."""
        self.dashboard.view.mark_pane(by)

    def action_scroll_pane(self, pages: int) -> None:
        """Scroll the marked pane."""
        pane = self.dashboard.view.marked_pane()
        if pane is not None:
            pane.action_page(pages)

    def action_copy(self) -> None:
        """Copy the marked pane's text."""
        pane = self.dashboard.view.marked_pane()
        if pane is not None and pane.text:
            self.copy_to_clipboard(pane.text)
            self.notify("Copied.", timeout=2, markup=False)

    def action_add_pane(self) -> None:
        """Add a pane with the model after the last one's."""
        compare = self.dashboard.compare
        if self._known:
            compare.add(self._known[len(compare.models) % len(self._known)])

    def action_remove_pane(self) -> None:
        """Take the marked pane away."""
        self.dashboard.compare.remove_marked()

    def action_new_conversation(self) -> None:
        """Start afresh in every pane."""
        self.dashboard.compare.new_conversation()

    def action_select_step(self, by: int) -> None:
        """Mark another step of the log."""
        self.dashboard.agents.select_step(by)

    async def action_quit(self) -> None:
        """Leave; what runs is stopped and saved once the screen is restored."""
        self.exit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a modal screen keep the dashboard's keys to itself, all but quitting."""
        if action in {"quit", "help_quit"} or self.screen is self.dashboard:
            return True
        return action not in {key.action.partition("(")[0] for key in KEYS}

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield everything the registry has, a pane for each known model, and the themes."""
        for key in KEYS:
            yield SystemCommand(key.label, key.tooltip, partial(self._command, key.action))
        for model in self._known:
            line = safe_line(str(model), 120)
            yield SystemCommand(f"Add pane: {line}", "Ask this model too", partial(self.dashboard.compare.add, model))
        for name in sorted(self.available_themes):
            if name.startswith("stretto"):
                yield SystemCommand(f"Theme: {name}", "Change the colours", partial(setattr, self, "theme", name))

    async def _command(self, action: str) -> None:
        await self.run_action(action)

    def _fatal_error(self) -> None:
        """Say what broke without local variables: they may hold keys and prompts."""
        from rich.segment import Segments
        from rich.traceback import Traceback

        traceback = Traceback(show_locals=False, width=100)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()


def run_dashboard(settings: Settings, locations: Locations, models: Sequence[ModelRef] = ()) -> int:
    """Open the dashboard and return the exit code: 0, or 128 and the signal's number."""
    return asyncio.run(_run(settings, locations, models))


async def _run(settings: Settings, locations: Locations, models: Sequence[ModelRef]) -> int:
    from agents.allocator import configure
    from agents.workspace import Workspace

    configure()
    loop = asyncio.get_running_loop()
    async with Workspace(settings, locations) as workspace:
        app = StrettoApp(workspace, models)
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Textual itself would die with the terminal in its own mode and nothing closed.
            loop.add_signal_handler(number, partial(app.exit, return_code=128 + number))
        try:
            await app.run_async()
        finally:
            app.feed.close()
    return app.return_code or 0
