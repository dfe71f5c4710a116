from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.retrieval.chunks import cut
from agents.retrieval.documents import Document, Kind, Section, parse

KINDS: tuple[Kind, ...] = ("text", "markdown", "rest", "code")

lines = st.lists(
    st.one_of(
        st.just(""),
        st.sampled_from(["# One", "## Two", "Title", "=====", "-----", "```", "def f():", "    class B:", "- item", "   "]),
        st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=400),
        st.text("ab .", min_size=300, max_size=1500),
    ),
    max_size=60,
)


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=150, deadline=None)
@given(lines, st.sampled_from(KINDS), st.integers(100, 900), st.integers(0, 200))
def test_every_line_is_in_a_passage_and_every_passage_says_truly_which_lines_it_is(
    content: list[str], kind: Kind, size: int, overlap: int
) -> None:
    chunks = cut(Document(kind, "t", [Section(content, 1, None)]), size=size, overlap=overlap)
    covered: set[int] = set()
    for chunk in chunks:
        assert chunk.text.strip()
        assert chunk.line is not None
        assert chunk.line_end is not None
        source = content[chunk.line - 1 : chunk.line_end]
        covered |= set(range(chunk.line, chunk.line_end + 1))
        # A long line is cut into pieces, each on a line of its own: apart from white space the passage is a stretch of its lines.
        assert squeezed(chunk.text) in squeezed("".join(source))
        assert squeezed(source[0])
        assert squeezed(source[-1])
        assert len(chunk.text.replace("\n", "")) <= size
    assert {number for number, line in enumerate(content, 1) if line.strip()} <= covered


@settings(max_examples=100, deadline=None)
@given(lines, st.sampled_from(KINDS))
def test_without_overlap_the_passages_are_the_document(content: list[str], kind: Kind) -> None:
    chunks = cut(Document(kind, "t", [Section(content, 1, None)]), size=300, overlap=0)
    assert squeezed("".join(chunk.text for chunk in chunks)) == squeezed("".join(content))


def test_passages_overlap_by_whole_lines_when_lines_are_short() -> None:
    content = [f"line number {number} of a long list of lines" for number in range(100)]
    chunks = cut(Document("text", "t", [Section(content, 1, None)]), size=900, overlap=120)
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        assert before.line_end is not None
        assert after.line is not None
        assert 0 < before.line_end - after.line + 1 <= 4


def test_a_passage_is_cut_at_a_paragraph_when_one_ends_in_its_second_half() -> None:
    content = ["a" * 600, "", "b" * 600]
    first, second = cut(Document("text", "t", [Section(content, 1, None)]), size=900, overlap=0)
    assert (first.text, first.line_end) == ("a" * 600, 1)
    assert (second.text, second.line) == ("b" * 600, 3)


@pytest.mark.parametrize(
    ("name", "text", "titles"),
    [
        ("a.md", "# Book\n\n## Part\n\n" + "word " * 100 + "\n\n## Next\n\n" + "word " * 100, ["Book › Part", "Book › Next"]),
        ("a.md", "# Book\n\n```\n# not a heading\n```\n", ["Book"]),
        ("a.md", "Book\n====\n\nPart\n----\n\n" + "word " * 100, ["Book › Part"]),
        (
            "a.rst",
            "Book\n====\n\nPart\n~~~~\n\n" + "word " * 100 + "\n\nNext\n~~~~\n\n" + "word " * 90,
            ["Book › Part", "Book › Next"],
        ),
        ("a.py", "class A:\n    def f(self):\n" + "        x = 1\n" * 40, ["a.py › A › f"]),
    ],
)
def test_a_passage_stands_under_its_headings(name: str, text: str, titles: list[str]) -> None:
    chunks = cut(parse(text.encode(), name), size=700)
    assert [chunk.title for chunk in chunks] == titles


def test_pages_are_cut_apart_and_keep_their_numbers() -> None:
    document = Document("pdf", "t", [Section(["one"], None, 1), Section(["three"], None, 3)])
    assert [(chunk.text, chunk.page, chunk.line) for chunk in cut(document)] == [("one", 1, None), ("three", 3, None)]


def test_a_hundred_thousand_lines_are_cut_in_linear_time() -> None:
    content = ["", "x"] * 50_000
    chunks = cut(Document("text", "t", [Section(content, 1, None)]))
    assert sum(chunk.text.count("x") for chunk in chunks) >= 50_000
