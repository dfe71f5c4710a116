"""Rows as strips: drawn once, kept while they are near the view, and handed to the compositor as the same object every time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from agents.retrieval.citations import Citation, parse_citations
from tui.widgets.pane_wrap import CODE, FENCE, HEADING, PLAIN, is_narrow, row_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.style import Style
    from textual.color import Color
    from textual.filter import LineFilter

    from tui.widgets.pane_text import PaneText, Row

STYLES: Final = ("text", "heading", "code", "fence", "citation", "citation-marked", "empty", "track", "thumb")
"""The parts of a pane that have a style."""
NO_BAR, TRACK, THUMB = range(3)
"""What a row shows of the scrollbar, in its last cell."""
MARGIN: Final = 2
"""Cells of a row that are not text: one on the left, and the scrollbar's."""

_BEGUN: Final = re.compile(r"\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*[,;]\s*$")
_ENDED: Final = re.compile(r"\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]")
"""A citation of several passages, like ``[1, 2]``, of which a row has only the beginning or only the end."""
_LINE_STYLES: Final = {PLAIN: "text", HEADING: "heading", CODE: "code", FENCE: "fence"}


class RowPainter:
    """Draws the rows of one pane."""

    def __init__(self) -> None:
        self.width = 0
        self.citations = 0
        """Passages that can be cited; 0 shows no citation."""
        self.marked: tuple[int, int] | None = None
        """Block and character of the citation that is marked."""
        self._styles: Mapping[str, Style] = {}
        self._filters: Sequence[LineFilter] = ()
        self._background: Color | None = None
        self._strips: dict[tuple[Row, int], Strip] = {}
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
        return Strip.blank(self.width, self._styles["text"])

    def rows(self, doc: PaneText, rows: Sequence[Row], bar: range | None) -> list[Strip]:
        """Return strips for ``rows``; ``bar`` is where the scrollbar's thumb is, None without a scrollbar."""
        strips, cache = [], self._strips
        for y, row in enumerate(rows):
            part = NO_BAR if bar is None else THUMB if y in bar else TRACK
            strip = cache.get((row, part))
            if strip is None:
                strip = cache[row, part] = self._row(row, row_cells(doc.text_of(row)), part)
            strips.append(strip)
        return strips

    def line(self, text: str) -> Strip:
        """Return a strip for a line that stands where there is no text yet."""
        strip = self._lines.get(text)
        if strip is None:
            inner = max(self.width - MARGIN, 1)
            strip = self._lines[text] = self._strip([Segment(f" {set_cell_size(text, inner)} ", self._styles["empty"])])
        return strip

    def _row(self, row: Row, text: str, part: int) -> Strip:
        inner = max(self.width - MARGIN, 1)
        text = f"{text:<{inner}}" if len(text) <= inner and is_narrow(text) else set_cell_size(text.rstrip(" "), inner)
        style = self._styles[_LINE_STYLES[row.kind]]
        segments = (
            list(self._cited(row, text, style)) if self.citations and ("[" in text or "]" in text) else [Segment(f" {text}", style)]
        )
        return self._strip([*segments, self._bars[part]])

    def _strip(self, segments: list[Segment]) -> Strip:
        if self._background is not None:
            for line_filter in self._filters:
                segments = line_filter.apply(segments, self._background)
        return Strip(segments, self.width)

    def _cited(self, row: Row, text: str, style: Style) -> Iterator[Segment]:
        yield Segment(" ", style)
        at = 0
        for found in self.find_citations(row, text):
            if found.start > at:
                yield Segment(text[at : found.start], style)
            marked = self.marked == (row.block, row.start + found.start)
            yield Segment(text[found.start : found.end], self._styles["citation-marked" if marked else "citation"])
            at = found.end
        if at < len(text):
            yield Segment(text[at:], style)

    def find_citations(self, row: Row, text: str) -> Iterator[Citation]:
        """Yield the citations in a row's text as it is drawn; code has none, there brackets are indices."""
        if not self.citations or row.kind not in {PLAIN, HEADING}:
            return
        # What a row lacks of a citation is added, so that a number is the same wherever the line was wrapped.
        added = 1 if _ENDED.match(text) else 0
        whole = f"{'[' * added}{text}{'0]' if _BEGUN.search(text) else ''}"
        for start, end, number in parse_citations(whole):
            if 1 <= number <= self.citations:
                yield Citation(max(start - added, 0), end - added, number)
