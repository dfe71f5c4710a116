"""What one line of Markdown begins, told from the line alone, and where a long one may be cut: what finding blocks needs."""

from __future__ import annotations

import re
from typing import Final

PARAGRAPH, HEADING, RULE, FENCE, LIST, TABLE, QUOTE, CODE = range(1, 9)
"""What a block is; 0 is no block."""

TAB: Final = 4

JOINED: Final = re.compile("[\u0300-\u036f\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
"""A code point that belongs to the character before it: nothing is cut in front of one."""
_LONGEST_JOINED: Final = 32
_DEEPEST: Final = 32
"""Marks of a line that are looked behind: each costs as much as the line is long."""

_FENCE: Final = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})[ \t]*([^\n]*)")
_HEADING: Final = re.compile(r"[ \t]*#{1,6}(?=[ \t]|$)")
_RULE: Final = re.compile(r"[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE: Final = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_MARKER: Final = re.compile(r"([-+*]|\d{1,9}[.)])([ \t]+|$)")
_TEXT: Final = re.compile(r" {0,3}[^\s#>\-+*=_`~|:0-9]")
_DELIMITERS: Final = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_NO_ITEM: Final = re.compile(r"[-+*][^\s\-*]|\*\*[^\s*]|--[^\s\-]|\d{1,9}[^\d.)]|\d{1,9}[.)]\S|\d{10}|[^-+*\d]")


def indent_of(line: str) -> int:
    """Return the cells of white space ``line`` begins with."""
    rest = line.lstrip(" ")
    cells = len(line) - len(rest)
    if rest[:1] != "\t":
        return cells
    for mark in rest:
        if mark == "\t":
            cells += TAB - cells % TAB
        elif mark == " ":
            cells += 1
        else:
            break
    return cells


def is_text(line: str) -> bool:
    """Tell whether ``line`` surely begins nothing but text. Cheap, and right for most lines."""
    return _TEXT.match(line) is not None


def is_underline(line: str) -> bool:
    """Tell whether ``line`` makes a heading of the lines above it."""
    return _UNDERLINE.match(line) is not None


def is_closing(line: str, fence: str) -> bool:
    """Tell whether ``line`` closes a fence that ``fence`` opened. Its indentation is not looked at."""
    bare = line.strip(" \t")
    return bare.startswith(fence) and not bare.strip(fence[0])


def no_item(rest: str) -> bool:
    """Tell whether a line whose text begins with ``rest`` is surely no list item and no rule, whatever follows."""
    return _NO_ITEM.match(rest) is not None


def fence_of(line: str) -> tuple[str, str] | None:
    """Return marker and info of the fence that ``line`` opens, at any indentation."""
    match = _FENCE.match(line)
    return (match[1], match[2].strip()) if match else None


def item_of(line: str) -> tuple[str, int, bool] | None:
    """Return what the list item that ``line`` begins is, None if it begins none.

    That is the kind of list (``-``, ``+``, ``*``, ``.`` or ``)``), the cells before the content, and whether the item may break a
    paragraph.
    """
    rest = line.lstrip(" \t")
    match = _MARKER.match(rest)
    if match is None:
        return None
    marker, space = match[1], match[2]
    before = indent_of(line) + len(marker)
    gap = indent_of(space) if "\t" not in space else TAB - before % TAB
    empty = match.end() == len(rest)
    content = before + (gap if 1 <= gap <= TAB and not empty else 1)
    return marker[-1], content, not empty and (not marker[0].isdigit() or marker[:-1] == "1")


def kind_of(line: str) -> int:
    """Return what block the non-blank ``line`` begins where no block is open."""
    if is_text(line):
        return PARAGRAPH
    if indent_of(line) >= TAB:
        return CODE
    return marked(line) or PARAGRAPH


def marked(line: str) -> int:
    """Return what block the marks at the start of ``line`` begin, 0 for text."""
    first = line.lstrip(" \t")[:1]
    if first in {"`", "~"}:
        return FENCE if _FENCE.match(line) else 0
    if first == "#":
        return HEADING if _HEADING.match(line) else 0
    if first == ">":
        return QUOTE
    if first in {"-", "*", "_"} and _RULE.match(line):
        return RULE
    return LIST if item_of(line) else 0


def core_of(line: str) -> str:
    """Return ``line`` without the marks of the quotes and list items it begins or goes on with, the deepest aside."""
    for _ in range(_DEEPEST):
        kind = marked(line)
        line = line.lstrip(" \t")
        if kind == QUOTE:
            line = line[1:]
        elif kind == LIST:
            line = line.partition(" ")[2]
        else:
            break
    return line


def breaks_paragraph(line: str) -> bool:
    """Tell whether ``line`` ends a paragraph that stands directly above it, as the start of another block."""
    kind = marked(line) if indent_of(line) < TAB else 0
    if kind != LIST:
        return kind != 0
    item = item_of(line)
    return item is not None and item[2]


def columns_of(header: str, delimiters: str) -> int:
    """Return how many columns the table has that the two lines begin, 0 if they begin none."""
    if "|" not in header or len(delimiters.strip()) < 2 or _DELIMITERS.match(delimiters) is None or indent_of(header) >= TAB:
        return 0
    columns = _columns(header)
    return columns if columns == _columns(delimiters) else 0


def _columns(row: str) -> int:
    row = row.strip().replace("\\|", "")
    return row.count("|") + 1 - row.startswith("|") - row.endswith("|")


def between_words(text: str, start: int, end: int) -> int:
    """Return where to cut a long line: after the last space before ``end``, or else not within a joined character."""
    space = text.rfind(" ", (start + end) // 2, end)
    if space >= 0:
        return space + 1
    for at in range(end, end - _LONGEST_JOINED, -1):
        if not JOINED.match(text[at]) and text[at - 1] != "\u200d":
            return at
    return end
