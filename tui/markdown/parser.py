"""The Markdown parser, set up once: what it reads, and what would take it too long."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_DEEPEST: Final = 60
"""Levels of tokens the parser goes down; what is deeper, it would drop."""
_MARKS: Final = re.compile(r"[*_`~!<&\\]")
_MOST_MARKS: Final = 1000
_MOST_BRACKETS: Final = 300
_MOST_ENTITIES: Final = 200
_MOST_UNCLOSED: Final = 20
_MOST_PICTURES: Final = 20
_MOST_CELLS: Final = 600
_DEEP: Final = re.compile(r"^[ \t]*(?:(?:>|[-+*]|\d{1,9}[.)])[ \t]*){13}|^[ \t>]{36}", re.MULTILINE)
_NESTED: Final = re.compile(r"^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+){4}", re.MULTILINE)
_MOST_NESTED: Final = 30
"""Lines that open four lists and more at once."""
_DELIMITERS: Final = re.compile(r"^[ \t>]*\|?[ \t]*:?-+:?[ \t]*\|", re.MULTILINE)


@lru_cache(1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    parser.enable(["table", "strikethrough"])
    # Definitions of links would vanish, and with them the sources an answer lists at its end.
    parser.disable("reference")
    parser.inline.ruler.before("escape", "formula", _formula)
    return parser


def _formula(state: StateInline, silent: bool) -> bool:  # the parser's own signature
    r"""Keep the backslash of ``\(``, ``\)``, ``\[`` and ``\]``: models begin and end formulas with them."""
    mark = state.src[state.pos : state.pos + 2]
    if len(mark) < 2 or mark[0] != "\\" or mark[1] not in "()[]":
        return False
    if not silent:
        state.pending += mark
    state.pos += 2
    return True


def parse_blocks(source: str) -> Sequence[Token]:
    """Return the tokens of ``source``."""
    return _parser().parse(source)


def parse_inline(source: str) -> Sequence[Token]:
    """Return the tokens of ``source`` taken as the text of one paragraph."""
    return _parser().parseInline(source)[0].children or ()


def is_dear(source: str) -> bool:
    """Tell whether parsing ``source``, a piece of a few thousand characters, may take long or lose text.

    The parser is quadratic in brackets, slow with addresses and entities, fills up the rows of a table with empty cells, and
    drops what is nested too deeply.
    """
    return (
        source.count("[") > min(_MOST_BRACKETS, source.count("]") + _MOST_UNCLOSED)
        or source.count("![") > _MOST_PICTURES
        or source.count("<") + source.count("&") > _MOST_ENTITIES
        or len(_MARKS.findall(source)) > _MOST_MARKS
        or _DEEP.search(source) is not None
        or len(_NESTED.findall(source)) > _MOST_NESTED
        or ("|" in source and _DELIMITERS.search(source) is not None and _cells(source) > _MOST_CELLS)
    )


def _cells(source: str) -> int:
    rows = source.split("\n")
    return len(rows) * max(row.count("|") for row in rows)
