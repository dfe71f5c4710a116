"""Cases of the keys that belong to the widget that has the focus: a pane, its search line, the prompt, the bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.browse import Listing
from tests.tui.key_desk import CASES, Desk, at_the_end, at_the_start, case, in_the_pane
from tests.tui.still import HITS
from tui.screens.endpoint import EndpointScreen, LimitScreen
from tui.screens.links import LinksScreen
from tui.screens.passage import PassageScreen
from tui.screens.step import StepScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tui.key_desk import Effect


@case("text.up", "text.page_up", "text.start")
async def up_the_text(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return await at_the_end(desk)


@case("text.down", "text.page_down")
async def down_the_text(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return await at_the_start(desk)


@case("text.end")
async def end_of_text(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return lambda: desk.pane.follows


@case("text.next", "text.previous")
async def last_search(desk: Desk) -> Effect:
    await in_the_pane(desk)
    desk.pane._words = "voice"
    return lambda: desk.pane.searches and " of " in desk.at.lines(desk.pane)[-1]


@case("text.select")
async def selecting(desk: Desk) -> Effect:
    await in_the_pane(desk)
    return lambda: desk.pane.selected != ""


@case("text.next_citation", "text.previous_citation")
async def citing(desk: Desk) -> Effect:
    await in_the_pane(desk)
    desk.pane._view.painter.marked = None
    return lambda: desk.pane._view.marked is not None


@case("text.open")
async def opening_a_link(desk: Desk) -> Effect:
    await in_the_pane(desk)
    desk.pane.action_mark_citation(1)
    return desk.opens(LinksScreen)


@case("text.close")
async def closing(desk: Desk) -> Effect:
    await in_the_pane(desk)
    desk.pane.action_select()
    return lambda: desk.pane.selected == ""


async def among_the_bars(desk: Desk, *, first: bool) -> Effect:
    desk.dashboard.show("waterfall")
    await desk.at.until(lambda: desk.bars.has_focus and len(desk.bars.timeline) > 3)
    for _ in range(2):  # a frame is drawn in parts
        desk.app._half_frame()
    if first:
        desk.bars.action_first()
    else:
        desk.bars.action_last()
    await desk.at.settle()
    before = desk.bars.marked
    return lambda: desk.bars.marked is not before


@case("fall.up", "fall.page_up", "fall.first")
async def up_the_bars(desk: Desk) -> Effect:
    return await among_the_bars(desk, first=False)


@case("fall.down", "fall.page_down", "fall.last")
async def down_the_bars(desk: Desk) -> Effect:
    return await among_the_bars(desk, first=True)


def windowed(row: str, changed: Callable[[tuple[float, float], tuple[float, float]], bool]) -> None:
    async def found(desk: Desk) -> Effect:
        await among_the_bars(desk, first=True)
        desk.bars.action_fit()
        for _ in range(2):
            desk.app._half_frame()
        window = desk.bars.window
        before = (window.left, window.span)
        return lambda: changed(before, (window.left, window.span))

    CASES[row] = found


for name, changed in {
    "fall.earlier": lambda before, now: now[0] < before[0],
    "fall.later": lambda before, now: now[0] > before[0],
    "fall.zoom_in": lambda before, now: now[1] < before[1],
    "fall.zoom_out": lambda before, now: now[1] > before[1],
}.items():
    windowed(name, changed)


@case("fall.fit", "fall.follow")
async def window_modes(desk: Desk) -> Effect:
    await among_the_bars(desk, first=True)
    desk.bars.action_zoom(1)
    assert desk.bars.window.mode == "free"
    return lambda: desk.bars.window.mode != "free"


@case("fall.open")
async def detail(desk: Desk) -> Effect:
    await among_the_bars(desk, first=True)
    return desk.opens(StepScreen)


@case("fall.leave")
async def leaving_the_bars(desk: Desk) -> Effect:
    await among_the_bars(desk, first=True)
    return lambda: desk.dashboard.prompt.has_focus


async def at_the_board(desk: Desk) -> None:
    """Give the board the focus, the first endpoint marked, its cap 8 and fixed."""
    desk.dashboard.show("queue")
    desk.at.app.workspace.models.set_cap("lab", 8)
    board = desk.dashboard.queue.board
    board.changed()
    for _ in range(2):  # a frame is drawn in parts
        desk.app._half_frame()
    board.action_edge(-1)
    await desk.at.until(lambda: board.has_focus and board.marked == "lab")


@case("load.down", "load.last")
async def down_the_board(desk: Desk) -> Effect:
    await at_the_board(desk)
    return lambda: desk.dashboard.queue.board.marked not in {"", "lab"}


@case("load.up", "load.first")
async def up_the_board(desk: Desk) -> Effect:
    await at_the_board(desk)
    desk.dashboard.queue.board.action_move(1)
    return lambda: desk.dashboard.queue.board.marked == "lab"


@case("load.page_up", "load.page_down")
async def paging_the_board(desk: Desk) -> Effect:
    await desk.at.resize(100, 10)
    await at_the_board(desk)
    await desk.at.until(lambda: 0 < desk.dashboard.queue.board.size.height < len(desk.dashboard.queue.board._lines))
    board = desk.dashboard.queue.board
    board._scroll(1)
    before = board._top
    return lambda: board._top != before


def capped(row: str, cap: int) -> None:
    async def found(desk: Desk) -> Effect:
        await at_the_board(desk)
        return lambda: desk.app.workspace.models.directory.gates["lab"].door.cap == cap

    CASES[row] = found


for name, cap in {"load.more": 9, "load.fewer": 7, "load.more_ten": 18, "load.fewer_ten": 1}.items():
    capped(name, cap)


@case("load.adaptive")
async def finding_the_cap(desk: Desk) -> Effect:
    await at_the_board(desk)
    return lambda: desk.app.workspace.models.directory.gates["lab"].door.adaptive


@case("load.requests", "load.tokens")
async def limiting(desk: Desk) -> Effect:
    await at_the_board(desk)
    return desk.opens(LimitScreen)


@case("load.open")
async def endpoint(desk: Desk) -> Effect:
    await at_the_board(desk)
    return desk.opens(EndpointScreen)


@case("load.clear")
async def emptying(desk: Desk) -> Effect:
    await at_the_board(desk)
    desk.dashboard.queue._asked = float("-inf")
    return lambda: "Once more empties" in desk.at.screen()


@case("load.ahead")
async def looking_ahead(desk: Desk) -> Effect:
    await at_the_board(desk)
    before = desk.app.workspace.speculation.on
    return lambda: desk.app.workspace.speculation.on != before


@case("load.leave")
async def leaving_the_board(desk: Desk) -> Effect:
    await at_the_board(desk)
    return lambda: desk.dashboard.prompt.has_focus


async def in_the_search(desk: Desk) -> None:
    await in_the_pane(desk)
    await desk.press("slash")
    await desk.at.until(lambda: desk.app.focused is not None and desk.app.focused.id == "search-words")
    await desk.press(*"voice")
    await desk.at.until(lambda: desk.pane.matches > 3 and " of " in desk.at.lines(desk.pane)[-1])


@case("search.next", "search.previous")
async def matches(desk: Desk) -> Effect:
    await in_the_search(desk)
    before = desk.pane._view.current
    return lambda: desk.pane._view.current != before


@case("search.close")
async def search_closed(desk: Desk) -> Effect:
    await in_the_search(desk)
    return lambda: not desk.pane.searches and desk.pane.has_focus


@case("prompt.newline")
async def newline(desk: Desk) -> Effect:
    desk.dashboard.prompt.value = "one"
    return lambda: desk.dashboard.prompt.value == "one\n"


@case("prompt.earlier")
async def earlier(desk: Desk) -> Effect:
    return lambda: desk.dashboard.prompt.value != ""


@case("prompt.later")
async def later(desk: Desk) -> Effect:
    desk.dashboard.prompt.value = "a draft"
    await desk.press("up")
    assert desk.dashboard.prompt.value != "a draft"
    return lambda: desk.dashboard.prompt.value == "a draft"


@case("prompt.clear")
async def clear(desk: Desk) -> Effect:
    desk.dashboard.prompt.value = "a draft"
    return lambda: desk.dashboard.prompt.value == ""


@case("prompt.word_left", "prompt.word_right", "prompt.drop_word")
async def words(desk: Desk) -> Effect:
    prompt = desk.dashboard.prompt
    prompt.value = "one two three"
    prompt.move_cursor((0, 7))
    return lambda: (prompt.value, prompt.cursor_location) != ("one two three", (0, 7))


async def files_are_offered(desk: Desk) -> None:
    files = desk.dashboard.bar.files
    files._listing, files._listed = Listing(("maqam.md", "march.md"), whole=True), float("inf")
    await desk.press("at", "m", "a")
    await desk.at.until(lambda: bool(files.display))


@case("files.next", "files.previous")
async def marking_files(desk: Desk) -> Effect:
    await files_are_offered(desk)
    return lambda: desk.dashboard.bar.files._marked == 1


@case("files.choose", "files.complete")
async def choosing_files(desk: Desk) -> Effect:
    await files_are_offered(desk)
    return lambda: desk.dashboard.prompt.value in {"@maqam.md ", "@march.md "}


def citing_in_ask(digit: int) -> None:
    async def found(desk: Desk) -> Effect:
        ask = desk.dashboard.ask
        ask._passages = HITS * 3
        desk.dashboard.show("ask")
        ask.answer.pane.focus()
        await desk.at.until(lambda: ask.answer.pane.has_focus)
        return lambda: isinstance(desk.app.screen, PassageScreen) and f"[{digit}]" in desk.at.screen()

    CASES[f"ask.cite.{digit}"] = found


for number in range(1, 10):
    citing_in_ask(number)
