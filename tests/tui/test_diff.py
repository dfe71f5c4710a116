from __future__ import annotations

import asyncio
import difflib
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.room import HOSTILE, faults, plain, room
from tests.tui.rounds_stage import answered
from tui import diff
from tui.diff import Piece, Row, compare, compare_in_slices, steps
from tui.rounds.diff_text import DiffText, _beside
from tui.widgets.pane_wrap import wrap_line

if TYPE_CHECKING:
    from array import array
    from pathlib import Path

    from textual.strip import Strip

    from tui.diff import Difference

WORD = re.compile(r"\w+|[^\w\s]")
TEXTS = st.lists(st.sampled_from(["a", "b", "soprano", ", ", " ", "\n", "the ", "x-y", "  "]), max_size=40).map("".join)


def text_of(difference: Difference, side: int) -> str:
    lines = [line for row in difference.rows if (line := row[side]) is not None]
    return "\n".join("".join(piece.text for piece in line) for line in lines)


def words_both_have(difference: Difference, side: int) -> list[str]:
    pieces = [piece for row in difference.rows for piece in (row[side] or ()) if not piece.own]
    return [word for piece in pieces for word in WORD.findall(piece.text)]


@given(TEXTS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_rows_hold_both_texts_whole_and_what_is_not_set_off_is_in_both(left: str, right: str) -> None:
    difference = compare(left, right)
    assert (text_of(difference, 0), text_of(difference, 1)) == (left, right)
    assert words_both_have(difference, 0) == words_both_have(difference, 1)
    assert 0 <= difference.similarity <= 1
    assert (difference.similarity == 1) == (WORD.findall(left) == WORD.findall(right))


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_changing_sides_changes_nothing_but_the_sides(left: str, right: str) -> None:
    one, other = compare(left, right), compare(right, left)
    assert other.similarity == one.similarity
    assert [row for row in other.rows if None not in row] == [Row(row.right, row.left) for row in one.rows if None not in row]


@given(TEXTS)
def test_a_text_differs_in_nothing_from_itself(text: str) -> None:
    difference = compare(text, text)
    assert difference.similarity == 1
    assert not any(row.differs for row in difference.rows)


def test_words_that_only_one_has_are_set_off() -> None:
    (row,) = compare("the quick fox jumps", "the brown quick fox leaps").rows
    assert row.left == (Piece("the quick fox ", own=False), Piece("jumps", own=True))
    assert row.right == tuple(
        Piece(text, own) for text, own in (("the ", False), ("brown", True), (" quick fox ", False), ("leaps", True))
    )


def test_lines_that_changed_stand_beside_each_other_and_new_ones_alone() -> None:
    rows = compare("title\none two three\nend", "title\none two four\nall new here\nend").rows
    assert [(row.left is None, row.right is None, row.differs) for row in rows] == [
        (False, False, False),
        (False, False, True),
        (True, False, True),
        (False, False, False),
    ]


def test_it_finds_nearly_as_much_in_common_as_a_search_without_limits() -> None:
    left = [f"word{number % 97}" for number in range(1500)]
    right = [word for number, word in enumerate(left) if number % 7] + ["tail"] * 20
    blocks = difflib.SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    best = 2 * sum(block.size for block in blocks) / (len(left) + len(right))
    assert compare(" ".join(left), " ".join(right)).similarity > best - 0.02


@pytest.mark.parametrize(
    "text", ["a b " * 20_000, "x y z\n" * 10_000, " ".join(map(str, range(20_000)))], ids=["few words", "lines", "many words"]
)
def test_work_on_long_and_very_different_texts_is_bounded_and_comes_in_small_pieces(text: str) -> None:
    other = text[::-1]
    count = sum(1 for _ in steps(text, other))
    assert count > 100
    difference = compare(text, other)
    assert (text_of(difference, 0), text_of(difference, 1)) == (text, other)


async def test_the_loop_goes_on_while_texts_are_compared() -> None:
    turns = 0
    done = asyncio.Event()

    async def count() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(count())
        difference = await compare_in_slices("a b c d " * 5000, "b a d c " * 5000)
        done.set()
    assert turns > 10
    assert difference.rows


def test_no_step_of_the_work_goes_over_all_lines_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts = 0

    def counted(line: str, spans: list[tuple[int, int]]) -> tuple[Piece, ...]:
        nonlocal cuts
        cuts += 1
        return cut(line, spans)

    cut = diff._cut
    monkeypatch.setattr("tui.diff._cut", counted)
    text = "\n".join(f"line {number} of one" for number in range(9_000))
    most = before = 0
    for _ in steps(text, text.replace("one", "another")):
        most, before = max(most, cuts - before), cuts
    assert cuts == 18_000
    assert most <= 2048


def drawn(widget: DiffText) -> list[Strip]:
    return [widget.render_line(y) for y in range(widget.size.height)]


@pytest.mark.parametrize("width", [1, 2, 5, 20, 40, 99, 100, 160])
async def test_rows_fill_their_width_whatever_the_texts_hold(width: int) -> None:
    widget = DiffText()
    texts = ["\n".join(HOSTILE), "\n".join(reversed(HOSTILE))]
    from tui.rounds.differences import _shown

    async with room(widget, (width, 40)):
        widget.show(compare(*map(_shown, texts)))
        for _ in range(100):
            widget.flush()
        assert faults(drawn(widget), width) == []


async def test_signs_tell_what_differs_without_colour_and_places_are_walked() -> None:
    left = "\n".join(["same"] * 30 + ["one two three"] + ["same"] * 30 + ["end"])
    widget = DiffText()
    async with room(widget, (120, 10)):
        widget.show(compare(left, left.replace("two", "2").replace("end", "fin")))
        for _ in range(20):
            widget.flush()
        assert widget.changes == 2
        assert widget.change(1)
        first = plain(drawn(widget)[0])
        assert first.startswith("- one two three")
        assert "+ one 2 three" in first
        assert plain(drawn(widget)[1]).startswith("  same")
        assert widget.change(1)
        assert not widget.change(1)
        assert widget.change(-1)


async def test_two_answers_are_compared_by_keys(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1", "lab/m2") as (at, _, _):
        await at.press("ctrl+x", "d")
        await at.until(lambda: "of the words are in both" in at.screen())
        assert "- The sky is blue because air scatters" in at.screen()
        assert "1 m0 @lab" in at.screen()
        assert "2 m1 @lab" in at.screen()
        await at.press("n")
        await at.until(lambda: "Nobody knows." in at.screen())
        await at.press("p")
        await at.until(lambda: "molecules scatter" in at.screen())
        await at.press("x")
        await at.until(lambda: "- The sky is blue because molecules" in at.screen())
        for width in (100, 99, 40, 20):
            await at.resize(width, 24)
            await at.until(lambda: "2 m1 @lab" in at.screen() and "1 m0 @lab" in at.screen() and "scatter" in at.screen())
        await at.press("escape")
        assert at.app.screen is at.app.dashboard


async def test_one_answer_alone_has_nothing_to_differ_from(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0") as (at, view, _):
        view.act_diff()
        await at.until(lambda: "Two panes must have an answer" in at.screen())
        assert at.app.screen is at.app.dashboard


def row_texts(rows: tuple[Row, ...]) -> list[str]:
    return ["".join(piece.text for piece in row.left or ()) for row in rows]


def test_spaces_alone_make_no_difference() -> None:
    difference = compare("a  b", "a b")
    assert row_texts(difference.rows) == ["a  b"]
    assert difference.similarity == 1
    assert not difference.rows[0].differs


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "漢字" * 50_000, "a" * 100_000, "e" + "\u0301" * 100_000, "👩\u200d👩\u200d👧" * 20_000]
)
def test_a_line_as_long_as_an_answer_is_wrapped_whole_and_a_slice_at_a_time(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slices: list[int] = []

    def counted(text: str, start: int, end: int, width: int, rows: array[int]) -> None:
        slices.append(end - start)
        wrap_line(text, start, end, width, rows)

    monkeypatch.setattr("tui.rounds.diff_text.wrap_line", counted)
    row = Row((Piece(text[:777], own=False), Piece(text[777:], own=True)), None)
    lines = [line for line, _ in _beside(row, 46) if line is not None]
    assert "".join(piece.text for line in lines for piece in line.pieces) == text
    assert lines[0].pieces[0] == Piece(text[:46], own=False) or not text.startswith("a")
    assert max(slices) <= 2048
    assert sum(slices) < 2 * len(text)
