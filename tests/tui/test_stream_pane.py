"""The pane that streams: only what changed is drawn, the end is followed only from the end, and nothing is lost."""

from __future__ import annotations

import gc
import random
from typing import TYPE_CHECKING

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.containers import Horizontal, Vertical
from textual.geometry import Region

from tui.safe import SafeFilter, safe_text
from tui.widgets.pane_clock import FrameClock
from tui.widgets.pane_header import PaneHeader, PaneState
from tui.widgets.pane_rows import RowStrip
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.filter import LineFilter
    from textual.screen import Screen


class Stage(App[None]):
    """Two panes side by side, and a terminal that sees only what is sent to it."""

    CSS = "Horizontal { height: 1fr; } Vertical { width: 1fr; }"

    def __init__(self, size: tuple[int, int] = (50, 12), **pane: str) -> None:
        super().__init__()
        self.pane, self.other = StreamPane(**pane), StreamPane()
        self.header = PaneHeader()
        self.terminal = pyte.Screen(*size)
        self.wire = pyte.Stream(self.terminal)
        self.regions: list[Region] = []
        self.opened: list[int] = []

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [SafeFilter(), *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical():
                yield self.header
                yield self.pane
            yield self.other

    def on_stream_pane_citation(self, event: StreamPane.Citation) -> None:
        self.opened.append(event.number)

    def _display(self, screen: Screen[object], renderable: object) -> None:
        if renderable is not None:
            sent = renderable.render_segments(self.console)  # type: ignore[attr-defined]
            self.wire.feed(sent.replace("\n", "\r\n"))
        super()._display(screen, renderable)  # type: ignore[arg-type]

    def shown(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]

    def on_terminal(self) -> list[str]:
        return [line.rstrip() for line in self.terminal.display]

    def rows(self) -> list[str]:
        """Return the text of the first pane's rows, less margin and scrollbar."""
        return [strip.text[1:-1].rstrip() for strip in self.pane._shown]


async def test_the_terminal_shows_the_same_after_partial_updates_as_after_a_full_one() -> None:
    chance = random.Random(7)
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        await pilot.pause()
        for turn in range(60):
            for pane in (app.pane, app.other):
                match chance.randrange(8):
                    case 0:
                        pane.scroll_rows(chance.choice((-5, -1, 2, 40)))
                    case 1 if turn % 9 == 0:
                        pane.clear()
                    case _:
                        pane.append(
                            "".join(chance.choice(("word ", "漢字", "\n", "# x\n", "é ", "```\n", "longer ")) for _ in range(9))
                        )
                pane.flush()
            await pilot.pause()
            assert app.on_terminal() == app.shown()
            assert app.shown() == [line.rstrip() for line in app.shown()]


async def test_the_end_is_followed_only_from_the_end() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("".join(f"line {number}\n" for number in range(100)))
        pane.flush()
        assert app.rows()[-1] == "line 99"
        pane.focus()
        await pilot.press("up", "up", "up")
        assert (app.rows()[-1], pane.follows) == ("line 96", False)
        pane.append("line 100\n")
        pane.flush()
        assert app.rows()[-1] == "line 96"
        await pilot.press("pageup")
        assert app.rows()[-1] == "line 86"
        await pilot.press("home")
        assert app.rows()[0] == "line 0"
        await pilot.press("end")
        assert (app.rows()[-1], pane.follows) == ("line 100", True)
        await pilot.press("pageup", "pagedown")
        assert pane.follows
        pane.append("line 101\n")
        pane.flush()
        assert app.rows()[-1] == "line 101"


async def test_wheel_and_scrollbar_move_the_view() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("".join(f"line {number}\n" for number in range(110)))
        pane.flush()
        await pilot.pause()
        await pilot._post_mouse_events([_wheel_up()], pane, offset=(3, 3))
        assert app.rows()[-1] == "line 106"
        await pilot.mouse_down(pane, offset=(pane.size.width - 1, 0))
        await pilot.mouse_up(pane, offset=(pane.size.width - 1, 0))
        assert app.rows()[0] == "line 0"
        await pilot.mouse_down(pane, offset=(pane.size.width - 1, 0))
        await pilot.hover(pane, offset=(pane.size.width - 1, 10))
        await pilot.mouse_up(pane, offset=(pane.size.width - 1, 10))
        assert pane.follows


def _wheel_up() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


async def test_appending_draws_only_the_rows_that_changed() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("one\ntwo\nthr")
        pane.flush()
        await pilot.pause()
        before = list(pane._shown)
        pane.append("ee")
        pane.flush()
        assert [y for y, region in enumerate(pane._shown) if region is not before[y]] == [2]
        assert {(region.y, region.height) for region in pane._repaint_regions} == {(2, 1)}
        assert not pane.flush()


async def test_scrolling_hands_the_same_strips_over_again() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("".join(f"line {number}\n" for number in range(100)))
        pane.flush()
        await pilot.pause()
        before = list(pane._shown)
        pane.append("more\n")
        pane.flush()
        assert [id(strip) for strip in pane._shown[1:-2]] == [id(strip) for strip in before[2:-1]]


async def test_a_flush_stops_at_its_budget_and_nothing_is_lost() -> None:
    app = Stage()
    text = "漢字 and words " * 2_000
    async with app.run_test(size=(50, 12)):
        pane = app.pane
        pane.append(text)
        turns = 0
        while pane.flush(0.0):
            turns += 1
        assert turns == -(-len(text) // 1024)
        assert pane.text == text


async def test_hidden_panes_do_nothing_until_they_are_shown() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        app.other.display = False
        await pilot.pause()
        for number in range(1000):
            app.other.append(f"{number} ")
        assert not app.other.flush()
        assert not app.other._view.doc
        assert app.other.text.endswith("998 999 ")
        app.other.display = True
        await pilot.pause()
        while app.other.flush():
            pass
        assert app.other._shown[-1].text[1:-1].split()[-1] == "999"


async def test_a_new_size_keeps_the_place_and_all_text() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("".join(f"{number} " + "word " * 12 + "\n" for number in range(200)))
        pane.flush(1)
        pane.scroll_rows(-100)
        top = next(row for row in app.rows() if row[0].isdigit()).split()[0]
        await pilot.resize_terminal(90, 20)
        await pilot.pause()
        assert top in {row.split()[0] for row in app.rows()[:4]}
        pane.scroll_to_end()
        assert app.rows()[-1].endswith("word")
        await pilot.resize_terminal(8, 3)
        await pilot.resize_terminal(50, 12)
        await pilot.pause()
        assert pane.follows
        assert app.rows()[-1].endswith("word")


async def test_text_and_the_line_of_an_empty_pane_are_shown_and_safe() -> None:
    app = Stage(empty="Nothing yet\x1b[2J")
    async with app.run_test(size=(50, 12)) as pilot:
        await pilot.pause()
        assert app.rows()[0].startswith("Nothing yet␛")
        assert not app.pane.has_text
        app.pane.append("some text")
        app.pane.flush()
        await pilot.pause()
        assert app.rows()[0] == "some text"
        app.pane.clear()
        await pilot.pause()
        assert app.rows()[0].startswith("Nothing yet")


async def test_citations_open_by_click_and_by_key_but_not_in_code() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        pane.append("漢 [1] and [2], not [9]\n```\nx[1]\n```\n")
        pane.flush()
        await pilot.pause()
        await pilot.click(pane, offset=(5, 0))
        assert app.opened == []
        pane.citations = 2
        await pilot.pause()
        await pilot.click(pane, offset=(4, 0))
        await pilot.click(pane, offset=(2, 2))
        assert app.opened == [1]
        pane.focus()
        await pilot.press("right_square_bracket", "right_square_bracket", "enter")
        await pilot.press("right_square_bracket", "enter", "left_square_bracket", "enter")
        assert app.opened == [1, 2, 1, 2]


async def test_every_number_of_a_citation_opens_also_where_the_line_is_wrapped() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane = app.pane
        width = pane.size.width - 2
        pane.citations = 3
        # The second line is wrapped before its last number.
        pane.append(f"See [1, 3; 9]\n{'x' * (width - 7)} [2, 1, 3] and 2, 1\n")
        pane.flush()
        await pilot.pause()
        assert app.rows()[1].endswith("x [2, 1,")
        assert app.rows()[2] == "3] and 2, 1"
        for x, y in ((6, 0), (9, 0), (12, 0), (width - 4, 1), (width - 1, 1), (1, 2), (9, 2)):
            await pilot.click(pane, offset=(x, y))
        assert app.opened == [1, 3, 2, 1, 3]


async def test_a_pane_that_was_removed_can_be_drawn_once_more() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        pane, size = app.pane, app.pane.size
        pane.append("text")
        pane.flush()
        await pane.remove()
        pane.notify_style_update()
        assert [strip.text.strip() for strip in pane.render_lines(Region(0, 0, *size))] == ["text", *[""] * (size.height - 1)]
        pane.append("late")
        assert not pane.flush()
        await pilot.pause()


async def test_a_theme_changes_the_colours_of_rows_already_drawn() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        app.pane.append("text")
        app.pane.flush()
        await pilot.pause()
        before = app.pane._shown[0]
        app.theme = "textual-light"
        await pilot.pause()
        after = app.pane._shown[0]
        assert before.text == after.text
        assert [segment.style for segment in before] != [segment.style for segment in after]


async def test_a_pane_keeps_few_strips_and_little_memory_for_much_text() -> None:
    import tracemalloc

    app = Stage()
    async with app.run_test(size=(50, 12)):
        pane = app.pane
        piece = "The quick brown fox “jumps” over it, again and again.\n" * 150
        tracemalloc.start()
        size = 0
        while size < 1_500_000:
            pane.append(piece)
            pane.flush(1)
            size += len(piece.encode())
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used < 2 * size
        assert len(pane._view.painter._strips) < 300


async def test_rows_that_are_gone_leave_nothing_to_the_collector_of_cycles() -> None:
    app = Stage()
    async with app.run_test(size=(50, 12)) as pilot:
        gc.collect()
        gc.disable()
        try:
            for number in range(400):
                app.pane.append(f"line {number}\n")
                app.pane.flush(1)
                app.screen._compositor.render_strips()  # what drawing does with the strips
            await pilot.pause()
            rows = [found for found in gc.get_objects() if type(found) is RowStrip]
            assert len(app.pane._shown) <= len(rows) <= len(app.pane._view.painter._strips) + 12
        finally:
            gc.enable()


@given(st.lists(st.text("ab漢\n\t\x1b\u202e\u200b"), max_size=6))
def test_the_text_of_a_pane_is_the_safe_text_of_all_pieces(pieces: list[str]) -> None:
    pane = StreamPane()
    for piece in pieces:
        pane.append(f"{piece}\x1b")
    assert pane.text == safe_text("".join(f"{piece}\x1b" for piece in pieces))


async def test_the_header_tells_state_by_glyph_and_word() -> None:
    app = Stage(size=(160, 12))
    async with app.run_test(size=(160, 12)) as pilot:
        state = PaneState(title="lab/m0", state="streaming", ttft=0.312, rate=88.4, tokens=120, estimated=True)
        app.header.update(state)
        await pilot.pause()
        line = app.shown()[0]
        assert all(part in line for part in ("lab/m0", "● streaming", "TTFT 0.31 s", "≈88 tok/s", "≈120 tok"))
        state.state, state.cached, state.note = "saved", True, "from yesterday"
        app.header.update(state)
        await pilot.pause()
        assert all(part in app.shown()[0] for part in ("✓ saved", "cached", "from yesterday"))
        state.tokens = 121
        app.header.flush(10.0)
        await pilot.pause()
        assert "≈121 tok" in app.shown()[0]
        state.tokens = 122
        app.header.flush(10.1)
        await pilot.pause()
        assert "≈121 tok" in app.shown()[0]
        app.header.flush(10.3)
        await pilot.pause()
        assert "≈122 tok" in app.shown()[0]


@pytest.mark.parametrize("width", [8, 20, 34])
async def test_a_narrow_header_gives_up_figures_before_the_state(width: int) -> None:
    app = Stage(size=(width * 2, 5))
    async with app.run_test(size=(width * 2, 5)) as pilot:
        app.header.update(PaneState(title="endpoint/with-a-long-name", state="failed", ttft=1.0, rate=10, note="x" * 80))
        await pilot.pause()
        line = app.header.render()
        assert "✗" in str(line)


def test_the_clock_slows_while_the_loop_is_late_and_recovers() -> None:
    frames: list[float] = []
    clock = FrameClock(lambda: frames.append(clock.interval), fps=20, slowest=4)
    clock.tick(0.001)
    assert clock.interval == pytest.approx(0.05)
    for _ in range(12):
        clock.tick(0.1)
    assert clock.interval == pytest.approx(0.25)
    for _ in range(40):
        clock.tick(0.0)
    assert clock.interval == pytest.approx(0.05)
    assert clock.frames == len(frames) == 53


async def test_the_clock_draws_until_it_is_cancelled() -> None:
    import asyncio

    enough = asyncio.Event()

    def frame() -> None:
        if clock.frames >= 3:
            enough.set()

    clock = FrameClock(frame, fps=200)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.run())
        await enough.wait()
        task.cancel()
    assert task.cancelled()


async def test_a_clock_with_nothing_to_draw_dozes_until_it_is_woken() -> None:
    import asyncio

    moments: list[float] = []
    asleep, drawn = asyncio.Event(), asyncio.Event()

    def frame() -> bool:
        moments.append(asyncio.get_running_loop().time())
        (drawn if asleep.is_set() else asleep if clock.dozing else asyncio.Event()).set()
        return False

    clock = FrameClock(frame, fps=200)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.run())
        await asleep.wait()  # the first frame of a clock that dozes comes a second after the one before
        assert moments[-1] - moments[-2] > 0.5
        clock.wake()
        assert not clock.dozing
        await drawn.wait()
        task.cancel()
