"""What the rows of the registry do: whether one does anything now, in which view, and doing it; also after the leader key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.actions import parse

from tui.keys import shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

    from tui.app import StrettoApp
    from tui.keymap import Keymap
    from tui.keys import Key
    from tui.views.view import View


class Actions:
    """Does what rows of the registry name."""

    def __init__(self, app: StrettoApp, keymap: Keymap) -> None:
        self._app = app
        self.keymap = keymap

    def home(self, row: Key) -> View | None:
        """Return the view in which a row does something: the one on screen if it can, else another; None when there is none."""
        dashboard = self._app.dashboard
        _, name, arguments = parse(row.action)
        if row.scope == "pane":
            return next((view for view in (dashboard.view, *dashboard.views) if view.marked_pane() is not None), None)
        if row.scope != "app":  # what is typed, and what is open: nobody looks for these by name
            return {"waterfall": dashboard.waterfall, "queue": dashboard.queue}.get(row.scope)
        if name == "view":
            return next((view for view in dashboard.views if view.id == arguments[0]), None)
        if name == "act":
            views = (dashboard.view, *dashboard.views)
            return next((view for view in views if view.offers(str(arguments[0]))), None)
        return dashboard.view if hasattr(self._app, f"action_{name}") else None

    def after_leader(self) -> Iterator[Key]:
        """Yield the rows that one more key reaches and that do something in the view on screen."""
        here = self._app.dashboard.view
        for row in self.keymap.rows:
            is_view = row.action.startswith("view(")
            if row.leader and (home := self.home(row)) is not None and (home is not here if is_view else home is here):
                yield row

    async def perform(self, row: Key) -> None:
        """Do what a row names, in the view where it can be done."""
        home = self.home(row)
        if home is None:
            return
        in_view = row.scope != "app" or row.action.startswith("act(")
        if in_view and home is not self._app.dashboard.view:
            self._app.dashboard.show(home.id or "")
        if row.scope == "app":
            await self._app.run_action(row.action)
        elif (widget := self._target(row, home)) is not None:
            widget.focus()
            await self._app.run_action(row.action, widget)

    def _target(self, row: Key, home: View) -> Widget | None:
        dashboard = self._app.dashboard
        if row.scope == "pane":
            return home.marked_pane()
        return dashboard.queue.board if row.scope == "queue" else dashboard.waterfall.bars

    def open_leader(self) -> None:
        """Show what one more key does."""
        self._app.dashboard.leader.open(list(self.after_leader()), f"{self.keymap.leader}, then …   Esc leaves")

    async def take_leader_key(self, key: str) -> bool:
        """Take the key that came after the leader key; False leaves it to whatever it is for otherwise."""
        menu = self._app.dashboard.leader
        if key == "escape" or key in self.keymap["app.leader"].names:
            menu.close()
            return True
        if (row := menu.find(key)) is not None:
            menu.close()
            await self.perform(row)
            return True
        if any(key in row.names for row in self.keymap.rows if row.scope == "app"):
            menu.close()
            return False
        menu.say(f"{shown_key(key)} does nothing here.   {self.keymap.leader}, then …   Esc leaves")
        return True
