from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content

from agents.errors import StrettoError
from agents.requests import ModelRef
from tests.tui.room import HOSTILE, faults, room
from tests.tui.rounds_stage import answered, closed, home, reply
from tui.figures import wrap
from tui.rounds.answers import offered
from tui.rounds.choice import Choice, Ticks
from tui.rounds.differences import DifferencesScreen
from tui.rounds.judging import JudgeScreen
from tui.rounds.merging import MergedScreen, MergeScreen
from tui.rounds.racing import RaceScreen
from tui.rounds.sheet import Sheet
from tui.rounds.standing import RatingsScreen
from tui.rounds.sweeping import SweepScreen
from tui.rounds.swept import SettingScreen, SweptScreen
from tui.rounds.table import Column, Table
from tui.rounds.voting import VoteScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual import events

    from agents.workspace import Workspace

SCREENS = (
    DifferencesScreen,
    JudgeScreen,
    MergeScreen,
    MergedScreen,
    RaceScreen,
    RatingsScreen,
    SettingScreen,
    Sheet,
    SweepScreen,
    SweptScreen,
    VoteScreen,
)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_key_of_a_screen_has_an_id_and_says_what_it_does(screen: type[Sheet[object]]) -> None:
    bindings = [binding for binding in screen.BINDINGS if isinstance(binding, Binding)]
    assert len(bindings) == len(screen.BINDINGS)
    assert all(binding.id and binding.tooltip for binding in bindings)
    assert len({binding.id for binding in bindings}) == len(bindings)


@given(st.text(max_size=60), st.integers(2, 30))
def test_wrapped_lines_fit_and_hold_every_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize("width", [4, 12, 30, 80])
async def test_a_table_draws_whatever_its_cells_hold_in_any_width(width: int) -> None:
    columns = (Column("model"), Column("figure", right=True), Column("why", grows=True, least=12))
    table = Table(columns)
    async with room(table, (width, 60)) as app:
        table.show([(name, "1.0", name) for name in HOSTILE])
        table.styles.height = 50
        await app._animator.wait_until_complete()
        app.screen._refresh_layout()
        rows = [table.render_line(y) for y in range(table.size.height)]
        assert faults(rows, width) == []


async def test_a_table_keeps_the_marked_row_in_view() -> None:
    table = Table((Column("name"),))
    async with room(table, (20, 6)) as app:
        table.styles.height = 5
        table.show([(f"row {number}",) for number in range(50)])
        app.screen._refresh_layout()
        table.move(30)
        assert any("›row 30" in table.render_line(y).text for y in range(5))
        table.on_click(cast("events.Click", SimpleNamespace(y=0)))  # the head marks nothing
        assert table.cursor == 30
        table.on_click(cast("events.Click", SimpleNamespace(y=1)))
        assert table.cursor == 27
        table.move(-100)
        assert table.cursor == 0
        assert "›row 0" in table.render_line(1).text
        table.show([("one left",)])
        assert table.cursor == 0


async def test_a_choice_goes_round_is_found_by_typing_and_keeps_its_value() -> None:
    choice = Choice([("alpha", 1), ("[/]beta", 2), ("gamma", 3)], 2)
    async with room(choice, (30, 3)) as app:
        choice.focus()
        assert choice.value == 2
        content = choice.render()
        assert isinstance(content, Content)
        assert "[/]beta" in content.plain
        choice.move(1)
        assert choice.value == 3
        choice.move(1)
        assert choice.value == 1
        from textual import events

        await choice.on_key(events.Key("g", "g"))
        assert choice.value == 3
        choice.offer([("new", 9), ("gamma", 3)])
        assert choice.value == 3
        choice.offer([])
        nothing: object = choice.value
        assert nothing is None
        choice.move(1)
        await choice.on_key(events.Key("g", "g"))
        assert app.is_running


async def test_ticks_are_walked_and_ticked() -> None:
    from textual import events

    ticks = Ticks(["one", "[@click=app.quit]two", *map(str, range(20))], [True, False, *[False] * 20])
    async with room(ticks, (30, 8)):
        assert ticks.ticked == [0]
        await ticks.on_key(events.Key("down", None))
        await ticks.on_key(events.Key("space", " "))
        assert ticks.ticked == [0, 1]
        for _ in range(30):
            await ticks.on_key(events.Key("down", None))
        content = ticks.render()
        assert isinstance(content, Content)
        assert "19" in content.plain


def hostile(asked: dict[str, object]) -> str | None:
    """Answer with text that would do something if it were anything but text."""
    found = reply(asked)
    given = "".join(name for name in HOSTILE if "\ud800" not in name)
    return found if found and found.startswith("{") else f"{given}\n\x1b[31m[bold]x[/bold]"


@pytest.mark.parametrize("size", [(20, 10), (80, 24)])
async def test_every_screen_stands_at_every_size_with_hostile_text(tmp_path: Path, size: tuple[int, int]) -> None:
    models = ("lab/[@click=app.quit]m", "lab/m1")
    async with answered(tmp_path, *models, prompt="[/] \x1b]0;x\x07 why?", size=size, says=hostile) as (at, view, _):
        for act in (view.act_diff, view.act_vote, view.act_ratings, view.act_judge, view.act_merge, view.act_race, view.act_sweep):
            act()
            await at.until(lambda: not home(at))
            await at.settle()
            screen = at.app.screen
            box, foot = screen.query_one("#sheet"), screen.query_one("#sheet-foot")
            assert screen.region.contains_region(box.region)
            assert box.region.contains_region(foot.region)
            drawn = at.screen()
            assert not any((ord(char) < 32 and char != "\n") or (127 <= ord(char) < 160 and char != "\xa0") for char in drawn)
            await closed(at)
        assert at.app.is_running


async def test_an_endpoint_that_does_not_answer_offers_no_models() -> None:
    class Down:
        class models:  # noqa: N801
            @staticmethod
            async def available() -> None:
                raise StrettoError("down")

    model = ModelRef("lab", "m")
    workspace: Workspace = Down()  # type: ignore[assignment]  # a fault that real endpoints do not have
    assert await offered(workspace, [model, model]) == [("lab/m", model)]
