"""What Compare does with its panes as such: adding, taking away, marking, moving, sizing, zooming and turning pages."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, cast

from tui.compare.grid import MOST_PANES, PaneGrid
from tui.compare.lanes import shared
from tui.safe import safe_line
from tui.views.view import View
from tui.widgets.compare_pane import ComparePane
from tui.widgets.told import PassingLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from agents.requests import ModelRef
    from agents.workspace import Workspace
    from tui.app import StrettoApp
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane

_EMPTY = "Looking for models: what is configured, servers on this machine, services by their keys, else the embedded one."


class PanesView(View):
    """A view that is a grid of panes."""

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self.grid = PaneGrid(_EMPTY)
        self.known: tuple[ModelRef, ...] = ()
        """Models a pane can be added with."""
        self._line = PassingLine(id="out-of-sight")
        self._keys = itertools.count(1)

    def compose(self) -> ComposeResult:
        """Lay out the grid over the line that tells of panes out of sight."""
        yield self.grid
        yield self._line

    @property
    def answers(self) -> list[ComparePane]:
        """The panes, in the order they are shown."""
        return self.grid.panes

    @property
    def models(self) -> list[ModelRef]:
        """The model of each pane."""
        return [pane.model for pane in self.answers]

    @property
    def marked(self) -> ComparePane | None:
        """The pane that keys act on."""
        text = self.marked_pane()
        return next((pane for pane in self.answers if pane.pane is text), None)

    def panes(self) -> list[StreamPane]:
        """Return the panes' text widgets."""
        return [pane.pane for pane in self.answers]

    def whom(self, prompt: Prompt) -> str:
        """Return which panes ``prompt`` goes to: the number and model of one, the numbers of several."""
        if not prompt.panes:
            return ""
        found = {number: pane for number, pane in enumerate(self.answers, 1) if pane.key in prompt.panes}
        if len(found) in {0, len(self.answers)}:
            return ""
        if len(found) > 1:
            return ", ".join(map(str, found))
        ((number, pane),) = found.items()
        return f"{number} {safe_line(pane.model.model, 24)}"

    def removed(self, pane: ComparePane) -> None:
        """Take note that a pane is being taken away."""
        raise NotImplementedError

    def marked_another(self) -> None:
        """Take note that another pane is marked."""
        raise NotImplementedError

    # Panes come and go

    def add(self, model: ModelRef) -> bool:
        """Add a pane; False when there are as many as there may be."""
        if len(self.answers) >= MOST_PANES:
            return False
        pane = ComparePane(model, next(self._keys), self.workspace.settings.defaults.system)
        self.grid.add(pane)
        if len(self.answers) == 1:
            self._mark(pane.pane)
        self.tell_apart()
        self._arrange()
        return True

    def add_pane(self, model: ModelRef) -> None:
        """Add a pane with ``model``, or say that there are as many as there may be."""
        if not self.add(model):
            self.notify(f"There are {MOST_PANES} panes already.", timeout=3, markup=False)

    def act_add(self) -> None:
        """Add a pane with the known model that has fewest."""
        if self.known:
            self.add_pane(min(self.known, key=self.models.count))

    def act_remove(self) -> None:
        """Take the marked pane away."""
        if not self.remove_marked():
            self.notify("The last pane stays." if self.answers else "There are no panes yet.", timeout=2, markup=False)

    def remove_marked(self) -> bool:
        """Take the marked pane away, stopping what it runs; False when it is the last one, which stays."""
        marked = self.marked
        if marked is None or len(self.answers) == 1:
            return False
        at, focused = self.answers.index(marked), marked.pane.has_focus
        self.removed(marked)
        self.grid.take(marked)
        follower = self.answers[min(at, len(self.answers) - 1)].pane
        self._mark(follower)
        self.tell_apart()
        if focused:
            follower.focus()
        return True

    def tell_apart(self) -> None:
        """Have each title begin with its pane's number and with what that does not share with all others."""
        common = shared(self.models)
        for number, pane in enumerate(self.answers, 1):
            pane.tell_apart(common, number if len(self.answers) > 1 else None)

    # Where they stand

    def act_move(self, by: int) -> None:
        """Have the marked pane change places with its neighbour."""
        marked = self.marked
        if marked is not None and self.grid.move(marked, by):
            self.tell_apart()
            self._arrange()

    def act_widen(self, by: int) -> None:
        """Change the width of the marked pane's column."""
        self._resize(self.grid.widen, by, "column", self.grid.standing.columns)

    def act_heighten(self, by: int) -> None:
        """Change the height of the marked pane's row."""
        self._resize(self.grid.heighten, by, "row", self.grid.standing.rows)

    def _resize(self, change: Callable[[ComparePane, int], bool], by: int, of: str, count: int) -> None:
        marked = self.marked
        if marked is None:
            return
        if change(marked, by):
            self._arrange()
        else:
            told = f"There is no room to share between {of}s." if count > 1 else f"There is only one {of}: it has all the room."
            self.notify(told, timeout=2, markup=False)

    def act_zoom(self) -> None:
        """Show the marked pane alone, or all again; the others go on and cost nothing to draw."""
        self.grid.zoom()
        self._arrange()

    def act_turn(self, by: int) -> None:
        """Show the panes that have no room now, and mark the first of them."""
        marked = self.marked
        if marked is None:
            return
        if self.grid.zoomed:
            self.mark_pane(by)
        elif self.grid.pages > 1:
            self._mark(self.grid.first_of(self.grid.page_of(marked) + by).pane)

    def _mark(self, target: Widget) -> None:
        """Mark a pane, and turn to the page it is on; a focus that is in another pane comes along."""
        super()._mark(target)
        for pane in self.answers:  # by itself: the first is marked before its text stands in it
            pane.set_class(pane.pane is target, "-marked")
        self.marked_another()
        self._arrange()
        focused = self.screen.focused
        if focused is not target and focused in self.panes():
            target.focus()

    def on_click(self, event: events.Click) -> None:
        """Mark the pane that was clicked, its header too."""
        for node in () if event.widget is None else event.widget.ancestors_with_self:
            if isinstance(node, ComparePane) and node in self.answers:
                self._mark(node.pane)

    def on_resize(self) -> None:
        """Show as many panes as can be read in the room there is."""
        # Neither what the event says, which may be older, nor the screen.size, which may be newer than what is laid out.
        self.grid.measure(self.size, self.screen.outer_size)
        self._arrange()

    def _arrange(self) -> None:
        self.grid.lay_out(self.marked)
        self._line.say(self.grid.line(self._key))

    def _key(self, name: str) -> str:
        """Return what to press for a row of the registry, with the keys that are in force."""
        keymap = cast("StrettoApp", self.app).actions.keymap
        row = keymap[name]
        return next(iter(row.shown_keys), "") or keymap.after_leader(row) or row.label
