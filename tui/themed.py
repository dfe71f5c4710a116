"""An app in one of the shelf's themes: taken before the first frame, changed by a key, and anew when its file changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.app import App
from textual.notifications import Notification, Notify

from tui.safe import safe_line
from tui.theme_shelf import DEFAULT, ThemeShelf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.workspace import Workspace
    from tui.themes import Themes

_MOST_WARNINGS: Final = 3


class ThemedApp(App[None], inherit_bindings=False):
    """Takes its theme from the shelf."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.shelf = ThemeShelf(workspace.locations)
        self._theme_told: Notification | None = None
        self._wanted_theme = self._take_first()

    def _take_first(self) -> str:
        """Take the theme before the stylesheet is read for the first time: changing it later reads all of it again."""
        themes = self.shelf.load()
        self._offer(themes)
        wanted = self.shelf.chosen(self.workspace.settings.screen.theme)
        self.set_reactive(App.theme, wanted if wanted in themes.loaded else DEFAULT)
        dark = self.current_theme.dark
        self.set_class(dark, "-dark-mode", update=False)
        self.set_class(not dark, "-light-mode", update=False)
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())
        return wanted

    def tell_of_themes(self) -> None:
        """Say which themes are bad, and that the one that is configured is not there."""
        self._tell_bad(self.shelf.themes)
        if self.theme != self._wanted_theme:
            self.warn(f"no theme named {self._wanted_theme!r}")

    def _offer(self, themes: Themes) -> None:
        for theme in themes.loaded.values():
            self.register_theme(theme)

    def _tell_bad(self, themes: Themes) -> None:
        self.warn_all([f"theme {name} is skipped: {reason}" for name, reason in themes.failed.items()], "stretto themes")

    def themes_changed(self, themes: Themes, names: frozenset[str]) -> None:
        """Take the themes as they are now; the one in use changes on the screen at once, unless its file is bad."""
        self._offer(themes)
        self._tell_bad(themes)
        if self.theme in names and self.theme in themes.loaded:
            self.mutate_reactive(ThemedApp.theme)

    async def action_next_theme(self) -> None:
        """Change to the next theme."""
        await self.take_theme(self.shelf.after(self.theme))
        if self._theme_told is not None:
            self._unnotify(self._theme_told)  # one is enough, however fast a person goes through them
        self._theme_told = Notification(f"Theme: {safe_line(self.theme, 60)}", timeout=2, markup=False)
        self.post_message(Notify(self._theme_told))

    async def take_theme(self, name: str) -> None:
        """Change to a theme, and to begin with it next time."""
        self.theme = name
        await self.shelf.keep(name)

    def warn(self, line: str) -> None:
        """Tell of something that goes on with less than was asked for."""
        self.notify(safe_line(line, 300), severity="warning", timeout=15, markup=False)

    def warn_all(self, lines: Sequence[str], command: str) -> None:
        """Say the first of ``lines``, and which command tells the rest: thousands would cover and hold up the screen."""
        for line in lines[:_MOST_WARNINGS]:
            self.warn(line)
        if (more := len(lines) - _MOST_WARNINGS) > 0:
            self.warn(f"and {more} more: `{command}` tells them all")
