"""The text of a block while it is put together: prefixes of quotes and lists, and styles that stay open over several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.markdown.shaped import PLAIN, WORDS, Code, Line, Link, Shaped, Span
from tui.safe import safe_link, safe_text
from tui.urls import address_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDEST_PREFIX: Final = 24
"""Cells lists and quotes may take of a line: deeper ones stand where this ends."""
_BLANKS: Final = str.maketrans("\t\n", "  ")


class Cell(NamedTuple):
    """Text with its spans and links, to be placed somewhere."""

    text: str
    spans: tuple[Span, ...]
    links: tuple[Link, ...]


class _Container:
    __slots__ = ("first", "rest", "style", "used")

    def __init__(self, first: str, rest: str, style: str, *, used: bool) -> None:
        self.first, self.rest, self.style, self.used = first, rest, style, used


class Draft:
    """Collects lines, spans, links and code."""

    in_cell = False
    """Whether it is the text of a table's cell."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._parts: list[str] = []
        self._size = 0
        self._spans: list[Span] = []
        self._links: list[Link] = []
        self._code: list[Code] = []
        self._containers: list[_Container] = []
        self._open: list[tuple[int, str, str]] = []
        """Start, style and address of what goes on."""
        self._item_begun = False

    @property
    def quoted(self) -> bool:
        """Whether a quote is open."""
        return any(container.style == "quote" for container in self._containers)

    @property
    def in_item(self) -> bool:
        """Whether the line that was begun is the first of a list's item."""
        return self._item_begun

    @property
    def is_fresh(self) -> bool:
        """Whether a quote or an item was begun that has no line yet: nothing stands between it and what comes."""
        return bool(self._containers) and not self._containers[-1].used

    @property
    def inset(self) -> int:
        """The cells that prefixes take of the next line."""
        return sum(len(container.rest if container.used else container.first) for container in self._containers)

    # Lines

    def begin(self, kind: int = PLAIN, wrap: int = WORDS) -> None:
        """Begin a line, with the prefixes of what is open."""
        going_on = [(style, url) for _, style, url in self._open]
        while self._open:
            self.leave()
        if self.lines:
            self._add("\n")
        hang = "".join(container.rest for container in self._containers)
        self.lines.append(Line(kind, wrap, hang))
        self._item_begun = any(not container.used and container.style == "bullet" for container in self._containers)
        for container in self._containers:
            start = self._size
            self._add(container.rest if container.used else container.first)
            container.used = True
            if container.style:
                self._mark(start, container.style, "")
        for style, url in going_on:
            self.enter(style, url)

    def blank(self) -> None:
        """Add an empty line, with the bars of quotes that go on."""
        shown = [container for container in self._containers if container.used]
        if self.lines:
            self._add("\n")
        start = self._size
        self._add("".join(container.rest for container in shown).rstrip())
        self._mark(start, "quote", "")
        self.lines.append(Line(PLAIN, WORDS))

    def contain(self, first: str, rest: str, style: str = "", *, used: bool = False) -> None:
        """Put ``first`` before the next line from now on, and ``rest`` before those after it."""
        room = _WIDEST_PREFIX - sum(len(container.rest) for container in self._containers)
        self._containers.append(_Container(first, rest if len(rest) <= room else "", style, used=used))

    def release(self) -> None:
        """End what :meth:`contain` began last. One that had no line gets one."""
        if not self._containers[-1].used:
            self.begin()
        self._containers.pop()

    # Text

    def put(self, text: str, style: str = "") -> None:
        """Add ``text``, made safe and kept on this line."""
        start = self._size
        self._add(safe_text(text).translate(_BLANKS))
        if style:
            self._mark(start, style, "")

    def put_text(self, text: str) -> None:
        """Add prose: addresses in it become links, unless they stand in one."""
        if "://" not in text or any(url for _, _, url in self._open):
            self.put(text)
            return
        at = 0
        for start, end in address_spans(text):
            self.put(text[at:start])
            self.put_link(text[start:end], text[start:end])
            at = end
        self.put(text[at:])

    def put_link(self, text: str, url: str) -> None:
        """Add ``text`` that leads to ``url``, or only the text if that is nothing to follow."""
        start = self._size
        self.put(text)
        if safe_link(url) is not None:
            self._mark(start, "link", url)

    def enter(self, style: str, url: str = "") -> None:
        """Begin a style, and a link if there is an address, until :meth:`leave`."""
        self._open.append((self._size, style, url))

    def leave(self) -> None:
        """End what was begun last."""
        if self._open:
            self._mark(*self._open.pop())

    def place(self, cell: Cell, start: int, end: int) -> None:
        """Add the characters ``start`` to ``end`` of ``cell``, with what they have of its spans and links."""
        if start == end:
            return
        shift = self._size - start
        for first, last, style in cell.spans:
            if first < end and last > start:
                self._spans.append(Span(max(first, start) + shift, min(last, end) + shift, style))
        for first, last, url in cell.links:
            if first < end and last > start:
                self._links.append(Link(max(first, start) + shift, min(last, end) + shift, url))
        self._add(cell.text[start:end])

    def code(self, raw: str, lines: Iterator[tuple[str, list[Span]]], kind: int, wrap: int) -> None:
        """Add the lines of a block of code; their spans count from the start of each."""
        first = -1
        for text, spans in lines:
            self.begin(kind, wrap)
            start = self._size
            first = start if first < 0 else first
            self._add(text)
            self._spans.extend(Span(start + begin, start + end, style) for begin, end, style in spans)
        if first >= 0:
            self._code.append(Code(first, self._size, raw))

    # Results

    def shaped(self) -> Shaped:
        """Return the block."""
        while self._open:
            self.leave()
        spans = sorted(self._spans, key=lambda span: (span.start, -span.end))
        lines = tuple(self.lines) or (Line(),)
        return Shaped("".join(self._parts), lines, tuple(spans), tuple(sorted(self._links)), tuple(self._code))

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)

    def _mark(self, start: int, style: str, url: str) -> None:
        if start < self._size:
            self._spans.append(Span(start, self._size, style))
            if url:
                self._links.append(Link(start, self._size, url))


class CellDraft(Draft):
    """Collects the text of one cell of a table."""

    in_cell = True

    def begin(self, kind: int = PLAIN, wrap: int = WORDS) -> None:
        """Begin a further line within the cell."""
        del kind, wrap
        self._add("\n")

    def cell(self) -> Cell:
        """Return what was put here."""
        shaped = self.shaped()
        return Cell(shaped.text, shaped.spans, shaped.links)
