"""Word wrapping that can be carried on: a line that grows is wrapped further from near its end.

Rows are greedy, so every row but the last two is final whatever follows. Positions are character offsets; widths are terminal
cells. Nothing here knows about blocks, styles or widgets.
"""

from __future__ import annotations

import re
from array import array
from typing import Final

from rich.cells import split_graphemes

from tui.safe import STRAY_JOINER

TAB: Final = 4
"""Cells a tab takes. Fixed, so that a row's width does not depend on where the row starts."""

PLAIN, HEADING, CODE, FENCE, QUOTE, TABLE, RULE, PROMPT, NOTE = range(9)
"""What a line is: as far as its first characters tell, as Markdown says, or by who wrote it."""

NARROW: Final = re.compile(
    "[ -~\xa1-\xac\xae-\u02ff\u0370-\u0377\u037a-\u037f\u0388-\u038a\u038e-\u03a1\u03a3-\u0482"
    "\u2010-\u2027\u2030-\u203b\u203d-\u2048\u204a-\u205e\u2500-\u25a9]*"
)
"""Characters of one cell each, none of which a variation selector can widen: for these, characters are cells."""

_LONGEST_GRAPHEME: Final = 32
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?=[ \t]|$)")
_FENCE: Final = re.compile(r"[ \t]{0,3}(?:```|~~~)")
_PREFIX: Final = 12


def is_narrow(text: str) -> bool:
    """Tell whether ``text`` surely has as many cells as characters."""
    match = NARROW.match(text)
    return match is not None and match.end() == len(text)


def line_kind(text: str, start: int, end: int, *, fenced: bool) -> int:
    """Return what the line ``text[start:end]`` is, from its first few characters."""
    head = text[start : min(start + _PREFIX, end)]
    if _FENCE.match(head):
        return FENCE
    if fenced:
        return CODE
    return HEADING if _HEADING.match(head) else PLAIN


def wrap_line(text: str, start: int, end: int, width: int, rows: array[int], further: int = 0) -> None:
    """Append to ``rows`` where each further row of ``text[start:end]`` starts; ``start`` itself is there already.

    ``start`` is the start of the line or of one of its rows. The rows after it have ``further`` cells, or ``width`` when that is 0.
    """
    narrow = NARROW.match(text, start, end)
    if narrow is not None and narrow.end() == end:
        _wrap_narrow(text, start, end, width, rows, further or width)
    elif end > start:
        _wrap_wide(text, start, end, width, rows, further or width)


def wrap_hard(text: str, start: int, end: int, width: int, rows: array[int], further: int = 0) -> None:
    """Do the same for text whose spaces matter: a row ends where it is full."""
    further = further or width
    if end - start <= width and is_narrow(text[start:end]):
        return
    cells, row = 0, start
    for at, after, size in graphemes(text, start, end):
        if at > row and (cells + size > width or after - row > width * 4 + _LONGEST_GRAPHEME):
            rows.append(at)
            row, cells, width = at, 0, further
        cells += size


def _wrap_narrow(text: str, start: int, end: int, width: int, rows: array[int], further: int) -> None:
    while end - start > width:
        space = text.rfind(" ", start, start + width + 1)
        after = start + width if space < 0 or text[start:space].isspace() or space == start else space + 1
        if after >= end:
            return
        rows.append(after)
        start, width = after, further


def _wrap_wide(text: str, start: int, end: int, width: int, rows: array[int], further: int) -> None:
    """Wrap by graphemes. A row may end after a space, and on either side of a wide character or a tab."""
    row, cells, word = start, 0, False
    cut, cells_at_cut = -1, 0
    longest = width * 4 + _LONGEST_GRAPHEME
    for at, after, size in graphemes(text, start, end):
        space = after - at == 1 and text[at] == " "
        if size > 1 and word:
            cut, cells_at_cut = at, cells
        if at > row and (cells + size > width or after - row > longest):
            if space and word:  # it hangs past the edge, unseen
                if after >= end:
                    return
                row, cells, word, cut = after, 0, False, -1
                rows.append(row)
                width = further
                continue
            row, cells = (cut, cells - cells_at_cut) if cut > row else (at, 0)
            rows.append(row)
            width = further
            word, cut = bool(text[row:at].strip(" ")), -1
        cells += size
        word = word or not space
        if word and (space or size > 1):
            cut, cells_at_cut = after, cells


def row_cells(text: str) -> str:
    """Return the characters of one row as they are drawn: tabs as spaces, joiners with nothing to join left out."""
    if "\u200d" in text:
        text = STRAY_JOINER.sub("", text)
    return text.replace("\t", " " * TAB) if "\t" in text else text


def graphemes(text: str, start: int, end: int) -> list[tuple[int, int, int]]:
    """Return (start, end, cells) of each grapheme, with tabs as wide as they are drawn and endless ones cut."""
    spans: list[tuple[int, int, int]] = []
    piece = text[start:end]
    if "\u200d" in piece:
        piece = STRAY_JOINER.sub("\u0301", piece)
    for first, last, size in split_graphemes(piece.replace("\t", "x"))[0]:
        at, after = start + first, start + last
        if text[at] == "\t":
            spans.append((at, after, TAB))
        elif after - at <= _LONGEST_GRAPHEME:
            spans.append((at, after, size))
        else:
            spans.append((at, at + _LONGEST_GRAPHEME, size))
            spans.extend(
                (cut, min(cut + _LONGEST_GRAPHEME, after), 0) for cut in range(at + _LONGEST_GRAPHEME, after, _LONGEST_GRAPHEME)
            )
    return spans


class Rows:
    """The rows of a text that grows, at one width."""

    __slots__ = ("_carried", "_fixed", "fenced", "kinds", "line", "line_kind", "line_row", "starts", "width")

    def __init__(self, width: int, *, fenced: bool = False, carried: int | None = None, fixed: int | None = None) -> None:
        self.width = width
        self.fenced = fenced
        """Whether the open line stands inside a code fence."""
        self.starts: array[int] = array("I")
        """Where each row starts."""
        self.kinds = bytearray()
        """What the line of each row is."""
        self.line = 0
        """Where the open line starts, the one further text belongs to."""
        self.line_row = 0
        """Rows before the open line."""
        self.line_kind = carried
        """What the open line is; None while it is empty."""
        self._carried = carried
        self._fixed = fixed
        """What every line is, whatever it begins with."""

    def __len__(self) -> int:
        return len(self.starts)

    def grow(self, text: str) -> None:
        """Take note that the text is now ``text``: what it was before, and more after it."""
        while True:
            newline = text.find("\n", self.line)
            end = len(text) if newline < 0 else newline
            if newline < 0 and end == self.line:
                return
            self._wrap_open(text, end)
            if newline < 0:
                return
            if self.line_kind == FENCE:
                self.fenced = not self.fenced
            self.line, self.line_row, self.line_kind = newline + 1, len(self.starts), None

    def _wrap_open(self, text: str, end: int) -> None:
        if self._fixed is not None:
            kind = self._fixed
        elif self.line == 0 and self._carried is not None:
            kind = self._carried
        else:
            kind = line_kind(text, self.line, end, fenced=self.fenced)
        rows = len(self.starts) - self.line_row
        if kind == self.line_kind and rows > 0:
            # The last break but one is final. The last may change: a variation selector widens what stands before it.
            del self.starts[self.line_row + max(rows - 1, 1) :], self.kinds[self.line_row + max(rows - 1, 1) :]
            start = self.starts[-1]
        else:
            del self.starts[self.line_row :], self.kinds[self.line_row :]
            start = self.line
            self.starts.append(start)
        wrap_line(text, start, end, self.width, self.starts)
        self.kinds.extend(bytes((kind,)) * (len(self.starts) - len(self.kinds)))
        self.line_kind = kind
