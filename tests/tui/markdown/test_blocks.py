from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.markdown.documents import documents, hostile, odd_documents, pieces
from tui.markdown.blocks import LARGEST, MOST_LINES, BlockSplitter, State
from tui.markdown.lines import FENCE, LIST, PARAGRAPH, QUOTE, TABLE, core_of, kind_of
from tui.markdown.parser import parse_blocks

Seen = tuple[str, str, str, str]


def sources(text: str) -> list[str]:
    return [piece for piece, _ in pieces(text)]


def structure(*sources: str) -> list[Seen]:
    seen: list[Seen] = []
    for token in (token for source in sources for token in parse_blocks(source)):
        if token.type.endswith("list_open") and seen and seen[-1][::3] == (token.type.replace("open", "close"), token.markup):
            seen.pop()  # a list that was cut between items
        else:
            seen.append((token.type, token.info, token.content, token.markup))
    return seen


@given(documents | odd_documents | hostile, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_the_cuts_are_the_same_however_the_text_came(text: str, sizes: list[int]) -> None:
    whole = pieces(text)
    assert "".join(piece for piece, _ in whole) == text
    assert pieces(text, cycle([1])) == whole
    assert pieces(text, cycle(sizes)) == whole


@given(documents)
def test_blocks_end_where_the_parser_ends_them(text: str) -> None:
    assert structure(*sources(text)) == structure(text)


LONG: dict[str, str] = {
    "fence": "```python\n" + "value = 1  # comment\n" * 1000 + "```\nafter\n",
    "short lines": "```\n" + "x\n" * 1000 + "```\n\nafter\n",
    "list": "".join(f"{number}. item with some text\n" for number in range(1000)) + "\nafter\n",
    "loose list": "- item\n\n  more of it\n\n" * 500,
    "one item": "- item\n\n" + "  more of it with words\n\n" * 500,
    "fence in item": "- item\n  ```rust\n" + "  let a = 1;\n" * 900 + "  ```\n  end\n- next\n",
    "table": "| a | b |\n|---|--:|\n" + "| cell | 1 |\n" * 900 + "\nafter\n",
    "quote": "> words in a quote\n" * 900,
    "fence in quote": "> ```c\n" + "> int a;\n" * 900 + "> ```\n> end\n",
    "paragraph": "words of a line\n" * 900,
    "line": "word " * 5000,
    "line without spaces": "x" * 20_000 + "\nnext\n",
    "joined": "👩\u200d👩\u200d👧e\u0301" * 2000,
    "heading": "# " + "word " * 3000 + "\ntext\n",
    "indented": "    code\n" * 1000,
    "long rows": "| a | b |\n|---|---|\n" + f"| {'word ' * 1000} | 1 |\n" * 3,
    "blank lines": "text" + "\n" * 2000 + "text\n",
}


@pytest.mark.parametrize("name", LONG)
def test_a_large_block_is_cut_the_same_however_it_came_and_into_small_pieces(name: str) -> None:
    text = LONG[name]
    whole = pieces(text)
    assert "".join(piece for piece, _ in whole) == text
    assert all(len(piece) <= LARGEST + 1 and piece.count("\n") <= MOST_LINES for piece, _ in whole)
    assert pieces(text, cycle([7])) == whole
    assert pieces(text, cycle([1000, 3])) == whole


def states(name: str) -> list[State]:
    return [state for _, state in pieces(LONG[name])]


def test_a_long_fence_goes_on_as_code_of_its_language_and_ends_at_its_mark() -> None:
    cut = pieces(LONG["fence"])
    assert cut[0][1] == State()
    assert {state for _, state in cut[1:-1]} == {State(FENCE, fence="```", info="python")}
    assert cut[-2][0].endswith("```\n")
    assert cut[-1] == ("after\n", State())


def test_a_long_list_is_cut_between_items_and_starts_anew() -> None:
    cut = pieces(LONG["list"])
    assert all(state == State() for _, state in cut)
    assert all(piece.split(".")[0].isdigit() for piece, _ in cut[:-1])
    assert sources(LONG["loose list"])[0].endswith("\n\n")


def test_a_long_item_goes_on_with_its_indentation_and_the_fence_in_it() -> None:
    assert set(states("one item")[1:]) == {State(LIST, indent=2)}
    assert set(states("fence in item")[1:-1]) == {State(LIST, fence="```", info="rust", indent=2)}


def test_a_long_table_goes_on_with_its_first_piece_for_the_columns() -> None:
    cut = pieces(LONG["table"])
    assert {state for _, state in cut[1:-1]} == {State(TABLE, head=cut[0][0])}
    assert all(piece.startswith("| cell") for piece, _ in cut[1:-1])


def test_a_long_quote_goes_on_with_the_fence_in_it() -> None:
    assert set(states("quote")[1:]) == {State(QUOTE)}
    assert set(states("fence in quote")[1:]) == {State(QUOTE, fence="```", info="c")}


def test_a_long_line_is_cut_between_words_and_characters_are_kept_whole() -> None:
    words = pieces(LONG["line"])
    assert all(piece.endswith("word ") for piece, _ in words)
    assert {state for _, state in words[1:]} == {State(PARAGRAPH, within=True)}
    assert not any(piece[0] in "\u200d\u0301" or piece.endswith("\u200d") for piece in sources(LONG["joined"]))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("one\n\n\ntwo", ["one\n\n\n"]),
        ("one\n\n ", []),
        ("# head\nt", ["# head\n"]),
        ("- a\n\nT", ["- a\n\n"]),
        ("- a\n\n**B", ["- a\n\n"]),
        ("- a\n\n*", []),
        ("- a\n\n  m", []),
        ("1. a\n\n2", []),
        ("1. a\n\n2x", ["1. a\n\n"]),
        ("```\n# no\n\nno\n", []),
        ("```\nx\n```\nt", ["```\nx\n```\n"]),
        ("text\n| a | b |\n|---|---|\n", ["text\n"]),
        ("    code\n\nt", ["    code\n\n"]),
        ("> a\n\n> b", ["> a\n\n"]),
        ("\n\ntext", []),
    ],
)
def test_an_end_is_told_as_soon_as_it_is_sure_and_blank_lines_belong_to_the_block_before(text: str, ends: list[str]) -> None:
    splitter, found = BlockSplitter(), []
    for size in range(1, len(text) + 1):
        found = splitter.feed(text[:size])
    assert [text[:end] for end in found] == ends


def test_ends_are_told_again_until_they_are_cut_and_count_from_the_cut() -> None:
    splitter = BlockSplitter()
    text = "# a\n# b\n# c\n"
    assert splitter.feed(text) == splitter.feed(text) == [4, 8]
    splitter.cut(4)
    assert splitter.feed(text[4:]) == [4]
    with pytest.raises(ValueError, match="no block ends at 3"):
        splitter.cut(3)
    splitter.cut(4)
    assert splitter.feed(text[8:]) == []


def test_several_blocks_may_be_taken_away_at_once() -> None:
    splitter = BlockSplitter()
    assert splitter.feed("# a\n# b\n# c\n") == [4, 8]
    splitter.cut(8)
    assert splitter.feed("# c\ntext") == [4]


def test_a_line_is_looked_at_once_however_many_pieces_it_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(line: str) -> int:
        looks.append(line)
        return kind_of(line)

    monkeypatch.setattr("tui.markdown.blocks.kind_of", look)
    text = "# head\n\n" * 100
    pieces(text, cycle([1]))
    assert looks == ["# head"] * 100


def test_marks_on_a_line_are_looked_behind_so_far_and_no_further() -> None:
    assert core_of("> - 1. text") == "text"
    assert core_of("* " * 500 + "text").startswith("* * ")
