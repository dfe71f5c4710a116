from __future__ import annotations

import zlib

import pytest

from agents.errors import InputError
from agents.retrieval.documents import parse
from agents.retrieval.pdf import child_environment, read_pdf
from tests.agents.retrieval.stage import assemble, make_pdf


def slow_pdf() -> bytes:
    """A few kilobytes that ask for many seconds: one compressed page of many small texts, shown again and again."""
    stream = zlib.compress(b"BT /F1 12 Tf (a) Tj ET\n" * 40_000, 9)
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R /Resources << /Font << /F1 "
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
    )
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%b] /Count 200 >>" % (b"4 0 R " * 200),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream),
            page,
        ]
    )


def test_pages_come_in_order() -> None:
    assert [page.strip() for page in read_pdf(make_pdf(["one", "two"]))] == ["one", "two"]


def test_a_bomb_is_killed_by_its_cpu_limit() -> None:
    bomb = slow_pdf()
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match=r"1 s of CPU"):
        read_pdf(bomb, cpu=1, wall=50)


def test_a_pdf_that_takes_too_long_by_the_clock_is_given_up() -> None:
    with pytest.raises(InputError, match="longer than"):
        read_pdf(slow_pdf(), wall=0.3)


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.4\nrubbish" * 100, make_pdf(["x"])[:200]])
def test_a_broken_pdf_is_one_line(data: bytes) -> None:
    with pytest.raises(InputError) as error:
        parse(data, "a.pdf")
    assert "PDF" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_child_knows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY")
    monkeypatch.setenv("LAB_TOKEN", "sk-CANARY")
    assert "sk-CANARY" not in child_environment().values()
