"""The line of likely next questions: what it shows at any width, and what a click, a key and typing do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agents.offers import Likely
from tests.servers.paced import PacedServer
from tests.tui.room import HOSTILE, room
from tests.tui.stage import stage
from tui.widgets.next_line import _GAP, NextLine, _widths

if TYPE_CHECKING:
    from pathlib import Path

    from agents.events import StepEnded

LIKELY = (
    Likely("Why do the voices overlap at all?", "history", "ready"),
    Likely("Who said so?", "model", "asking"),
    Likely("字字字字字字字字字字字字字字字字字字 and then?", "model", "failed"),
)
QUESTIONS = ["Why is that?", "Who said so?", "And then?"]


def reply(asked: dict[str, Any]) -> str:
    return (
        json.dumps({"questions": QUESTIONS}) if "response_format" in asked else f"an answer to {asked['messages'][-1]['content']}"
    )


@pytest.mark.parametrize("width", [200, 80, 40, 20, 5, 1])
async def test_it_fits_one_line_at_any_width(width: int) -> None:
    line = NextLine()
    line.show(LIKELY, "Alt+1", blank=False)
    async with room(line, (width, 4)):
        shown = line.render()
        assert "\n" not in shown.plain
        assert shown.cell_length <= width
        assert line._places[-1].end <= width
        assert [place.number for place in line._places] == list(range(1, len(line._places) + 1))


async def test_what_is_ready_has_a_sign_of_its_own_and_what_is_cut_says_so() -> None:
    line = NextLine()
    line.show(LIKELY, "Alt+1", blank=False)
    async with room(line, (80, 4)):
        shown = line.render().plain
        assert "● 1 Why do" in shown
        assert "○ 2 Who said so?" in shown
        assert "○ 3 字" in shown
        assert "…" in shown
        assert "Alt+1 asks 1" in shown


async def test_while_something_is_typed_it_keeps_its_row_and_says_nothing() -> None:
    line = NextLine()
    line.show(LIKELY, "Alt+1", blank=True)
    async with room(line, (80, 4)):
        assert (line.display, line.render().plain) == (True, "")
        line.show((), "Alt+1", blank=False)
        assert not line.display


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_text_of_a_model_is_more_than_text(text: str) -> None:
    line = NextLine()
    line.show((Likely(text, "model", "ready"), Likely("[@click=app.quit]x[/]", "model", "asking")), "", blank=False)
    async with room(line, (80, 4)):
        shown = line.render()
        assert "\n" not in shown.plain
        assert "\x1b" not in shown.plain
        assert shown.cell_length <= 80
        assert "[@click=app.quit]x[/]" in shown.plain


@given(st.lists(st.integers(5, 205), min_size=1, max_size=3), st.integers(0, 300))
def test_columns_are_shared_and_never_more_than_there_are(wanted: list[int], room: int) -> None:
    widths = _widths(wanted, room)
    assert 1 <= len(widths) <= len(wanted)
    assert sum(widths) + (len(widths) - 1) * _GAP <= room or len(widths) == 1
    assert all(width <= wish for width, wish in zip(widths, wanted, strict=False))
    if sum(wanted) + (len(wanted) - 1) * _GAP <= room:
        assert widths == wanted


async def test_an_answer_brings_questions_and_picking_one_is_answered_at_once(tmp_path: Path) -> None:
    async with PacedServer(reply=reply) as server, stage(tmp_path, server.base_url, "lab/first", "lab/second") as at:
        dashboard, compare = at.app.dashboard, at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 2 and not dashboard.status.notice)
        compare.act_foresight()
        await at.send("What is a stretto?")
        await at.until(lambda: at.screen().count("●") == 3)
        bar = dashboard.bar.likely
        assert all(cell_len(row) <= 120 for row in at.lines(bar))
        assert "● 1 Why is that?  ● 2 Who said so?  ● 3 And then?" in at.text_of(bar)
        before = server.counts.requests
        await at.click("Who said so?", bar)
        first, second = compare.answers
        await at.until(lambda: len(first.turns) == 2 and len(second.turns) == 2 and first.run is None and second.run is None)
        ends: list[StepEnded | None] = [pane.turns[-1].ended for pane in (first, second)]
        assert [end is not None and end.speculated for end in ends] == [True, False]
        assert first.turns[-1].answer == "an answer to Who said so?"
        figures = at.app.workspace.speculation.figures()
        assert (figures.hits, figures.misses) == (1, 0)
        assert server.counts.requests > before
        await at.press("up")
        assert dashboard.prompt.value == "Who said so?"


async def test_typing_hides_them_and_another_conversation_throws_them_away(tmp_path: Path) -> None:
    async with PacedServer(reply=reply) as server, stage(tmp_path, server.base_url, "lab/first", "lab/second") as at:
        dashboard, compare = at.app.dashboard, at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 2 and not dashboard.status.notice)
        compare.act_foresight()
        await at.send("What is a stretto?")
        await at.until(lambda: at.screen().count("●") == 3)
        await at.press("x")
        await at.until(lambda: "Who said so?" not in at.screen())
        await at.press("alt+2")
        assert dashboard.prompt.value == "x"
        await at.press("backspace")
        await at.until(lambda: "Who said so?" in at.screen())
        compare.act_mark(1)
        await at.until(lambda: not dashboard.bar.likely.display)
        compare.act_mark(1)
        await at.until(lambda: dashboard.bar.likely.display)
        compare.act_new()
        await at.until(lambda: not dashboard.bar.likely.display)
        assert at.app.workspace.speculation.figures().misses == 1
