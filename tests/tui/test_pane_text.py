"""Text as rows: the same however it was cut, none longer than the pane, found from both ends, wrapped anew in slices."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size

from tui.widgets.pane_text import PaneText
from tui.widgets.pane_wrap import CODE, FENCE, HEADING, NARROW, PLAIN, Rows, row_cells

words = st.lists(
    st.sampled_from(
        [
            "a",
            "to",
            "word",
            "longerword",
            " ",
            "  ",
            "\n",
            "\t",
            "# ",
            "```",
            "漢字",
            "é",
            "e\u0301",
            "👩\u200d👧",
            "☁",
            "\ufe0f",
            "—",
            "\u200d",
        ]
    )
)
mixed = words.map("".join)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


def drawn_rows(doc: PaneText) -> list[str]:
    return [row_cells(doc.text_of(row)) for row in doc.rows(doc.first, 1_000_000)]


@given(mixed, st.lists(st.integers(0, 60)), st.integers(4, 14))
@example("☁\ufe0f" * 8, [5, 9], 6)
@example("ab 👩", [1, 3], 4)
def test_rows_do_not_depend_on_how_text_was_cut(text: str, cuts: list[int], width: int) -> None:
    whole, grown, seen = Rows(width), Rows(width), ""
    whole.grow(text)
    for piece in in_pieces(text, cuts):
        seen += piece
        grown.grow(seen)
    assert (whole.starts, whole.kinds) == (grown.starts, grown.kinds)


@given(mixed, st.integers(4, 14))
def test_every_character_is_in_one_row_and_every_row_fits(text: str, width: int) -> None:
    doc = PaneText(width)
    doc.append(text)
    rows = doc.rows(doc.first, 1_000_000)
    assert "".join(text[row.start : row.end] for row in rows) == text
    assert all(cell_len(row_cells(doc.text_of(row)).rstrip(" ")) <= width for row in rows)
    assert all("\n" not in text[row.start : row.end - 1] for row in rows)


@given(st.lists(st.text("abc-", min_size=1, max_size=8)), st.integers(8, 12))
def test_words_are_kept_whole_where_they_fit(words: list[str], width: int) -> None:
    doc = PaneText(width)
    doc.append(" ".join(words))
    assert [word for row in drawn_rows(doc) for word in row.split()] == words


def test_narrow_characters_are_one_cell_each() -> None:
    narrow = [chr(code) for code in range(0x20, 0x3000) if NARROW.fullmatch(chr(code))]
    assert len(narrow) > 1000
    assert {get_character_cell_size(character) for character in narrow} == {1}


def test_lines_are_told_apart_by_their_first_characters() -> None:
    doc = PaneText(40)
    doc.append("# Title\n#hashtag\ntext\n```python\n# comment\n```\n    indented")
    assert [row.kind for row in doc.rows(doc.first, 10)] == [HEADING, PLAIN, PLAIN, FENCE, CODE, FENCE, PLAIN]


def test_a_line_changes_kind_while_its_first_characters_arrive() -> None:
    doc = PaneText(40)
    for piece in ("`", "`", "`", "py", "\ncode"):
        doc.append(piece)
    assert [row.kind for row in doc.rows(doc.first, 10)] == [FENCE, CODE]


@pytest.mark.parametrize("unit", ["word ", "x", "漢字", "ab\n", " ", "👩\u200d👧 ", "\u0301", "```\ncode\n"])
def test_long_text_keeps_every_character_and_is_found_from_both_ends(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    doc = PaneText(30)
    for start in range(0, len(text), 5000):
        doc.append(text[start : start + 5000])
    assert str(doc) == text
    rows = doc.rows(doc.first, 1_000_000)
    assert len(rows) == doc.total
    assert doc.rows(doc.tail(25), 25) == rows[-25:]
    middle = doc.move(doc.first, len(rows) // 2)
    assert doc.number(middle) == len(rows) // 2
    assert doc.place(len(rows) // 2) == middle
    assert doc.rows(middle, 25) == rows[len(rows) // 2 :][:25]
    assert doc.move(middle, -len(rows)) == doc.first
    assert doc.rows(doc.move(middle, 10 * len(rows)), 25) == rows[-1:]


def test_a_new_width_is_wrapped_only_where_it_is_looked_at() -> None:
    paragraphs = "\n".join(f"paragraph {number} " + "word " * 30 for number in range(2000))
    doc, fresh = PaneText(80), PaneText(33)
    doc.append(paragraphs)
    fresh.append(paragraphs)
    anchor = doc.anchor(doc.move(doc.first, 1000))
    doc.resize(33)
    assert not doc._laid
    row = doc.rows(doc.at(anchor), 1)[0]
    assert doc.start_of(row.block) + row.start <= anchor.at < doc.start_of(row.block) + row.end
    assert [doc.text_of(row) for row in doc.rows(doc.tail(20), 20)] == drawn_rows(fresh)[-20:]
    assert drawn_rows(doc) == drawn_rows(fresh)
