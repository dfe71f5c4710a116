"""Cuts text that comes by the megabyte into pieces, many times quicker than looking at every line.

A piece of Markdown ends at a blank line before a new block, or where a fence opens or closes, so that it can be shaped alone;
text that has no such place is cut between list items, rows, lines or words, and the state says what the next piece goes on with.
What streams in at a model's pace is cut block by block by :mod:`tui.markdown.blocks` instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tui.markdown.blocks import State
from tui.markdown.lines import FENCE, PARAGRAPH, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 2048
"""Characters of a piece, about: few enough to be shaped within a few milliseconds."""

_LEAST: Final = PIECE // 4
_MOST: Final = 2 * PIECE
_FENCE: Final = re.compile(r"^ {0,3}(?:(`{3,})([^`\n]*)|(~{3,})(.*))$", re.MULTILINE)
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_JOINED: Final = re.compile("[\u0300-\u036f\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")


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
        closed = _closing(state.fence).search(text, start, limit)
        return (_after_blank(text, closed.end()), State()) if closed else _cut_line(text, start, state)
    at = start
    if text.find("```", start, limit) >= 0 or text.find("~~~", start, limit) >= 0:
        while (fence := _FENCE.search(text, at, limit)) is not None:
            marker = fence[1] or fence[3]
            closed = _closing(marker).search(text, min(fence.end() + 1, limit), limit)
            if closed is not None:
                at = closed.end()
            elif fence.start() - start >= _LEAST:
                return fence.start(), State()
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
        while end > start + _LEAST and (_JOINED.match(text[end]) or text[end - 1] == "\u200d"):
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


@lru_cache(64)
def _closing(marker: str) -> re.Pattern[str]:
    return re.compile(rf"^ {{0,3}}{re.escape(marker[0])}{{{len(marker)},}}[ \t]*$", re.MULTILINE)
