from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InputError
from agents.retrieval.documents import decode, kind_of, parse
from tests.agents.retrieval.stage import make_pdf

PDF = make_pdf(["hello there"])


@pytest.mark.parametrize(
    ("name", "data", "content_type", "kind"),
    [
        ("a.md", b"# x", None, "markdown"),
        ("a.rst", b"x", None, "rest"),
        ("a.PY", b"x = 1", None, "code"),
        ("a.html", b"<p>x", None, "html"),
        ("a.txt", PDF, None, "pdf"),
        ("a", b"<!DOCTYPE html><p>x", None, "html"),
        ("a", b"  <html>", None, "html"),
        ("a", b"#!/bin/sh\n", None, "code"),
        ("a", b"plain", None, "text"),
        ("a.unknown", b"plain", None, "text"),
        ("https://h.test/", b"plain", "text/html; charset=utf-8", "html"),
        ("https://h.test/x", b"# x", "text/markdown", "markdown"),
        ("a.txt", "é".encode("utf-16"), None, "text"),
    ],
)
def test_what_a_document_is_follows_from_name_type_and_content(name: str, data: bytes, content_type: str | None, kind: str) -> None:
    assert kind_of(name, data, content_type) == kind


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.py", b"x = 1\0", "binary"),
        ("a", bytes(range(1, 9)) * 50, "binary"),
        ("a.pdf", b"not one", "none"),
        ("a.txt", b" \n\t ", "empty"),
        ("a.html", b"<html><body><script>1</script></body></html>", "without text"),
        ("a.txt", b"x" * (8 * 1024 * 1024 + 1), "too large"),
        ("a.html", b"<p>" + b"x" * (4 * 1024 * 1024), "too large"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse(data, name)


@given(st.binary(max_size=300))
def test_any_bytes_are_text_that_a_database_can_hold_or_refused(data: bytes) -> None:
    text = decode(data)
    assert "\0" not in text
    assert "\r" not in text
    text.encode()


def test_line_numbers_are_those_of_the_file_whatever_its_line_ends() -> None:
    document = parse(b"one\r\ntwo\rthree\nfour", "a.txt")
    assert document.sections[0].lines == ["one", "two", "three", "four"]
    assert document.sections[0].line == 1


def test_form_feeds_and_unicode_separators_do_not_shift_line_numbers() -> None:
    assert len(parse("a\x0cb\u2028c\x85d\ne".encode(), "a.txt").sections[0].lines) == 2


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("folder/a.md", "intro\n# The Title #\n", "The Title"),
        ("a.md", "The Title\n=========\n", "The Title"),
        ("a.rst", ".. note::\n\nThe Title\n---------\n", "The Title"),
        ("folder/a.txt", "# not Markdown", "a.txt"),
        ("https://h.test/guide/", "text", "guide"),
    ],
)
def test_a_document_has_the_title_it_gives_itself_or_its_name(name: str, text: str, title: str) -> None:
    assert parse(text.encode(), name).title == title


def test_an_html_page_gives_its_article_without_scripts_and_navigation() -> None:
    body = "".join(f"<p>Paragraph {n} tells at length about cats and what they do all day.</p>" for n in range(8))
    head = "<html><head><title> The  page </title></head><body><nav>Home | About</nav>"
    page = f"{head}<h2>Cats</h2>{body}<script>evil()</script></body>"
    document = parse(page.encode(), "p.html")
    text = "\n".join(document.sections[0].lines)
    assert document.title == "The page"
    assert "Paragraph 7" in text
    assert "evil" not in text
    assert document.sections[0].line is None


def test_a_short_html_page_is_read_too() -> None:
    assert "just this" in "\n".join(parse(b"<html><body><p>just this</p></body></html>", "p.html").sections[0].lines)


def test_deeply_nested_html_is_read_or_refused_but_does_not_break() -> None:
    page = b"<html><body>" + b"<div>" * 20_000 + b"<p>deep text</p>"
    with suppress(InputError):
        assert "deep text" in "\n".join(parse(page, "p.html").sections[0].lines)


def test_the_pages_of_a_pdf_keep_their_numbers_and_empty_ones_are_left_out() -> None:
    document = parse(make_pdf(["first page", "", "third page"]), "a.pdf")
    assert [(section.page, section.lines) for section in document.sections] == [(1, ["first page"]), (3, ["third page"])]
    assert document.title == "a.pdf"
