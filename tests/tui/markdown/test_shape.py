import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.markdown.documents import documents, hostile, odd_documents, pieces
from tests.tui.markdown.test_blocks import LONG
from tests.tui.room import HOSTILE
from tui.markdown import painter
from tui.markdown import shape as module
from tui.markdown.blocks import State
from tui.markdown.lines import CODE as INDENTED
from tui.markdown.lines import FENCE as FENCED
from tui.markdown.lines import HEADING as TITLE
from tui.markdown.lines import LIST, PARAGRAPH
from tui.markdown.lines import QUOTE as QUOTED
from tui.markdown.lines import RULE as BREAK
from tui.markdown.lines import TABLE as COLUMNS
from tui.markdown.shape import STYLES, Line, Shaped, shape
from tui.markdown.shaped import CODE, FENCE, HARD, HEADING, NEVER, PLAIN, QUOTE, RULE, TABLE
from tui.safe import STRAY_JOINER, safe_link, safe_text

WORD = re.compile(r"[^\W_]+")
START = State()


def look(source: str, width: int = 80) -> list[str]:
    return [line for piece, state in pieces(source) for line in shape(piece, state, width).text.split("\n")]


def one(source: str, width: int = 80, state: State = START) -> Shaped:
    return shape(source, state, width)


def styled(shaped: Shaped) -> list[tuple[str, str]]:
    return [(shaped.text[start:end], style) for start, end, style in shaped.spans]


def linked(shaped: Shaped) -> list[tuple[str, str]]:
    return [(shaped.text[start:end], url) for start, end, url in shaped.links]


def check(shaped: Shaped, width: int) -> None:
    text = shaped.text
    assert safe_text(text) == text
    assert all(character >= " " or character == "\n" for character in text)
    assert len(shaped.lines) == text.count("\n") + 1
    assert list(shaped.spans) == sorted(shaped.spans, key=lambda span: span.start)
    assert all(0 <= start < end <= len(text) and style in STYLES for start, end, style in shaped.spans)
    assert all(0 <= start < end <= len(text) and safe_link(url) == url for start, end, url in shaped.links)
    assert all(0 <= start <= end <= len(text) for start, end, _ in shaped.code)
    for line, row in zip(shaped.lines, text.split("\n"), strict=True):
        assert cell_len(line.hang) == line.indent
        assert line.kind not in {TABLE, RULE} or width < 8 or cell_len(row) <= width
        assert (line.wrap == NEVER) == (line.kind in {TABLE, RULE, FENCE})
        assert (line.wrap == HARD) == (line.kind == CODE)


kinds = st.sampled_from((0, PARAGRAPH, TITLE, BREAK, FENCED, LIST, COLUMNS, QUOTED, INDENTED))
states = st.builds(
    State,
    kinds,
    st.booleans(),
    st.sampled_from(("```", "~~~~")),
    st.just("py"),
    st.integers(0, 9),
    st.sampled_from(("", "|a|b|\n|-|-|\n|x|y|")),
)


@given(hostile | odd_documents | st.text(), states, st.sampled_from((1, 2, 7, 20, 80)))
def test_any_text_is_shaped_into_safe_text_whatever_it_goes_on_with(text: str, state: State, width: int) -> None:
    check(shape(text, state, width), width)


@given(hostile | odd_documents | documents, st.sampled_from((5, 20, 80)))
def test_every_piece_of_any_document_is_shaped_without_a_fault(text: str, width: int) -> None:
    for piece, state in pieces(safe_text(text)):
        assert module._shape(STRAY_JOINER.sub("", piece), state, width) == shape(piece, state, width)  # which hides faults
        check(shape(piece, state, width), width)


@pytest.mark.parametrize("line", HOSTILE)
@pytest.mark.parametrize(
    "around", ["{}", "# {}", "- {}", "> {}", "`{}`", "```\n{}\n```", "| {} | b |\n|---|---|\n| c | {} |", "[{}](http://a.b)"]
)
def test_hostile_lines_stand_as_text_in_every_kind_of_block(line: str, around: str) -> None:
    for width in (3, 20, 80):
        check(one(around.replace("{}", line), width), width)


@given(
    st.lists(st.from_regex(r"[^\W_]{1,9}", fullmatch=True), min_size=1, max_size=30), st.sampled_from((" ", "\n", ", ", " (1) "))
)
def test_plain_paragraphs_keep_all_letters_and_digits(words: list[str], between: str) -> None:
    text = safe_text(between.join(words))
    assert WORD.findall(one(text).text) == WORD.findall(text)


@given(documents, st.sampled_from((20, 80)))
def test_a_document_in_blocks_shows_the_words_of_the_whole(text: str, width: int) -> None:
    assert WORD.findall("\n".join(look(text, width))) == WORD.findall(one(text, width).text)


@pytest.mark.parametrize("name", LONG)
def test_a_large_block_shows_all_its_words(name: str) -> None:
    shown = "\n".join(look(LONG[name], 60))
    assert "".join(WORD.findall(shown)) == "".join(WORD.findall(LONG[name]))


def test_headings_stand_without_their_marks() -> None:
    assert [styled(one(f"{'#' * level} Title *em* #")) for level in (1, 3, 6)] == [
        [("Title em", f"heading{min(level, 3)}"), ("em", "emphasis")] for level in (1, 3, 6)
    ]
    assert styled(one("Title\n=====\n")) == [("Title", "heading1")]
    assert one("# Title\n").lines == (Line(HEADING),)


def test_inline_styles_are_spans_and_their_marks_are_gone() -> None:
    shaped = one("a **b *c*** ~~d~~ `e_f`")
    assert shaped.text == "a b c d e_f"
    assert styled(shaped) == [("b c", "strong"), ("c", "emphasis"), ("d", "strike"), ("e_f", "code")]


def test_a_style_over_several_lines_does_not_reach_into_what_stands_before_them() -> None:
    shaped = one("> **a\n> b**")
    assert shaped.text == "│ a\n│ b"
    assert styled(shaped) == [("│ ", "quote"), ("a", "strong"), ("│ ", "quote"), ("b", "strong")]


def test_citations_stay_text() -> None:
    source = "As shown [1] and [1, 2]; see [3][4].\n\n[1]: https://a.example/one\n[2]: Title, page 3"
    assert "\n".join(look(source)) == source
    assert linked(one("**As shown [1]** and *[1, 2]*")) == []
    assert one("**As shown [1]** and *[1, 2]*").text == "As shown [1] and [1, 2]"


@pytest.mark.parametrize(
    ("source", "text", "links"),
    [
        ("[text](https://a.b/c)", "text", [("text", "https://a.b/c")]),
        ("[](https://a.b/c)", "https://a.b/c", [("https://a.b/c", "https://a.b/c")]),
        ("<http://a.b>", "http://a.b", [("http://a.b", "http://a.b")]),
        ("see https://a.b/c_(d).", "see https://a.b/c_(d).", [("https://a.b/c_(d)", "https://a.b/c_(d)")]),
        ("(http://a.b/c)", "(http://a.b/c)", [("http://a.b/c", "http://a.b/c")]),
        ("**http://a.b**", "http://a.b", [("http://a.b", "http://a.b")]),
        ("[é](https://münchen.example/ö)", "é", [("é", "https://xn--mnchen-3ya.example/%C3%B6")]),
        ("[docs](docs/a.md)", "[docs](docs/a.md)", []),
        ("[**b**](ftp://a.b)", "[b](ftp://a.b)", []),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))", []),
        ("[x](file:///etc/passwd)", "[x](file:///etc/passwd)", []),
        ("[x](https://good.example@evil.example/)", "[x](https://good.example@evil.example/)", []),
        ("<me@a.b>", "<me@a.b>", []),
        ("`http://a.b`", "http://a.b", []),
        ("![alt *x*](https://a.b/p.png)", "alt x (https://a.b/p.png)", [("https://a.b/p.png", "https://a.b/p.png")]),
        ("![](p.png)", "(p.png)", []),
        ("array[0](1)", "array[0](1)", []),
    ],
)
def test_only_plain_web_addresses_are_links(source: str, text: str, links: list[tuple[str, str]]) -> None:
    shaped = one(source)
    assert shaped.text == text
    assert linked(shaped) == links


def test_formulas_keep_the_marks_they_begin_and_end_with() -> None:
    assert look(r"so \(a + b\) and \[c\], but \* is a star") == [r"so \(a + b\) and \[c\], but * is a star"]


def test_html_is_shown_as_text_and_entities_bring_no_control_codes() -> None:
    assert one("<b>x</b> &lt;i&gt; &amp; &copy;").text == "<b>x</b> <i> & ©"
    assert one("<script>\nalert(1)\n</script>").text == "<script>\nalert(1)\n</script>"
    assert one("&#27;]0;t&#7; &#x9b;31m &#x202e;x &#10;y &#8203;z").text == "\ufffd]0;t\ufffd \ufffd31m \ufffdx  y z"


def test_lists_keep_their_numbers_and_hang_under_their_text() -> None:
    shaped = one("- a\n  b\n  1. c\n     d\n     - [x] e\n* [ ] f\n  ***\n")
    assert shaped.text == "• a\n  b\n  1. c\n     d\n     • [x] e\n• [ ] f\n  " + "─" * 78
    assert [line.hang for line in shaped.lines] == ["  ", "  ", "     ", "     ", "       ", "  ", "  "]
    assert ("1. ", "bullet") in styled(shaped)
    assert ("[x] ", "bullet") in styled(shaped)
    assert one("7) seven\n8) eight\n").text == "7) seven\n8) eight"


def test_blank_lines_stand_where_the_source_has_them() -> None:
    assert one("- a\n\n- b\n- c\n\n  d\n\n\n").text == "• a\n\n• b\n• c\n\n  d\n"
    assert look("# h\ntext\n\n\n\nmore") == ["h", "text", "", "more"]
    assert one("> a\n>\n> b").text == "│ a\n│\n│ b"
    assert one("\n\n").text == ""


def test_quotes_have_bars_also_before_further_rows() -> None:
    shaped = one("> a\n> > b\n> - c\n")
    assert shaped.text == "│ a\n│ │ b\n│ • c"
    assert shaped.lines == (Line(QUOTE, hang="│ "), Line(QUOTE, hang="│ │ "), Line(QUOTE, hang="│   "))


def test_code_keeps_its_tabs_for_copying_and_shows_them_as_spaces() -> None:
    shaped = one("```make file\nall:\n\techo **x**\n\n```\n\n")
    assert shaped.text == "make\nall:\n    echo **x**\n\n"
    assert [line.kind for line in shaped.lines] == [FENCE, CODE, CODE, CODE, PLAIN]
    assert [code.raw for code in shaped.code] == ["all:\n\techo **x**\n"]
    assert shaped.text[slice(*shaped.code[0][:2])] == "all:\n    echo **x**\n"


@pytest.mark.parametrize(
    "source", ["- x\n  ```\n  a\n    b\n  ```", "> ```\n> a\n>   b\n> ```", "    a\n      b", "```\na\n  b", "~~~\na\n  b\n~~~~\n"]
)
def test_code_is_itself_wherever_it_stands(source: str) -> None:
    assert [code.raw for code in one(source).code] == ["a\n  b"]


def test_code_of_an_open_fence_and_text_after_its_end() -> None:
    shaped = one("x = 1\n```\nafter *it*\n", state=State(FENCED, fence="```", info="python"))
    assert shaped.text == "x = 1\nafter it"
    assert [line.kind for line in shaped.lines] == [CODE, PLAIN]
    assert ("1", "number") in styled(shaped)


def test_blank_lines_of_code_that_goes_on_are_code() -> None:
    for shaped in (
        one("~~~\na\n\n\n"),
        one("a\n\n\n", state=State(FENCED, fence="```")),
        one("  a\n\n\n", state=State(LIST, fence="```", indent=2)),
    ):
        assert [line.kind for line in shaped.lines] == [CODE] * 3
        assert shaped.code[0].raw == "a\n\n"


def test_a_blank_line_after_code_stands_between_it_and_what_follows() -> None:
    assert one("```\na\n```\n\nb\n\n").text == "a\n\nb\n"
    assert one("a\n```\n\nb\n\n", state=State(FENCED, fence="```")).text == "a\n\nb\n"
    assert one("a\n```\n\n", state=State(FENCED, fence="```")).text == "a\n"
    assert one("```\na\n```\nb\n```\nc\n```\n").text == "a\nb\nc"
    assert one("  a\n  ```\n\n  b\n", state=State(LIST, fence="```", indent=2)).text == "  a\n\n  b"
    assert one("> a\n> ```\n> b\n", state=State(QUOTED, fence="```")).text == "│ a\n│ b"


def test_very_many_fences_in_a_piece_are_no_trouble() -> None:
    assert one("```\n```\n" * 500 + "end").text == "end"


def test_the_rest_of_a_long_item_hangs_under_its_text() -> None:
    state = State(LIST, fence="```", info="", indent=3)
    assert one("   a\n   ```\n   b\n\n2. c\n", state=state).text == "   a\n   b\n\n2. c"
    assert one("rest of it\n   - d\n", state=State(LIST, within=True, indent=3)).text == "   rest of it\n   • d"


def test_the_rest_of_a_long_line_begins_no_block() -> None:
    assert one("# no heading\n- no *item*\n", state=State(PARAGRAPH, within=True)).text == "# no heading\n- no item"


def test_a_rule_is_as_wide_as_there_is_room() -> None:
    assert [one("---", width).text for width in (1, 20, 200)] == ["─", "─" * 20, "─" * 80]
    assert one("---").lines == (Line(RULE, NEVER),)


@pytest.mark.parametrize(
    "source",
    ["> " * 60 + "deep", "\n".join("  " * depth + "- deep" for depth in range(40)), "[" * 4000 + "deep", "*a " * 2000 + "deep"],
)
def test_what_the_parser_cannot_take_is_shown_as_it_is(source: str) -> None:
    assert "deep" in one(source).text
    assert all(line.lstrip() for line in one(source).text.split("\n"))


def test_many_lists_within_lists_on_one_line_each_are_shown_as_they_are() -> None:
    source = "\n".join(["- - - - - deep"] * 200)
    assert one(source).text == source


def test_a_parser_that_fails_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painter, "parse_blocks", lambda source: 1 / 0)
    assert one("**a**\n\n").text == "**a**"


def test_warming_brings_what_shaping_needs() -> None:
    module.warm()
    assert styled(one("```python\nNone\n```"))[-1] == ("None", "builtin")
