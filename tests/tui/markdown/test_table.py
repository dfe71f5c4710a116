import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.markdown.documents import pieces
from tui.markdown.blocks import State
from tui.markdown.fit import fit_columns, wrap_cell
from tui.markdown.shape import shape
from tui.markdown.shaped import NEVER, TABLE, Line

TEXT = """| Name | Value | Notes |
|:-----|------:|:-----:|
| alpha `c` | 1 | a longer text that is wrapped where there is no room<br>second |
| 日本語 | 22 | **b** http://a.b/c |
| x |
"""


def look(source: str, width: int) -> list[str]:
    return shape(source, State(), width).text.split("\n")


def test_columns_are_aligned_as_the_source_says() -> None:
    assert look("| a | bb | ccc |\n|:--|--:|:-:|\n| left | r | c |\n| 日本 | 22 | d\\|e |\n", 80) == [
        "a    │ bb │ ccc",
        "─────┼────┼────",
        "left │  r │  c",
        "日本 │ 22 │ d|e",
    ]


def test_cells_are_wrapped_where_there_is_no_room_and_rows_are_told_apart() -> None:
    assert all(cell_len(row) <= 40 for row in look(TEXT, 40))
    assert sum("┄" in row for row in look(TEXT, 40)) == 2


@pytest.mark.parametrize("width", range(1, 90))
def test_a_table_fits_every_width_and_shows_all_its_words(width: int) -> None:
    shaped = shape(TEXT, State(), width)
    shown = "".join(re.findall(r"[^\W_]+", shaped.text))
    rows = shaped.text.split("\n")
    if shaped.lines[0].kind == TABLE:
        assert set(shaped.lines) == {Line(TABLE, NEVER)}
        assert all(cell_len(row) <= width for row in rows)
    else:
        assert shaped.text.startswith("Name: alpha c\nValue: 1\nNotes: a longer text")
    assert all(shown.count(letter) >= TEXT.count(letter) for letter in "日本語22wsk")


def test_links_and_styles_of_a_cell_are_where_its_text_is() -> None:
    shaped = shape(TEXT, State(), 80)
    styled = {(shaped.text[start:end], style) for start, end, style in shaped.spans}
    assert {("Name", "table-head"), ("c", "code"), ("b", "strong"), (" │ ", "table-border"), ("http://a.b/c", "link")} <= styled
    assert [(shaped.text[start:end], url) for start, end, url in shaped.links] == [("http://a.b/c", "http://a.b/c")]


def test_a_link_that_is_wrapped_leads_to_its_whole_address_in_every_row() -> None:
    shaped = shape("| aaaa | b |\n|---|---|\n| cccc | [some words of a link](http://a.b/long) |\n", State(), 20)
    assert [shaped.text[start:end] for start, end, _ in shaped.links] == ["some words of", "a link"]
    assert {url for _, _, url in shaped.links} == {"http://a.b/long"}


def test_a_table_in_a_list_has_less_room() -> None:
    rows = look("- x\n\n  | a | b |\n  |---|---|\n  | word word word word | word word word |\n", 30)
    assert all(row.startswith("  ") and cell_len(row) <= 30 for row in rows[2:])


def test_the_pieces_of_a_long_table_stand_in_line() -> None:
    text = "| number | text |\n|--:|---|\n" + "".join(f"| {number} | some text |\n" for number in range(1000))
    rows = [row for piece, state in pieces(text) for row in shape(piece, state, 60).text.split("\n")]
    assert len(rows) == 1002
    assert {row.index("│") for row in rows if "│" in row} == {7}
    assert sum("─" in row for row in rows) == 1


def test_a_table_of_too_many_cells_is_shown_as_it_is() -> None:
    text = "|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "|\n" * 100
    assert look(text, 80) == text.rstrip("\n").split("\n")


def test_a_table_without_rows_has_its_head() -> None:
    assert look("| a | b |\n|---|---|\n", 40) == ["a │ b", "──┼──"]
    assert look("| some long head | another long head |\n|---|---|\n", 8) == ["some long head", "another long head"]


cells = st.text(st.sampled_from("ab é日👩\u0301\ufe0f🇩🇪 \n"), max_size=40)


@given(cells, st.integers(2, 20))
def test_wrapped_cells_fit_and_lose_nothing_but_spaces(text: str, width: int) -> None:
    rows = [text[start:end] for start, end in wrap_cell(text, width)]
    assert all(cell_len(row) <= width for row in rows)
    assert re.sub(r"[ \n]", "", "".join(rows)) == re.sub(r"[ \n]", "", text)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 200))
def test_columns_take_no_more_than_there_is_and_no_more_than_they_need(natural: list[int], room: int) -> None:
    widths = fit_columns(natural, room)
    assert all(1 <= width <= need for width, need in zip(widths, natural, strict=True))
    assert sum(widths) == min(room, sum(natural)) or room < len(natural)
