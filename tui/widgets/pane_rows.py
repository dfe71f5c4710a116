"""Rows as strips: drawn once, kept while they are near the view, and handed to the compositor as the same object every time."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from agents.retrieval.citations import Citation, parse_citations
from tui.markdown.shaped import STYLES as MARKDOWN
from tui.widgets.pane_wrap import (
    CODE,
    FENCE,
    HEADING,
    NOTE,
    PLAIN,
    PROMPT,
    QUOTE,
    RULE,
    TABLE,
    graphemes,
    is_narrow,
    row_cells,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from textual.color import Color
    from textual.filter import LineFilter

    from tui.widgets.pane_blocks import Row
    from tui.widgets.pane_text import PaneText

_LINE_STYLES: Final = {
    PLAIN: "text",
    HEADING: "heading",
    CODE: "code",
    FENCE: "fence",
    QUOTE: "text",
    TABLE: "text",
    RULE: "text",
    PROMPT: "prompt",
    NOTE: "note",
}
OVER: Final = tuple(f"md-{name}" for name in MARKDOWN)
"""Styles laid over a row's own, of what Markdown says a part of it is."""
MARKS: Final = ("citation", "citation-marked", "match", "match-current", "selection")
"""Styles laid over these."""
WHOLE: Final = ("heading", "code", "fence", "prompt", "note", "empty", "track", "thumb")
"""Styles of whole rows, and of what is not text."""
STYLES: Final = (*WHOLE, *OVER, *MARKS)
"""The parts of a pane that have a style, besides text."""
NO_BAR, TRACK, THUMB = range(3)
"""What a row shows of the scrollbar, in its last cell."""
MARGIN: Final = 2
"""Cells of a row that are not text: one on the left, and the scrollbar's."""

Mark = tuple[int, int, str]
"""Characters of a row, from and to, and the style they are marked by."""

_BEGUN: Final = re.compile(r"\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*[,;]\s*$")
_ENDED: Final = re.compile(r"\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]")
"""A citation of several passages, like ``[1, 2]``, of which a row has only the beginning or only the end."""
_CITING: Final = {PLAIN, HEADING, QUOTE, TABLE}
_CODES: Final = {"code"}


class RowStrip(Strip):
    """A strip that goes as soon as nobody shows it.

    Textual's, when it is asked to divide itself where it ends, remembers itself as the answer. Only the collector of cycles
    frees it then, and what 16 streaming panes leave to that stops the loop for a tenth of a second.
    """

    __slots__ = ()

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """Return the parts between ``cuts``, which are cells from the left."""
        within = [cut for cut in cuts if cut <= self.cell_length]
        return [self] if within == [self.cell_length] else super().divide(within)


class RowPainter:
    """Draws the rows of one pane."""

    def __init__(self) -> None:
        self.width = 0
        self.citations = 0
        """Passages that can be cited; 0 shows no citation."""
        self.marked: tuple[int, int] | None = None
        """Block and character of the citation or link that is marked."""
        self._styles: Mapping[str, Style] = {}
        self._filters: Sequence[LineFilter] = ()
        self._background: Color | None = None
        self._strips: dict[tuple[Row, int, tuple[Mark, ...]], Strip] = {}
        self._lines: dict[str, Strip] = {}
        self._bars: tuple[Segment, ...] = ()

    def dress(self, width: int, styles: Mapping[str, Style], filters: Sequence[LineFilter], background: Color) -> None:
        """Draw in these styles from now on; what was drawn in others is forgotten."""
        look = (width, styles, filters, background)
        if look == (self.width, self._styles, self._filters, self._background):
            return
        self.width, self._styles, self._filters, self._background = look
        self._bars = (Segment(" ", styles["text"]), Segment("│", styles["track"]), Segment("▐", styles["thumb"]))
        self.forget()

    def forget(self) -> None:
        """Draw every row anew."""
        self._strips.clear()
        self._lines.clear()

    def trim(self, shown: Iterable[Strip], limit: int) -> None:
        """When more than ``limit`` strips are kept, keep only those shown."""
        if len(self._lines) > limit:
            self._lines.clear()
        if len(self._strips) > limit:
            seen = {id(strip) for strip in shown}
            self._strips = {key: strip for key, strip in self._strips.items() if id(strip) in seen}

    @property
    def blank(self) -> Strip:
        """A row with nothing in it."""
        return self.line("")

    def rows(self, doc: PaneText, rows: Sequence[Row], bar: range | None, marks: Mapping[int, tuple[Mark, ...]]) -> list[Strip]:
        """Return strips for ``rows``; ``bar`` is where the scrollbar's thumb is, None without one.

        ``marks`` are by row of the view.
        """
        strips, cache = [], self._strips
        for y, row in enumerate(rows):
            part = NO_BAR if bar is None else THUMB if y in bar else TRACK
            key = (row, part, marks.get(y, ()))
            strip = cache.get(key)
            if strip is None:
                strip = cache[key] = self._row(doc, row, part, key[2])
            strips.append(strip)
        return strips

    def line(self, text: str) -> Strip:
        """Return a strip for a line that stands where there is no text yet."""
        strip = self._lines.get(text)
        if strip is None:
            inner = max(self.width - MARGIN, 1)
            strip = self._lines[text] = self._strip([Segment(f" {set_cell_size(text, inner)} ", self._styles["empty"])])
        return strip

    def _row(self, doc: PaneText, row: Row, part: int, marks: tuple[Mark, ...]) -> Strip:
        inner = max(self.width - MARGIN, 1)
        raw, style = doc.text_of(row), self._styles[_LINE_STYLES[row.kind]]
        layers = [(start, end, self._styles[f"md-{name}"]) for start, end, name in doc.laid(row.block).styles_of(row)]
        layers += [
            (
                found.start,
                found.end,
                self._styles["citation-marked" if self.marked == (row.block, row.start + found.start) else "citation"],
            )
            for found in self.find_citations(doc, row, raw)
        ]
        layers += [(start, end, self._styles[name]) for start, end, name in marks]
        if not layers:
            text = f"{row.hang}{row_cells(raw)}"
            text = f"{text:<{inner}}" if len(text) <= inner and is_narrow(text) else set_cell_size(text.rstrip(" "), inner)
            return self._strip([Segment(f" {text}", style), self._bars[part]])
        segments = [Segment(" ", style)]
        if row.hang:
            segments.append(Segment(row.hang, style + self._styles["md-quote"] if row.hang.strip() else style))
        segments += _layered(raw, style, layers)
        size = sum(cell_len(segment.text) for segment in segments)
        if size > inner + 1:
            segments = Segment.adjust_line_length(segments, inner + 1, style)
        elif size < inner + 1:
            segments.append(Segment(" " * (inner + 1 - size), style))
        return self._strip([*segments, self._bars[part]])

    def _strip(self, segments: list[Segment]) -> Strip:
        if self._background is not None:
            for line_filter in self._filters:
                segments = line_filter.apply(segments, self._background)
        return RowStrip(segments, self.width)

    def find_citations(self, doc: PaneText, row: Row, text: str) -> Iterator[Citation]:
        """Yield the citations in a row's text; code has none, there brackets are indices."""
        if not self.citations or row.kind not in _CITING or not ("[" in text or "]" in text):
            return
        code = [(start, end) for start, end, name in doc.laid(row.block).styles_of(row) if name in _CODES]
        # What a row lacks of a citation is added, so that a number is the same wherever the line was wrapped.
        added = 1 if _ENDED.match(text) else 0
        whole = f"{'[' * added}{text}{'0]' if _BEGUN.search(text) else ''}"
        for start, end, number in parse_citations(whole):
            first = max(start - added, 0)
            if 1 <= number <= self.citations and not any(low <= first < high for low, high in code):
                yield Citation(first, min(end - added, len(text)), number)


def _layered(text: str, style: Style, layers: Sequence[tuple[int, int, Style]]) -> Iterator[Segment]:
    """Yield ``text`` in pieces of one style each: ``style`` and what lies over it. Characters of several code points stay whole."""
    size = len(text)
    cuts = sorted({0, size, *(min(max(at, 0), size) for start, end, _ in layers for at in (start, end))})
    if not is_narrow(text):
        whole = {at for at, _, _ in graphemes(text, 0, size)}
        cuts = [cut for cut in cuts if cut in whole or cut == size]
    for start, end in pairwise(cuts):
        over = Style.combine([style, *(layer for low, high, layer in layers if low <= start < high)])
        yield Segment(row_cells(text[start:end]), over)
