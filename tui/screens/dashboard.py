"""The dashboard: tabs, one view at a time, the prompt, the status line and the keys."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Final

from textual.content import Content
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input

from tui.keys import character_of
from tui.views.compare import CompareView
from tui.widgets.key_line import KeyLine
from tui.widgets.leader_menu import LeaderMenu
from tui.widgets.prompt_bar import PromptBar
from tui.widgets.status_line import StatusLine
from tui.widgets.view_tabs import ViewTabs

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.keymap import Keymap
    from tui.prompts import Prompt
    from tui.views.agents import AgentsView
    from tui.views.ask import AskView
    from tui.views.queue import QueueView
    from tui.views.view import View
    from tui.views.waterfall import WaterfallView


_TITLES: Final = ("Compare", "Ask", "Agents", "Waterfall", "Queue")
"""Of all views, in the order of their tabs; a view's id is its title in small letters."""


class Dashboard(Screen[None]):
    """Holds the views and the one prompt they share."""

    AUTO_FOCUS = "PromptArea"
    BLANK = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  # an instance variable in Textual, so no ClassVar
        (0, "-narrow"),
        (120, "-wide"),
    ]

    def __init__(self, workspace: Workspace, feed: Feed, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap
        self._workspace, self._feed = workspace, feed
        self.compare = CompareView(workspace, feed)
        self.is_complete = False
        """Whether all views are laid out."""
        self.view: View = self.compare
        """The view on screen."""
        self.status = StatusLine(workspace, lambda: len(self.view.queue))
        self.bar = PromptBar(self.compare.placeholder, self._whom, self._typed)
        self.prompt = self.bar.prompt
        self.leader = LeaderMenu()
        self._queue_key = keymap.after_leader(keymap["prompt.queue"])
        pick = keymap["next.first"]
        self._pick_key = next(iter(pick.shown_keys), "") or keymap.after_leader(pick)
        self._tabs = ViewTabs()
        self._keys = KeyLine()

    # The first frame shows Compare alone: the others are imported and made after it.

    @cached_property
    def ask(self) -> AskView:
        """Questions to documents."""
        from tui.views.ask import AskView

        return AskView(self._workspace, self._feed)

    @cached_property
    def agents(self) -> AgentsView:
        """Agents at work."""
        from tui.views.agents import AgentsView

        return AgentsView(self._workspace, self._feed)

    @cached_property
    def waterfall(self) -> WaterfallView:
        """Every step as a bar over time."""
        from tui.views.waterfall import WaterfallView

        return WaterfallView(self._workspace, self._feed, self.compare.submit)

    @cached_property
    def queue(self) -> QueueView:
        """What waits where, and why."""
        from tui.views.queue import QueueView

        return QueueView(self._workspace, self._feed, self.compare.submit, self.compare.act_foresight)

    @staticmethod
    def has(name: str) -> bool:
        """Return whether there is a view with that id."""
        return name.capitalize() in _TITLES

    @property
    def views(self) -> tuple[View, ...]:
        """All views, in the order of their tabs."""
        return self.compare, self.ask, self.agents, self.waterfall, self.queue

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom."""
        yield self._tabs
        with ContentSwitcher(initial="compare"):
            yield self.compare
        yield self.bar
        yield self.bar.files
        yield self.status
        yield self._keys
        yield self.leader

    def on_mount(self) -> None:
        """Draw the tabs, and show the keys of what has the focus."""
        self._draw_tabs()
        self.bindings_updated_signal.subscribe(self, self._show_keys)

    async def complete(self) -> None:
        """Make and lay out the views that are not on screen: the first frame comes sooner without them."""
        await asyncio.to_thread(_import_views)
        switcher = self.query_one(ContentSwitcher)
        others = [view for view in self.views if not view.is_attached]
        for view in others:  # one after the other: all at once would hold the loop for longer than a frame
            view.display = False
            await switcher.mount(view)
        self.is_complete = True
        if self.view in others:  # asked for meanwhile
            self.show(self.view.id or "")

    def show(self, name: str) -> None:
        """Bring a view to the screen; the others go on working."""
        self.view = next(view for view in self.views if view.id == name)
        if self.view.is_attached:  # or else it comes as soon as it is laid out
            self.query_one(ContentSwitcher).current = name
        self._hint()
        self.bar.picks = self.view.takes_files
        self.prompt.focus()
        self._draw_tabs()
        self.view.entered()

    def _whom(self, prompt: Prompt) -> str:
        return self.view.whom(prompt)

    def _typed(self, text: str) -> None:
        self.view.typed(text)

    def flush(self, now: float) -> None:
        """Draw what changed since the last frame."""
        self.view.flush(now)
        self.bar.waiting.show(self.view.queue, self._queue_key, self.view.whom)
        self.bar.likely.show(self.view.likely(), self._pick_key, blank=bool(self.prompt.text))

    def _hint(self) -> None:
        mark, placeholder = self.view.hint()
        self.bar.mark.tell(Content(mark))
        self.prompt.placeholder = placeholder

    def on_view_hinted(self, event: View.Hinted) -> None:
        """Show what the view says of the prompt, and take back what it gives back."""
        event.stop()
        if event.view is self.view:
            self._hint()
            if event.back is not None:
                self.prompt.bring_back(event.back)

    def _draw_tabs(self) -> None:
        keys = {row.action: row.shown_keys for row in self._keymap.rows}
        names = [(title.lower(), title) for title in _TITLES]
        tabs = [(name, title, next(iter(keys.get(f"view('{name}')", ())), "")) for name, title in names]
        self._tabs.show(tabs, self.view.id or "")

    def _show_keys(self, _: Screen[None]) -> None:
        """Show the keys of what has the focus, then those that work anywhere."""
        typing = isinstance(self.focused, Input)
        active = {found.binding.id for key, found in self.active_bindings.items() if not (typing and character_of(key))}
        rows = [row for row in self._keymap.rows if row.shown and row.keys and row.id in active]
        if not self.is_current:  # keys of what has the focus here do nothing while another screen stands over it
            rows = [row for row in rows if row.scope == "app"]
        self._keys.show(sorted(rows, key=lambda row: row.scope == "app"))

    def _moves_by_keys(self) -> bool:
        """Whether single keys do something where the focus is, so that none of them is typed."""
        return any(found.node is self.focused and character_of(key) for key, found in self.active_bindings.items())

    def on_key(self, event: events.Key) -> None:
        """Take what is typed to the prompt, but from where single keys move."""
        if self.prompt.has_focus or event.key in self.active_bindings:
            return
        if event.is_printable and event.character is not None and not self._moves_by_keys():
            event.stop()
            self.prompt.focus()
            self.prompt.type(event.character)

    def on_waterfall_left(self) -> None:
        """Go back to the prompt."""
        self.prompt.focus()

    def on_queue_board_left(self) -> None:
        """Go back to the prompt."""
        self.prompt.focus()


def _import_views() -> None:
    import tui.views.agents
    import tui.views.ask
    import tui.views.queue
    import tui.views.waterfall  # noqa: F401
