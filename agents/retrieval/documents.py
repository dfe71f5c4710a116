"""From bytes to a document: what kind it is, its title, and its text in sections that know where they stand.

The kind is decided by suffix, declared content type and content, and content wins where they differ. Parsing takes CPU time and
may meet hostile input: it belongs in the worker process, never on the event loop.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal, NamedTuple

from agents.errors import InputError

Kind = Literal["text", "markdown", "rest", "html", "pdf", "code"]

MAX_TEXT_BYTES = 8 * 1024 * 1024
_MAX_HTML_BYTES = 4 * 1024 * 1024

_TEXT = ".txt .text .log .csv .tsv .json .jsonl .ini .cfg .conf .yaml .yml .xml"
_CODE = """
.py .pyi .pyx .js .mjs .ts .tsx .jsx .c .h .cc .cpp .hpp .cs .go .rs .java .kt .swift .rb .php .pl .lua .sh .bash .zsh .sql .r .jl
.scala .hs .ml .ex .exs .erl .clj .el .vim .css .scss .tcss .toml .cmake .proto .zig .nim .dart
"""
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(_TEXT.split(), "text"),
    **dict.fromkeys(_CODE.split(), "code"),
    **dict.fromkeys((".md", ".markdown", ".mdx", ".qmd"), "markdown"),
    **dict.fromkeys((".rst", ".rest"), "rest"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
}

_BINARY = """
.png .jpg .jpeg .gif .webp .bmp .ico .tif .tiff .svg .svgz
.mp3 .mp4 .m4a .ogg .flac .wav .avi .mkv .mov .webm .zip .gz .bz2 .xz .zst
.tar .tgz .7z .rar .whl .jar .so .dll .dylib .exe .o .a .pyc .pyo .class .wasm .db .sqlite .sqlite3 .gguf .safetensors .onnx .pt
.bin .npy .npz .parquet .pickle .pkl .woff .woff2 .ttf .otf .eot .mo .iso .img .deb .rpm .doc .docx .xls .xlsx .ppt .pptx .odt
"""
BINARY_SUFFIXES = frozenset(_BINARY.split())
"""Passed over without being opened."""

_TYPES: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "text/markdown": "markdown",
    "text/x-rst": "rest",
}


class Section(NamedTuple):
    """Consecutive lines of a document: all of it, or one page of a PDF."""

    lines: list[str]
    line: int | None
    """Number of the first line in the file; ``None`` where lines mean nothing (HTML, PDF)."""
    page: int | None


class Document(NamedTuple):
    """A parsed document."""

    kind: Kind
    title: str
    sections: list[Section]


def kind_of(name: str, data: bytes, content_type: str | None = None) -> Kind:
    """Return what ``data`` is; raises :class:`InputError` when it is not text that can be read."""
    head = data[:2048].lstrip()
    if head.startswith(b"%PDF-"):
        return "pdf"
    suffix = PurePath(name).suffix.lower()
    declared = _SUFFIXES.get(suffix) or _TYPES.get((content_type or "").partition(";")[0].strip().lower())
    if declared == "pdf":
        raise InputError("named a PDF but it is none")
    if _is_binary(data):
        raise InputError("binary")
    if declared is not None:
        return declared
    lowered = head[:256].lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        return "html"
    return "code" if head.startswith(b"#!") else "text"


def _is_binary(data: bytes) -> bool:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    sample = data[:8192] + data[-8192:]
    if b"\0" in data:
        return True
    controls = sum(sample.count(byte) for byte in range(32) if byte not in {9, 10, 12, 13, 27})
    return controls * 50 > len(sample)


def decode(data: bytes) -> str:
    """Return ``data`` as text with ``\\n`` line ends. What is neither UTF-8 nor UTF-16 with a mark is read as Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def clean(text: str) -> str:
    """Return ``text`` without what a database cannot hold: lone surrogates become ``?``, NUL is left out."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def parse(data: bytes, name: str, content_type: str | None = None, *, pdf_seconds: float = 30.0) -> Document:
    """Return the document in ``data``; raises :class:`InputError` with a short reason when there is no text to be had.

    ``name`` is a path or URL: its suffix counts and its last part is the title of a document that gives none itself.
    ``pdf_seconds`` is the wall time a PDF may take.
    """
    if not data.strip():
        raise InputError("empty")
    kind = kind_of(name, data, content_type)
    fallback = PurePath(name.rstrip("/")).name or name
    if kind == "pdf":
        from agents.retrieval.pdf import read_pdf

        pages = read_pdf(data, wall=pdf_seconds)
        sections = [Section(clean(page).split("\n"), None, number) for number, page in enumerate(pages, 1) if page.strip()]
        if not sections:
            raise InputError("a PDF without text: scanned pages need text recognition first")
        return Document(kind, fallback, sections)
    if len(data) > MAX_TEXT_BYTES:
        raise InputError(f"too large: {len(data) / 1e6:.1f} MB of text, at most {MAX_TEXT_BYTES / 1e6:.1f} MB are read")
    if kind == "html":
        title, text = _read_html(data)
        return Document(kind, title or fallback, [Section(text.split("\n"), None, None)])
    lines = decode(data).split("\n")
    if not any(line.strip() for line in lines):
        raise InputError("empty")
    return Document(kind, _title(kind, lines) or fallback, [Section(lines, 1, None)])


def _title(kind: Kind, lines: list[str]) -> str | None:
    for index, line in enumerate(lines[:40]):
        if kind == "markdown" and (match := re.match(r"#\s+(.+?)\s*#*$", line)):
            return match[1].strip()[:200]
        if is_underline(lines, index + 1) and (kind == "rest" or (kind == "markdown" and lines[index + 1][0] == "=")):
            return line.strip()[:200]
    return None


def is_underline(lines: list[str], index: int) -> bool:
    """Tell whether the line at ``index`` is the underline that makes the line before it a title (reST, setext)."""
    if not 0 < index < len(lines):
        return False
    mark = lines[index].rstrip()
    above = lines[index - 1].rstrip()
    return (
        len(mark) >= max(3, min(len(above), 60))
        and mark[0] in "=-~^\"'`#*+:."
        and mark == mark[0] * len(mark)
        and bool(above.strip())
        and any(letter.isalnum() for letter in above)
    )


def _read_html(data: bytes) -> tuple[str | None, str]:
    import logging

    from lxml import etree, html  # type: ignore[import-untyped]  # lxml ships no types

    if len(data) > _MAX_HTML_BYTES:
        raise InputError(f"too large: {len(data) / 1e6:.1f} MB of HTML, at most {_MAX_HTML_BYTES / 1e6:.1f} MB are read")
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    text = trafilatura.extract(
        decode(data), output_format="markdown", include_links=False, include_images=False, include_tables=True
    )
    title: str | None = None
    try:
        tree = html.document_fromstring(decode(data).encode(), parser=html.HTMLParser(encoding="utf-8", huge_tree=False))
    except (etree.LxmlError, ValueError):
        tree = None
    if tree is not None:
        title = " ".join((tree.findtext(".//title") or "").split())[:200] or None
        if not text:
            etree.strip_elements(tree, "script", "style", "template", "noscript", with_tail=False)
            text = "\n".join(line.strip() for line in tree.text_content().split("\n"))
    if not text or not text.strip():
        raise InputError("an HTML page without text")
    return (clean(title) if title else None), clean(text)
