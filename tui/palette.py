"""The command palette: everything stretto can do, by name. Names from outside are content here, never markup."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Provider
from textual.content import Content
from textual.fuzzy import FuzzySearch

from tui.key_table import KEYS
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tui.app import StrettoApp


class Commands(Provider):
    """The registry's actions, a pane for each known model, and the themes."""

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        app = cast("StrettoApp", self.app)
        for key in KEYS:
            if key.action != "command_palette":
                yield key.label, key.tooltip, partial(app.run_action, key.action)
        for model in app.dashboard.compare.known:
            yield f"Add pane: {safe_line(str(model), 120)}", "Ask this model too", partial(app.dashboard.compare.add_pane, model)
        for name in app.theme_names:
            yield f"Theme: {safe_line(name, 60)}", "Change the colours", partial(setattr, app, "theme", name)

    async def discover(self) -> AsyncIterator[DiscoveryHit | Hit]:
        """Yield everything, while nothing is typed."""
        for title, tip, command in self._entries():
            yield DiscoveryHit(Content(title), command, text=title, help=tip)

    async def search(self, query: str) -> AsyncIterator[DiscoveryHit | Hit]:
        """Yield what fits ``query``, its matching letters marked."""
        fuzzy = FuzzySearch()
        for title, tip, command in self._entries():
            score, places = fuzzy.match(query, title)
            if score > 0:
                shown = Content(title)
                for at in places:
                    shown = shown.stylize("bold underline", at, at + 1)
                yield Hit(score, shown, command, text=title, help=tip)
