"""Cases of the keys that work wherever the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.command import CommandPalette

from tests.tui.key_desk import CASES, Desk, at_the_end, at_the_start, case, in_the_pane
from tests.tui.still import offered, over
from tui.rounds.differences import DifferencesScreen
from tui.rounds.judging import JudgeScreen
from tui.rounds.merging import MergeScreen
from tui.rounds.racing import RaceScreen
from tui.rounds.standing import RatingsScreen
from tui.rounds.sweeping import SweepScreen
from tui.rounds.voting import VoteScreen
from tui.screens.code import CodeScreen
from tui.screens.help import HelpScreen
from tui.screens.links import LinksScreen
from tui.screens.pane_settings import PaneSettings
from tui.screens.queue import QueueScreen
from tui.screens.template import TemplateList

if TYPE_CHECKING:
    from textual.screen import Screen

    from tests.tui.key_desk import Effect


def opening(row: str, kind: type[Screen[Any]]) -> None:
    async def found(desk: Desk) -> Effect:
        return desk.opens(kind)

    CASES[row] = found


SCREENS: dict[str, type[Screen[Any]]] = {
    "app.help": HelpScreen,
    "app.palette": CommandPalette,
    "prompt.template": TemplateList,
    "pane.copy_code": CodeScreen,
    "pane.links": LinksScreen,
    "pane.settings": PaneSettings,
    "compare.diff": DifferencesScreen,
    "compare.vote": VoteScreen,
    "compare.ratings": RatingsScreen,
    "compare.judge": JudgeScreen,
    "compare.merge": MergeScreen,
    "compare.race": RaceScreen,
    "compare.sweep": SweepScreen,
}
for name, kind in SCREENS.items():
    opening(name, kind)


def going(view: str) -> None:
    async def found(desk: Desk) -> Effect:
        desk.dashboard.show("ask" if view == "compare" else "compare")
        return lambda: desk.dashboard.view.id == view

    CASES[f"view.{view}"] = found


for name in ("compare", "ask", "agents", "waterfall", "queue"):
    going(name)


@case("app.leader")
async def leader(desk: Desk) -> Effect:
    return lambda: desk.dashboard.leader.is_open


@case("app.theme")
async def theme(desk: Desk) -> Effect:
    before = desk.app.theme
    return lambda: desk.app.theme != before


@case("app.quit", "app.leave")
async def leaving(desk: Desk) -> Effect:
    before = desk.quits
    return lambda: desk.quits == before + 1


@case("run.stop", "run.stop_all")
async def stopping(desk: Desk) -> Effect:
    await desk.at.send("Sing slowly")
    await desk.at.until(lambda: all(pane.state.state == "streaming" for pane in desk.panes))
    return lambda: desk.panes[0].state.state == "cancelled"


@case("prompt.focus", "text.leave")
async def to_the_prompt(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return lambda: desk.dashboard.prompt.has_focus


@case("prompt.editor")
async def editor(desk: Desk) -> Effect:
    return lambda: "an editor needs a terminal" in " ".join(desk.at.screen().split())


@case("prompt.attach")
async def attach(desk: Desk) -> Effect:
    return lambda: desk.dashboard.prompt.value == "@"


@case("prompt.queue")
async def queue(desk: Desk) -> Effect:
    await desk.at.send("Sing slowly")
    await desk.at.send("And then?")
    return desk.opens(QueueScreen)


@case("pane.next")
async def next_pane(desk: Desk) -> Effect:
    return lambda: desk.compare.marked is desk.panes[1]


@case("pane.previous")
async def previous_pane(desk: Desk) -> Effect:
    return lambda: desk.compare.marked is desk.panes[2]


@case("pane.focus")
async def focus(desk: Desk) -> Effect:
    return lambda: desk.pane.has_focus


CASES["pane.up"], CASES["pane.down"] = at_the_end, at_the_start


@case("pane.search", "text.search")
async def searching(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return lambda: desk.pane.searches


@case("pane.copy", "text.copy")
async def copying(desk: Desk) -> Effect:
    await in_the_pane(desk)
    desk.app._clipboard = ""
    return lambda: desk.app.clipboard == desk.pane.answer


@case("pane.copy_all")
async def copying_all(desk: Desk) -> Effect:
    desk.app._clipboard = ""
    return lambda: desk.app.clipboard == desk.pane.text


@case("pane.add")
async def add(desk: Desk) -> Effect:
    return lambda: len(desk.panes) == 4


@case("pane.remove")
async def remove(desk: Desk) -> Effect:
    return lambda: len(desk.panes) == 2


@case("pane.zoom")
async def zoom(desk: Desk) -> Effect:
    return lambda: desk.compare.grid.zoomed


@case("pane.back")
async def back(desk: Desk) -> Effect:
    first, second, third = desk.panes
    desk.compare._mark(second.pane)
    return lambda: desk.panes == [second, first, third]


@case("pane.forth")
async def forth(desk: Desk) -> Effect:
    first, second, third = desk.panes
    return lambda: desk.panes == [second, first, third]


def sized(row: str, side: str, more: bool) -> None:
    async def found(desk: Desk) -> Effect:
        before = getattr(desk.panes[0].region, side)

        def changed() -> bool:
            now = getattr(desk.panes[0].region, side)
            return bool(now > before if more else now < before)

        return changed

    CASES[row] = found


for name, side, more in (
    ("pane.wider", "width", True),
    ("pane.narrower", "width", False),
    ("pane.taller", "height", True),
    ("pane.lower", "height", False),
):
    sized(name, side, more)


def limit(desk: Desk) -> int:
    return desk.panes[0].model.params.max_tokens or desk.app.workspace.settings.defaults.max_tokens


@case("pane.limit_up")
async def longer(desk: Desk) -> Effect:
    before = limit(desk)
    return lambda: limit(desk) > before


@case("pane.limit_down")
async def shorter(desk: Desk) -> Effect:
    before = limit(desk)
    return lambda: limit(desk) < before


@case("pane.page_next", "pane.page_previous")
async def turning(desk: Desk) -> Effect:
    desk.compare.act_zoom()
    before = desk.compare.marked
    return lambda: desk.compare.marked is not before


@case("chat.target")
async def target(desk: Desk) -> Effect:
    return lambda: desk.compare.targets == [desk.panes[0]]


@case("chat.new")
async def new(desk: Desk) -> Effect:
    return lambda: not any(pane.turns for pane in desk.panes)


@case("chat.edit")
async def edit(desk: Desk) -> Effect:
    return lambda: desk.dashboard.prompt.value == "The second"


@case("chat.regenerate")
async def again(desk: Desk) -> Effect:
    turns = desk.panes[0].turns
    before = turns[1].step
    return lambda: len(turns) == 2 and turns[1].step not in {before, None}


def picking(row: str, number: int) -> None:
    async def found(desk: Desk) -> Effect:
        offered(desk.at, "Why is that?", "Who said so?", "And then?")
        await desk.at.until(lambda: desk.dashboard.bar.likely.display)
        wanted = ("Why is that?", "Who said so?", "And then?")[number - 1]
        return lambda: desk.panes[0].turns[-1].prompt.text == wanted

    CASES[row] = found


for number, name in enumerate(("next.first", "next.second", "next.third"), 1):
    picking(name, number)


@case("next.switch")
async def foresight(desk: Desk) -> Effect:
    before = desk.app.workspace.speculation.on
    return lambda: desk.app.workspace.speculation.on != before


async def in_the_log(desk: Desk) -> Effect:
    agents = desk.dashboard.agents
    desk.dashboard.show("agents")
    if not agents.finished:
        await desk.at.send("What is a stretto? @/music/fugue.md @/music/gone.md")
        await over(desk.at)
        await desk.at.until(lambda: agents.text.state.state == "saved")
    for _ in range(3):
        agents.act_select(-1)
    await desk.at.settle()
    before = agents.log_rows.marked
    return lambda: agents.log_rows.marked != before


CASES["log.up"] = CASES["log.down"] = in_the_log
