"""Sections, blocks and search of a pane's document: nothing is lost, however it came and at whatever width it is shown."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.room import HOSTILE
from tui.markdown.blocks import State
from tui.safe import safe_text
from tui.slices import at_once, in_slices
from tui.widgets.pane_blocks import ANSWER, ASKED, REMARK, TEXT, Sums
from tui.widgets.pane_code import fenced
from tui.widgets.pane_cut import PIECE, cut_lines, cut_markdown
from tui.widgets.pane_find import Search, fold
from tui.widgets.pane_select import Selection
from tui.widgets.pane_text import Anchor, PaneText, Place
from tui.widgets.pane_wrap import row_cells

ANSWER_TEXT = """# Title of it

A paragraph with **strong** words, `code` and a [place](https://example.org/a) that is long enough to be wrapped.

- first
- second, which goes on
  - deeper

| a | b |
|---|---|
| 1 | 漢字 |

```python
def f(x):
    return x
```

> quoted

The end 👩‍👧.
"""

PARTS = (
    *(
        "word ",
        "longer words here ",
        "\n",
        "\n\n",
        "# h\n",
        "- item\n",
        "```py\n",
        "x = 1\n",
        "```\n",
        "| a | b |\n",
        "|---|---|\n",
    ),
    *("> q\n", "漢字", "👩\u200d👧", "\t", "    ", "**b**", "[l](https://e.org)", "~~~\n", "1. n\n", "---\n", "e\u0301"),
)
pieces = st.lists(st.sampled_from(PARTS), max_size=60)


def filled(text: str, width: int = 40, whose: int = ANSWER, *, finish: bool = True) -> PaneText:
    doc = PaneText(width)
    doc.begin(whose)
    doc.append(text)
    if finish:
        doc.finish()
    return doc


def shown(doc: PaneText) -> list[str]:
    return [f"{row.hang}{row_cells(doc.text_of(row))}".rstrip() for row in doc.rows(doc.first, 1_000_000)]


@given(pieces, st.integers(1, 60), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_source_is_kept_and_rows_cover_what_is_shown_in_order(parts: list[str], width: int, finish: bool) -> None:
    doc = PaneText(width)
    doc.begin(ANSWER)
    for part in parts:
        doc.append(part)
    if finish:
        doc.finish()
    assert str(doc) == doc.answer == "".join(parts)
    rows = doc.rows(doc.first, 1_000_000)
    assert len(rows) == doc.total
    for index in range(len(doc.blocks) + 1):
        mine = [row for row in rows if row.block == index]
        laid = doc.laid(index)
        assert "".join(laid.text[row.start : row.end] for row in mine) == laid.text
        assert [row.start for row in mine] == sorted(row.start for row in mine)
    assert doc.rows(doc.tail(7), 7) == rows[-7:]


@given(pieces, st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=40, deadline=None)
def test_an_answer_looks_the_same_however_it_was_cut_on_its_way(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    doc = PaneText(40)
    doc.begin(ANSWER)
    for start, end in pairwise(places):
        doc.append(text[start:end])
    doc.finish()
    assert shown(doc) == shown(filled(text))


@pytest.mark.parametrize("width", range(1, 61))
def test_markdown_fits_every_width_and_a_place_is_kept_over_all_of_them(width: int) -> None:
    doc = filled(ANSWER_TEXT * 3, 60)
    anchor = doc.anchor(doc.move(doc.first, doc.total // 2))
    before = doc.locate(anchor)[0]
    doc.resize(width)
    assert doc.locate(anchor)[0] == before
    for row in doc.rows(doc.first, 10_000):
        if width >= 12:
            assert cell_len(f"{row.hang}{row_cells(doc.text_of(row)).rstrip()}") <= width
    doc.resize(60)
    assert doc.anchor(doc.at(anchor)) == anchor


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_an_answer_has_no_control_codes_at_any_width(hostile: str) -> None:
    text = safe_text(
        f"# {hostile}\n\n- {hostile}\n\n| {hostile} | b |\n|---|---|\n| {hostile} | {hostile} |\n\n```{hostile}\n{hostile}\n```\n"
    )
    for width in (1, 2, 3, 20, 60):
        for row in shown(filled(text, width)):
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in row)


def test_sections_stand_apart_and_are_found_again() -> None:
    doc = PaneText(30)
    doc.begin(ASKED)
    doc.append("what is it?\nand why?")
    doc.begin(ANSWER)
    doc.append("It is **so**.")
    assert shown(doc)[-1] == "It is **so**."
    doc.finish()
    assert shown(doc) == ["› what is it?", "  and why?", "", "It is so."]
    doc.begin(REMARK)
    doc.append("✗ cut\n")
    doc.begin(ASKED)
    doc.append("again\n\n")
    doc.begin(ANSWER)
    assert doc.answer == ""
    doc.append("- yes\n")
    doc.finish()
    assert shown(doc) == ["› what is it?", "  and why?", "", "It is so.", "", "✗ cut", "", "› again", "", "• yes"]
    assert doc.answer == "- yes\n"
    assert doc.sections(ANSWER) == ["It is **so**.", "- yes\n"]
    assert str(doc) == "› what is it?\nand why?\n\nIt is **so**.\n\n✗ cut\n\n› again\n\n- yes\n"


def test_only_answers_are_markdown_and_none_when_it_is_turned_off() -> None:
    for whose in (TEXT, REMARK):
        assert shown(filled("**a**\n\n- b\n", whose=whose))[:3] == ["**a**", "", "- b"]
    doc = PaneText(40, markdown=False)
    doc.begin(ANSWER)
    doc.append("**a**\n\n- b\n")
    doc.finish()
    assert shown(doc) == ["**a**", "", "- b"]


def test_what_grows_is_plain_until_its_block_is_complete() -> None:
    doc = filled("A **paragraph**", finish=False)
    assert shown(doc) == ["A **paragraph**"]
    doc.append(" more\n\nNext **o")
    assert shown(doc) == ["A paragraph more", "", "Next **o"]


def test_code_blocks_are_those_of_all_answers() -> None:
    doc = PaneText(40)
    for code in ("one\n", "  two\n\nlines\n"):
        doc.begin(ASKED)
        doc.append("```\nnot this\n```")
        doc.begin(ANSWER)
        doc.append(f"Text\n\n```python\n{code}```\n\nand\n\n~~~~\n```\nfenced\n~~~~\n")
    doc.append("```\nopen")
    assert at_once(doc.code_blocks()) == ["one\n", "```\nfenced\n", "  two\n\nlines\n", "```\nfenced\n", "open"]


def told_line_by_line(text: str) -> list[str]:
    blocks, open_by, code = [], "", ""
    for line in text.splitlines(keepends=True):
        bare = line.strip(" \t\n")
        if open_by:
            if bare.startswith(open_by) and not bare.strip("`~"):
                blocks.append(code)
                open_by = code = ""
            else:
                code += line
        elif line.endswith("\n") and (fence := re.match("`{3,}(?!.*`)|~{3,}", bare)):
            open_by = fence[0]
    return [*blocks, code] if open_by else blocks


@given(st.text(st.sampled_from("`~ \tx\n"), max_size=80), st.lists(st.sampled_from(["```", "~~~~", "\n", " ", "a"]), max_size=40))
def test_code_in_fences_is_what_reading_line_by_line_finds(text: str, parts: list[str]) -> None:
    for each in (text, "".join(parts), f"```py\n{text}"):
        assert at_once(fenced(each)) == told_line_by_line(each)


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode\n```\n" * 20_000,
        "a ``` b" * 50_000,
        "```\n" + "x ``` y\n" * 50_000,
        "`" * 300_000 + "\n" + "`" * 200_000,
        "~~~ \t" * 50_000,
    ],
    ids=["blocks", "within a line", "never closed", "one long fence", "spaces"],
)
async def test_code_in_much_text_is_found_in_small_steps(text: str) -> None:
    assert await in_slices(fenced(text)) == told_line_by_line(text)
    assert text.count("\n") < 1000 or sum(1 for _ in fenced(text)) > 100


@given(pieces.map("".join), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_pieces_cut_in_a_hurry_join_to_the_text_and_are_bounded(text: str, times: int) -> None:
    text = (text + "\n") * 60 * (times + 1)
    for cut in (cut_lines, cut_markdown):
        ends = [0, *(end for end, _ in cut(text, State())), len(text)]
        assert ends == sorted(set(ends)) or not text
        assert all(after - before <= 2 * PIECE for before, after in pairwise(ends))


@pytest.mark.parametrize(
    "unit", [ANSWER_TEXT, "one line ", "word\n", "- item\n", "```\ncode\n\ncode\n", "| a | b |\n", "漢字", "👩\u200d👧"]
)
def test_much_text_at_once_says_the_same_as_text_that_streams(unit: str) -> None:
    text = unit * (60_000 // len(unit))
    doc = PaneText(50)
    doc.begin(ANSWER)
    doc.append_much(text[:40_000], more=True)
    doc.append_much(text[40_000:], more=False)
    doc.finish()
    assert str(doc) == text
    words = re.findall(r"[a-z漢字]+", " ".join(shown(doc)))
    streamed = re.findall(r"[a-z漢字]+", " ".join(shown(filled(text, 50))))
    if "|" not in unit and len(unit) > 3:
        assert words == streamed


@given(pieces.map("".join), st.sampled_from(["word", "x", "**", "ER", "e w", "aa", "漢", "\u0301"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_matches_are_as_many_as_the_text_has(text: str, words: str, much: bool) -> None:
    text = text * 40 + "aaaaaaa" * 700
    doc = PaneText(30)
    doc.begin(ANSWER)
    if much:
        doc.append_much(text, more=False)
    else:
        doc.append(text)
    search = Search(doc, words)
    while not search.complete:
        search.scan(0.0)
    source = fold(text) if words == words.lower() else text
    assert search.total == source.count(words)
    found, at = [], source.find(words)
    while at >= 0:
        found.append(at)
        at = source.find(words, at + len(words))
    matches = [search.match(number) for number in range(search.total)]
    assert [match.at for match in matches if match is not None] == found
    if found:
        middle = found[len(found) // 2]
        assert search.first_from(middle) == found.index(middle)
        assert search.first_from(len(text) + 1) == 0


def test_search_goes_on_as_text_grows_and_blocks_are_sealed() -> None:
    doc = filled("a needle\n\nand ", finish=False)
    search = Search(doc, "needle")
    for count in range(2, 40):
        doc.append("a needle\n\nand ")
        search.scan(0.0)
        while not search.complete:
            search.scan(0.0)
        assert search.total == count


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 200))
def test_sums_are_those_of_the_numbers(values: list[int], total: int) -> None:
    sums = Sums(values)
    for index in range(0, len(values), 3):
        sums.add(index, 2)
        values[index] += 2
    assert [sums.before(index) for index in range(len(values) + 1)] == [sum(values[:index]) for index in range(len(values) + 1)]
    assert sums.find(total) == max(index for index in range(len(values) + 1) if sum(values[:index]) <= total)


def test_a_selection_is_what_is_shown_with_wrapped_rows_joined() -> None:
    doc = filled(ANSWER_TEXT, 24)
    everything = Selection(doc.anchor_of(0, 0), doc.anchor_of(len(doc.blocks) - 1, 10_000))
    copied = everything.text(doc)
    assert "A paragraph with strong words, code and a place that is long enough to be wrapped." in copied.split("\n")
    assert "def f(x):\n    return x" in copied
    doc.resize(70)
    assert everything.text(doc).split("\n")[:3] == copied.split("\n")[:3]


@given(st.text(st.sampled_from("ab 漢\né👩"), max_size=200), st.integers(1, 30), st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_selected_in_plain_text_is_a_piece_of_it(text: str, width: int, data: st.DataObject) -> None:
    doc = filled(text, width, TEXT, finish=False)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    chosen = Selection(Anchor(start), Anchor(end)).text(doc)
    assert chosen == "\n".join(line.rstrip(" ") for line in text[start:end].split("\n")).strip("\n")
    assert Selection(Anchor(end), Anchor(start)).text(doc) == chosen


def test_words_and_rows_are_selected_whole() -> None:
    doc = filled("one two-three https://e.org/x four", 20, TEXT)
    at = doc.anchor_of(0, 6)
    assert Selection(at, at, "words").text(doc) == "two-three"
    assert Selection(at, at, "rows").text(doc) == "one two-three"
    assert Selection(at, doc.anchor_of(0, 16), "words").text(doc) == "two-three https://e.org/x"


def test_what_is_far_from_the_view_keeps_nothing_but_its_source() -> None:
    doc = filled(ANSWER_TEXT * 200)
    for number in range(0, doc.total, 50):
        place = doc.place(number)
        assert place >= Place(0, 0)
        doc.rows(place, 20)
        doc.trim(place.block, place.block + 5)
    assert len(doc._laid) < 100
