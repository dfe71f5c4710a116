"""What a finished block looks like: text in lines, with named spans, links and code. Everything is plain data."""

from __future__ import annotations

from typing import Final, NamedTuple

PLAIN, HEADING, CODE, FENCE, QUOTE, TABLE, RULE = range(7)
"""What a line is; FENCE is the line above code that names its language."""

WORDS, HARD, NEVER = range(3)
"""How a line goes on when it is too long: in further rows between words, in further rows anywhere, or not at all."""

STYLES: Final = (
    *("heading1", "heading2", "heading3", "strong", "emphasis", "strike", "code", "link", "quote", "bullet", "rule"),
    *("fence", "table-head", "table-border"),
    *("kw", "name", "string", "number", "comment", "operator", "builtin", "decorator", "inserted", "deleted"),
)
"""The styles spans have. Spans may overlap: the later one is drawn over the earlier."""


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a text that have the style ``style``, one of :data:`STYLES`."""

    start: int
    end: int
    style: str


class Line(NamedTuple):
    """One line of a text."""

    kind: int = PLAIN
    wrap: int = WORDS
    hang: str = ""
    """What further rows of the line begin with: spaces, or the bars of quotes. Narrow characters only."""

    @property
    def indent(self) -> int:
        """The cells further rows are indented by."""
        return len(self.hang)


class Link(NamedTuple):
    """Characters ``start`` to ``end`` lead to ``url``, a plain http or https address that may be told to a terminal."""

    start: int
    end: int
    url: str


class Code(NamedTuple):
    """Characters ``start`` to ``end`` show code; ``raw`` is the code itself, without indentation of ours and with its tabs."""

    start: int
    end: int
    raw: str


class Shaped(NamedTuple):
    """A block as it is shown."""

    text: str
    """Its lines, with newlines between them, not after the last."""
    lines: tuple[Line, ...]
    """One for each line of the text."""
    spans: tuple[Span, ...] = ()
    """Sorted by their start."""
    links: tuple[Link, ...] = ()
    code: tuple[Code, ...] = ()
