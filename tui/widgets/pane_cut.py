"""Cuts text that comes by the megabyte into pieces, many times quicker than looking at every line.

A piece of Markdown ends at a blank line before a new block, or where a fence opens or closes, so that it can be shaped alone;
text that has no such place is cut between list items, rows, lines or words, and the state says what the next piece goes on with.
What streams in at a model's pace is cut block by block by :mod:`tui.markdown.blocks` instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.markdown.blocks import State
from tui.markdown.lines import FENCE, JOINED, PARAGRAPH, TAB, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 2048
"""Characters of a piece, about: few enough to be shaped within a few milliseconds."""

_LEAST: Final = PIECE // 4
_MOST: Final = 2 * PIECE
_OPENING: Final = re.compile(r"(`{3,})([^`\n]*)$|(~{3,})(.*)$", re.MULTILINE)
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])[ \t]+\S")


def cut_lines(text: str, state: State) -> Iterator[tuple[int, State]]:
    """Yield where pieces of ``text`` that is not Markdown end, less the last, and what the next goes on with."""
    return _cut_all(text, state, _cut_line)


def cut_markdown(text: str, state: State) -> Iterator[tuple[int, State]]:
    """Yield where pieces of Markdown end, less the last, and what the next goes on with."""
    return _cut_all(text, state, _cut_block)


def _cut_all(text: str, state: State, cut: _Cut) -> Iterator[tuple[int, State]]:
    start = 0
    while len(text) - start > _MOST:
        start, state = cut(text, start, state)
        yield start, state


if TYPE_CHECKING:
    from collections.abc import Callable

    _Cut = Callable[[str, int, State], tuple[int, State]]


def _cut_block(text: str, start: int, state: State) -> tuple[int, State]:
    limit = start + PIECE
    if state.fence:
        closed = _closing(text, start, limit, state.fence)
        return (_after_blank(text, closed), State()) if closed else _cut_line(text, start, state)
    at = start
    while (fence := _opening(text, at, limit)) is not None:
        marker = fence[1] or fence[3]
        closed = _closing(text, fence.end() + 1, limit, marker)
        if closed:
            at = closed
        elif fence.start() - start >= _LEAST:
            return _line_start(text, fence.start()), State()
        else:
            return _cut_line(text, start, State(FENCE, fence=marker, info=(fence[2] or fence[4] or "").strip()))
    end = _blank(text, max(at, start + _LEAST), limit)
    if not end and at - start >= _LEAST:
        end = _after_blank(text, at)
    if not end and (at > start or state.kind != TABLE):
        end = _item(text, max(at, start + _LEAST), limit)
    if end:
        return end, State()
    if state.kind == TABLE or text.startswith("|", start):
        return _cut_line(text, start, state if state.kind == TABLE else State(TABLE, head=text[start:limit]))
    return _cut_line(text, start, State(PARAGRAPH))


def _cut_line(text: str, start: int, state: State) -> tuple[int, State]:
    """Cut at the end of a line, or else between words, or anywhere but within a character of several code points."""
    limit = start + PIECE
    end = text.rfind("\n", start, limit) + 1
    if end > start:
        return end, state._replace(within=False)
    if text[limit] == "\n":
        return limit + 1, state._replace(within=False)
    end = text.rfind(" ", start + _LEAST, limit) + 1
    if end <= start:
        end = limit
        while end > start + _LEAST and (JOINED.match(text[end]) or text[end - 1] == "\u200d"):
            end -= 1
    return end, state._replace(within=True)


def _blank(text: str, least: int, limit: int) -> int:
    """Return the last place up to ``limit`` where a block begins after a blank line; 0 for none."""
    at = text.rfind("\n\n", least, limit)
    while at >= 0:
        if text[at + 2] not in " \t\n":
            return at + 2
        at = text.rfind("\n\n", least, at + 1)
    return 0


def _item(text: str, least: int, limit: int) -> int:
    """Return the last place up to ``limit`` where a list item begins at the margin; 0 for none."""
    at = text.rfind("\n", least, limit)
    while at >= 0:
        if _ITEM.match(text, at + 1):
            return at + 1
        at = text.rfind("\n", least, at)
    return 0


def _after_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] == "\n":
        at += 1
    return at


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _at_margin(text: str, start: int, limit: int, marker: str) -> Iterator[int]:
    """Yield where ``marker`` stands at the start of a line, but for up to three spaces."""
    at = text.find(marker, start, limit)
    while at >= 0:
        line = _line_start(text, at)
        if at - line < TAB and line >= start and not text[line:at].strip(" "):
            yield at
        at = text.find(marker, at + len(marker), limit)


def _opening(text: str, start: int, limit: int) -> re.Match[str] | None:
    """Return the marker and the language of the first fence that is opened, None for none."""
    first = min(next(_at_margin(text, start, limit, "```"), limit), next(_at_margin(text, start, limit, "~~~"), limit))
    if first >= limit:
        return None
    return _OPENING.match(text, first) or _opening(text, text.find("\n", first, limit) + 1 or limit, limit)


def _closing(text: str, start: int, limit: int, marker: str) -> int:
    """Return where the line ends that closes a fence; 0 for none."""
    for at in _at_margin(text, start, limit, marker):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not text[at:end].rstrip(" \t").strip(marker[0]):
            return end
    return 0
