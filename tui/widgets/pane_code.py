"""Code in the fences of a text, found with searches that are quick in megabytes, and a pause between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Generator

_FENCE: Final = re.compile(r"`{3,}|~{3,}")
_REST: Final = re.compile(r"([`~]*)[ \t]*")
_PAUSE: Final = 32
"""Fences, or what looks like them, between two pauses: well under a millisecond."""


def fenced(text: str) -> Generator[None, None, list[str]]:
    """Return the code in the fences of ``text``, at any indentation, in order; a last one may be open. Yields often."""
    blocks: list[str] = []
    ahead = dict.fromkeys(("```", "~~~"), -1)
    at = looked = 0
    while True:
        for mark, place in ahead.items():
            if -1 <= place < at:
                found = text.find(mark, at)
                ahead[mark] = found if found >= 0 else len(text)
        start = min(ahead.values())
        fence = _FENCE.match(text, start)
        if fence is None:
            return blocks
        looked += 1
        if looked % _PAUSE == 0:
            yield
        newline = text.find("\n", fence.end()) if _begins_line(text, at, start) else -1
        if newline < 0 or (fence[0][0] == "`" and "`" in text[fence.end() : newline]):  # within a line
            at = fence.end()
            continue
        end, at = yield from _closing(text, newline + 1, fence[0])
        blocks.append(text[newline + 1 : end])


def _closing(text: str, start: int, marker: str) -> Generator[None, None, tuple[int, int]]:
    """Return where the line begins that closes a fence, and where what follows does; the end of the text where none does."""
    at, looked = start, 0
    while (found := text.find(marker, at)) >= 0:
        looked += 1
        if looked % _PAUSE == 0:
            yield
        rest = cast("re.Match[str]", _REST.match(text, found))  # it may be empty, so there always is one
        end = rest.end()
        if _begins_line(text, at, found) and text[end : end + 1] in {"", "\n"}:
            return max(text.rfind("\n", start, found) + 1, start), end
        at = rest.end(1)
    return len(text), len(text)


def _begins_line(text: str, after: int, at: int) -> bool:
    """Return whether only white space stands before ``at`` in its line. ``after`` is within that line or begins another."""
    line = text.rfind("\n", after, at) + 1
    if not line:
        if after and text[after - 1] != "\n":
            return False
        line = after
    return not text[line:at].strip(" \t")
