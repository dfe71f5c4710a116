"""The command palette: everything stretto can do, by name. Names from outside are content here, never markup."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual import on
from textual.command import CommandPalette, DiscoveryHit, Hit, Provider
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.widgets import Input
from textual.worker import WorkerError

from agents.requests import ModelRef
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tui.app import StrettoApp


class Palette(CommandPalette):
    """Textual's palette, in which Enter takes what fits the words typed, however quickly it follows them."""

    @on(Input.Submitted)
    async def _look_up_first(self) -> None:
        for worker in [worker for worker in self.workers if worker.group == self._GATHER_COMMANDS_GROUP]:
            with suppress(WorkerError):
                await worker.wait()


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen."""

    title: str
    tip: str
    command: Callable[[], Any]
    keys: str = ""
    """How it is reached without the palette."""

    def shown(self, places: tuple[int, ...] = ()) -> Content:
        """Return the title, the letters at ``places`` marked, and the keys."""
        title = Content(self.title)
        for at in places:
            title = title.stylize("bold underline", at, at + 1)
        return Content.assemble(title, ("   ", ""), (self.keys, "not bold")) if self.keys else title


class Commands(Provider):
    """The registry's actions, the panes, a pane for each known or listed model, the themes, and the parts of help."""

    def _entries(self) -> Iterator[Entry]:
        app = cast("StrettoApp", self.app)
        dashboard, keymap, actions = app.dashboard, app.actions.keymap, app.actions
        for row in keymap.rows:
            home = actions.home(row)
            if home is None or row.action == "command_palette":
                continue
            title = row.label
            if row.scope != "app":
                title = f"{row.where}: {row.label}"
            elif row.action.startswith("act(") and home is not dashboard.view:
                title = f"{home.title}: {row.label}"
            ways = "  ".join([*row.shown_keys, *filter(None, [keymap.after_leader(row)])])
            yield Entry(title, row.tooltip, partial(actions.perform, row), ways)
        for number, pane in enumerate(dashboard.compare.answers, 1):
            name = safe_line(str(pane.model), 120)
            yield Entry(f"Pane {number}: {name}", "Go to this pane", partial(_go_to_pane, app, number - 1))
        for model in dashboard.compare.known:
            yield _pane_of(app, model)
        for name in sorted(app.shelf.themes.loaded):
            yield Entry(f"Theme: {safe_line(name, 60)}", "Change the colours", partial(app.take_theme, name))
        for part, tip in (("Status line", "What each figure means"), ("Terminals", "Clipboard, tmux, colours, motion")):
            yield Entry(f"Help: {part}", tip, partial(app.action_show_help, part))

    async def _offered(self) -> list[Entry]:
        """Return a pane for each model that endpoints are remembered to have: too many to list while nothing is typed."""
        app = cast("StrettoApp", self.app)
        if not app.workspace.opened:
            return []
        offers = await app.workspace.models.listing.known()
        models = (ModelRef(offer.name, model) for offer in offers for model in offer.models)
        return [_pane_of(app, model) for model in models if model not in app.dashboard.compare.known]

    async def discover(self) -> AsyncIterator[DiscoveryHit | Hit]:
        """Yield everything, while nothing is typed."""
        for entry in self._entries():
            yield DiscoveryHit(entry.shown(), entry.command, text=entry.title, help=entry.tip)

    async def search(self, query: str) -> AsyncIterator[DiscoveryHit | Hit]:
        """Yield what fits ``query``, its matching letters marked."""
        fuzzy = FuzzySearch()
        for entry in (*self._entries(), *await self._offered()):
            score, places = fuzzy.match(query, entry.title)
            if score > 0:
                yield Hit(score, entry.shown(tuple(places)), entry.command, text=entry.title, help=entry.tip)


def _pane_of(app: StrettoApp, model: ModelRef) -> Entry:
    name = safe_line(str(model), 120)
    return Entry(f"Add pane: {name}", "Ask this model too", partial(app.dashboard.compare.add_pane, model))


def _go_to_pane(app: StrettoApp, index: int) -> None:
    """Show the view of panes with one of them marked."""
    compare = app.dashboard.compare
    if app.dashboard.view is not compare:
        app.dashboard.show(compare.id or "")
    panes, marked = compare.panes(), compare.marked_pane()
    if marked is not None and index < len(panes):
        compare.mark_pane(index - panes.index(marked))
