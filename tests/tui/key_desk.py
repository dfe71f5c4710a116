"""Where the cases of keys begin: the app with three panes that answered, and the way back to there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events

from tests.tui.still import answered, over
from tui.keys import character_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.screen import Screen

    from tests.tui.stage import Stage
    from tui.widgets.compare_pane import ComparePane
    from tui.widgets.stream_pane import StreamPane

    Effect = Callable[[], bool]
    Case = Callable[["Desk"], Awaitable[Effect]]

CASES: dict[str, Case] = {}
"""Each brings the app to where a row's key belongs and returns what holds once the key is pressed, and not before."""


class Desk:
    """The app, and the way back to where every case begins."""

    def __init__(self, at: Stage) -> None:
        self.at, self.app, self.dashboard = at, at.app, at.app.dashboard
        self.compare, self.bars = self.dashboard.compare, self.dashboard.waterfall.bars
        self.quits = 0

    @property
    def panes(self) -> list[ComparePane]:
        return self.compare.answers

    @property
    def pane(self) -> StreamPane:
        return self.panes[0].pane

    def quit(self) -> None:
        self.quits += 1

    async def press(self, *names: str) -> None:
        for name in names:
            self.app.post_message(events.Key(name, character_of(name)))
            await self.at.settle()

    async def afresh(self) -> None:
        """Go to Compare with three panes that answered twice, the first of which is marked, and an empty prompt."""
        while self.app.screen is not self.dashboard:
            await self.at.press("escape")
        self.app.clear_notifications()
        self.dashboard.leader.close()
        compare = self.compare
        compare._edited.clear()
        compare._race, compare._alone = None, False
        compare.stop_all()
        await over(self.at)
        self.dashboard.show("compare")
        self.dashboard.prompt.value = ""
        if compare.grid.zoomed:
            compare.act_zoom()
        while len(self.panes) > 3:
            compare.remove_marked()
        while len(self.panes) < 3:
            compare.act_add()
        await self.at.until(lambda: len(compare.query("ComparePane")) == 3 and all(pane.is_attached for pane in self.panes))
        for pane in self.panes:
            pane.pane.close()
        compare._mark(self.pane)
        await self.at.settle()
        if any(len(pane.turns) != 2 or pane.state.state != "saved" for pane in self.panes):
            compare.new_conversation()
            for text in ("The first", "The second"):
                await answered(self.at, text)
        self.dashboard.prompt.focus()
        await self.at.until(lambda: all(not pane.pane.flush() for pane in self.panes))
        await self.at.settle()

    def opens(self, kind: type[Screen[Any]]) -> Effect:
        """Return whether such a screen stands over the dashboard."""
        return lambda: isinstance(self.app.screen, kind)


def case(*ids: str) -> Callable[[Case], Case]:
    def keep(found: Case) -> Case:
        CASES.update(dict.fromkeys(ids, found))
        return found

    return keep


async def in_the_pane(desk: Desk) -> None:
    """Give the pane the focus, at the start of its text."""
    desk.pane.focus()
    desk.pane.scroll_to_start()
    await desk.at.until(lambda: desk.pane.has_focus)


async def at_the_end(desk: Desk) -> Effect:
    """Go to the end of the text; return whether something else is in view."""
    desk.pane.action_end()
    await desk.at.settle()
    assert desk.pane.follows
    return lambda: not desk.pane.follows


async def at_the_start(desk: Desk) -> Effect:
    desk.pane.scroll_to_start()
    await desk.at.settle()
    before = desk.at.text_of(desk.pane)
    return lambda: desk.at.text_of(desk.pane) != before
