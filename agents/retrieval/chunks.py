"""Cuts a document into passages of a given size that overlap, on paragraph and heading borders, each knowing its place.

Every line that is not blank is in at least one passage, and line numbers are those of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from agents.retrieval.documents import Document, Kind, Section, is_underline


class Chunk(msgspec.Struct, frozen=True):
    """One passage: its text, the heading it stands under, and its place in the document."""

    title: str
    text: str
    page: int | None = None
    line: int | None = None
    line_end: int | None = None


class _Unit(NamedTuple):
    """A line, or a piece of a line too long for one passage."""

    text: str
    number: int
    """Index of its line within the section."""
    level: int | None
    """Depth of the heading this line is; ``None`` for all other lines."""
    name: str = ""
    """The heading's words."""


_ATX = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_DEFINITION = re.compile(
    r"(\s*)(?:(?:export|pub|public|private|protected|static|async|abstract|default|final)\s+)*"
    r"(?:def|class|func|function|fn|interface|struct|enum|trait|impl|module)\s+(\w+(?:(?:\.|::)\w+)*)"
)
_BREAK = re.compile(r"[.!?…]['\")\]]*\s+|\s+")


def cut(document: Document, *, size: int = 900, overlap: int = 120) -> list[Chunk]:
    """Return the passages of ``document``, at most ``size`` characters each plus its line ends, in order."""
    size = max(size, 100)
    overlap = min(max(overlap, 0), size // 3)
    path: list[tuple[int, str]] = []
    chunks: list[Chunk] = []
    for section in document.sections:
        chunks += _cut_section(document, section, path, size, overlap)
    return chunks


def _cut_section(document: Document, section: Section, path: list[tuple[int, str]], size: int, overlap: int) -> list[Chunk]:
    building = _Building(document.title, section, path, size, overlap)
    for unit in _units(document.kind, section.lines, size - overlap):
        building.add(unit)
    building.flush(len(building.units))
    return building.chunks


class _Building:
    """The passage under construction and the ones finished before it."""

    def __init__(self, title: str, section: Section, path: list[tuple[int, str]], size: int, overlap: int) -> None:
        self.title, self.section, self.path, self.size, self.overlap = title, section, path, size, overlap
        self.chunks: list[Chunk] = []
        self.units: list[_Unit] = []
        self.length = 0
        """Characters of ``units``, line ends included."""
        self.repeated = 0
        """How many of ``units`` were already in the passage before."""
        self.said = False
        """Whether a line other than a heading is among the new ones."""
        self.heading = self._heading()

    def add(self, unit: _Unit) -> None:
        if unit.level is not None:
            if self.length >= self.size // 3:
                self.flush(len(self.units), repeat=False)
            while self.path and self.path[-1][0] >= unit.level:
                self.path.pop()
            self.path.append((unit.level, unit.name))
        while len(self.units) > self.repeated and self.length + len(unit.text) > self.size:
            self.flush(self._border())
        if not self.said:
            # A passage stands under the last of the headings it begins with.
            self.heading = self._heading()
        self.said = self.said or _says_something(unit)
        self.units.append(unit)
        self.length += len(unit.text) + 1

    def _heading(self) -> str:
        names = [name for _, name in self.path]
        if names and names[0] == self.title:
            names = names[1:]
        return " › ".join([self.title, *names])[:300]

    def _border(self) -> int:
        """Return after how many units to cut: at the last blank line of the second half, else at the end."""
        length = 0
        border = len(self.units)
        for index, unit in enumerate(self.units):
            length += len(unit.text) + 1
            if index > self.repeated and not unit.text.strip() and length >= self.size // 2:
                border = index + 1
        return border

    def flush(self, count: int, *, repeat: bool = True) -> None:
        """Finish the passage made of the first ``count`` units and begin the next with the end of it."""
        taken, rest = self.units[:count], self.units[count:]
        fresh = [unit for unit in taken[self.repeated :] if unit.text.strip()]
        tail: list[_Unit] = []
        if fresh:
            while taken and not taken[-1].text.strip():
                taken.pop()
            while taken and not taken[0].text.strip():
                taken.pop(0)
            first = self.section.line
            self.chunks.append(
                Chunk(
                    title=self.heading,
                    text="\n".join(unit.text for unit in taken),
                    page=self.section.page,
                    line=None if first is None else first + taken[0].number,
                    line_end=None if first is None else first + taken[-1].number,
                )
            )
            tail = self._tail(taken) if repeat else []
        self.units = tail + rest
        self.length = sum(len(unit.text) + 1 for unit in self.units)
        self.repeated = len(tail)
        self.said = any(_says_something(unit) for unit in rest)
        self.heading = self._heading()

    def _tail(self, taken: list[_Unit]) -> list[_Unit]:
        """Return the last lines of a finished passage, as many as the overlap holds; of a longer line its last words."""
        tail: list[_Unit] = []
        room = self.overlap
        for unit in reversed(taken):
            if len(unit.text) > room:
                if not tail and room:
                    words = unit.text[-room:].partition(" ")[2]
                    tail = [unit._replace(text=words, level=None)] if words.strip() else []
                break
            tail.insert(0, unit._replace(level=None))
            room -= len(unit.text) + 1
        return tail


def _says_something(unit: _Unit) -> bool:
    return unit.level is None and any(letter.isalnum() for letter in unit.text)


def _units(kind: Kind, lines: list[str], limit: int) -> Iterator[_Unit]:
    fenced = False
    marks: list[str] = []
    for number, line in enumerate(lines):
        level, name = None, ""
        if kind in {"markdown", "html"} and _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            level, name = _heading_of(kind, lines, number, marks)
        if len(line) <= limit:
            yield _Unit(line, number, level, name)
            continue
        for index, piece in enumerate(_pieces(line, limit)):
            yield _Unit(piece, number, level if index == 0 else None, name)


def _heading_of(kind: Kind, lines: list[str], number: int, marks: list[str]) -> tuple[int | None, str]:
    line = lines[number]
    if kind in {"markdown", "html"}:
        if match := _ATX.match(line):
            return len(match[1]), match[2][:120]
        if kind == "markdown" and is_underline(lines, number + 1) and lines[number + 1][0] in "=-":
            return (1 if lines[number + 1][0] == "=" else 2), line.strip()[:120]
    elif kind == "rest":
        if is_underline(lines, number + 1):
            mark = lines[number + 1][0]
            if mark not in marks:
                marks.append(mark)
            return marks.index(mark) + 1, line.strip()[:120]
    elif kind == "code" and (match := _DEFINITION.match(line)):
        return len(match[1].expandtabs(4)) // 2 + 1, match[2][:120]
    return None, ""


def _pieces(line: str, limit: int) -> Iterator[str]:
    """Cut a long line after the last sentence, else the last word, that fits; a word longer than that is cut anywhere."""
    start = 0
    while len(line) - start > limit:
        window = line[start : start + limit]
        sentence = word = 0
        for match in _BREAK.finditer(window):
            word = match.end()
            if not match[0].isspace():
                sentence = word
        end = sentence if sentence >= limit // 2 else word
        yield window[: end or limit]
        start += end or limit
    if start < len(line):
        yield line[start:]
