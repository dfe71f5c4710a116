"""The text of one step as it grows: appended once, read by any number of readers as ranges."""

from __future__ import annotations

from bisect import bisect_right

_FOLD_AT = 1024


class TextBuffer:
    """Append-only text addressed by character offset.

    Readers hold offsets, not copies, so a reader that lags by a megabyte costs two integers.
    """

    __slots__ = ("_chunks", "_folded", "_length", "_starts")

    def __init__(self) -> None:
        self._chunks: list[str] = []
        self._starts: list[int] = []
        self._length = 0
        self._folded = 0

    def __len__(self) -> int:
        return self._length

    def append(self, piece: str) -> None:
        """Add ``piece`` at the end."""
        if not piece:
            return
        self._chunks.append(piece)
        self._starts.append(self._length)
        self._length += len(piece)
        # Only what came since the last fold is joined, so that the cost of a token does not grow with the text before it.
        first = self._folded
        if len(self._chunks) - first >= _FOLD_AT:
            self._chunks[first:] = ["".join(self._chunks[first:])]
            del self._starts[first + 1 :]
            self._folded += 1

    def slice(self, start: int, end: int | None = None) -> str:
        """Return the characters from ``start`` up to, not including, ``end``."""
        end = self._length if end is None else min(end, self._length)
        if start >= end:
            return ""
        if start <= 0 and end == self._length:
            return str(self)
        index = bisect_right(self._starts, start) - 1
        parts: list[str] = []
        while index < len(self._chunks) and self._starts[index] < end:
            base = self._starts[index]
            parts.append(self._chunks[index][max(start - base, 0) : end - base])
            index += 1
        return "".join(parts)

    def __str__(self) -> str:
        """Return the whole, and hold that very string from now on: whoever keeps it costs no second copy."""
        if len(self._chunks) > 1:
            self._chunks, self._starts, self._folded = ["".join(self._chunks)], [0], 1
        return self._chunks[0] if self._chunks else ""
