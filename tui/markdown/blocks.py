"""Where the top-level blocks of Markdown end, found line by line while the text grows.

Every line is looked at once, by its first characters. The cuts are the same however the text was cut into pieces on its way
here. Where this differs from CommonMark it cuts less, never within what belongs together: a piece is parsed as a whole when it
is shaped. Blocks that are too large are cut within, and what the next piece goes on with is told by its :class:`State`.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from tui.markdown.lines import (
    CODE,
    FENCE,
    HEADING,
    LIST,
    PARAGRAPH,
    QUOTE,
    RULE,
    TAB,
    TABLE,
    between_words,
    breaks_paragraph,
    columns_of,
    core_of,
    fence_of,
    indent_of,
    is_closing,
    is_text,
    is_underline,
    item_of,
    kind_of,
    marked,
    no_item,
)

LARGEST: Final = 4096
MOST_LINES: Final = 256
"""Characters and lines of a piece, so that shaping it takes a few milliseconds."""
_MOST_CELLS: Final = 320
_FEWEST_ROWS: Final = 8

_HEAD: Final = 1024
"""Characters of a line that are looked at."""


class State(NamedTuple):
    """What a piece of Markdown goes on with; the empty state at the start of a block."""

    kind: int = 0
    """The kind of block that was cut, 0 if none was."""
    within: bool = False
    """Whether the piece starts within a line."""
    fence: str = ""
    """The marker of the fence that is open."""
    info: str = ""
    """What stands after that marker: the language."""
    indent: int = 0
    """Cells the content of the open list item is indented by."""
    head: str = ""
    """The first piece of a table, for its columns."""


class BlockSplitter:
    """Finds the ends of top-level blocks in Markdown that grows."""

    def __init__(self, state: State = State()) -> None:  # noqa: B008  # immutable
        self.state = state
        """What the text since the last cut begins with."""
        self._ends: deque[tuple[int, State]] = deque()
        self._taken = 0
        """Characters that were cut; ends count from the very first one."""
        self._open = state
        """The block that is open, as a piece that would be cut from it now goes on with it."""
        self._before = State()
        """The same before the line that is looked at."""
        self._closed = False
        """Whether the block is complete, but for blank lines after it."""
        self._blank = False
        self._start = 0
        """Where the open piece starts."""
        self._at = 0
        """Where the line starts that is looked at."""
        self._searched = 0
        """How far an end of that line was looked for."""
        self._entered = False
        """Whether it is known what that line begins."""
        self._previous = 0
        """Where the line before it starts."""
        self._item = 0
        """Where the last item of a list starts."""
        self._line_number = 0
        self._start_line = 0
        self._item_line = 0
        """The numbers of the lines at these places."""
        self._most_lines = MOST_LINES
        """Lines a piece of the open block may have: a table with many columns has dear ones."""
        self._list = ""
        self._lazy = False
        """Whether a list or quote ends with a paragraph that a line without its marks would go on with."""

    def feed(self, text: str) -> list[int]:
        """Return where complete blocks end in ``text``: everything since the last cut, what was given before and more after it.

        An end is where the next block starts; blank lines belong to the block before them. Ends that were not cut yet are
        told again.
        """
        while True:
            newline = text.find("\n", self._searched)
            if newline < 0:
                break
            self._line(text, newline)
        self._searched = len(text)
        self._growing(text)
        return [end - self._taken for end, _ in self._ends]

    def finish(self, text: str) -> list[int]:
        """Return the ends in ``text`` when nothing follows any more, so that its last line is complete, too."""
        self.feed(text)
        if self._at < len(text):
            self._line(text, len(text))
        return [end - self._taken for end, _ in self._ends if end - self._taken < len(text)]

    def cut(self, offset: int) -> None:
        """Take note that the text before ``offset``, an end :meth:`feed` told, was taken away. Ends count from there now.

        Read :attr:`state` before: it is the state of the piece that is taken away.
        """
        place = self._taken + offset
        while self._ends and self._ends[0][0] < place:
            self._ends.popleft()
        if not self._ends or self._ends[0][0] > place:
            message = f"no block ends at {offset}"
            raise ValueError(message)
        self.state = self._ends.popleft()[1]
        self._taken = place
        self._start -= offset
        self._at -= offset
        self._searched -= offset
        self._previous -= offset
        self._item -= offset

    # Lines

    def _line(self, text: str, newline: int) -> None:
        """Look at the complete line that ends at ``newline``."""
        if not self._entered:
            self._enter(text, newline)
        self._fit(text, newline + 1)
        self._previous, self._at = self._at, newline + 1
        self._searched = newline + 1
        self._entered = False
        self._line_number += 1

    def _growing(self, text: str) -> None:
        """Look at the line that is not complete yet, as far as it is sure what it will be."""
        size = len(text)
        if not self._entered:
            if size - self._at >= _HEAD:
                self._enter(text, size)
            elif (self._closed or self._blank) and self._open.kind and self._begins_anew(text[self._at :]):
                self._end(self._at)
        if self._entered and size - self._start > LARGEST + 1:
            self._fit(text, size)

    def _begins_anew(self, line: str) -> bool:
        """Tell whether a line after a complete block or a blank line surely begins another block, whatever else comes in it."""
        rest = line.lstrip(" \t")
        if not rest:
            return False
        if self._closed:
            return True
        kind = self._open.kind
        if kind == FENCE:
            return False
        if kind == CODE:
            return indent_of(line) < TAB
        return kind != LIST or (indent_of(line) < self._open.indent and no_item(rest))

    def _enter(self, text: str, end: int) -> None:
        """Find out what the line begins or goes on with."""
        line = text[self._at : min(end, self._at + _HEAD)]
        self._entered = True
        self._before = self._open
        kind = self._open.kind
        if not line or line.isspace():
            self._blank = True
            empty = kind == LIST and self._item == self._previous and not core_of(text[self._item : self._at - 1])
            self._closed = self._closed or empty or kind in {PARAGRAPH, TABLE, QUOTE}
            return
        if not kind:
            self._begin(line)
        elif self._closed:
            self._end(self._at)
            self._begin(line)
        elif kind == FENCE:
            self._closed = is_closing(line, self._open.fence) and indent_of(line) < TAB
        elif kind == LIST:
            self._in_list(line)
        elif not (kind == PARAGRAPH and is_text(line)) and not self._goes_on(kind, text, line):
            self._end(self._at)
            self._begin(line)
        self._blank = False

    def _begin(self, line: str) -> None:
        kind = kind_of(line)
        self._closed = kind in {HEADING, RULE}
        self._open = State(kind)
        if kind == FENCE:
            self._open = State(kind, False, *(fence_of(line) or ("", "")))
        elif kind == LIST:
            self._begin_item(line)
        elif kind == QUOTE:
            self._look_within(line)

    def _begin_item(self, line: str) -> None:
        self._list, indent, _ = item_of(line) or ("", 0, False)
        self._item, self._item_line = self._at, self._line_number
        self._open = State(LIST, indent=indent)
        self._look_within(line)

    def _goes_on(self, kind: int, text: str, line: str) -> bool:
        """Tell whether ``line`` belongs to the open paragraph, table, quote or indented code."""
        if kind == CODE:
            return indent_of(line) >= TAB
        if kind == TABLE:
            return indent_of(line) < TAB and not breaks_paragraph(line)
        if kind == QUOTE:
            return self._in_quote(line)
        columns = columns_of(text[self._previous : self._at - 1], line) if "-" in line and self._previous >= self._start else 0
        if columns:
            if self._previous > self._start:
                self._end(self._previous)
            self._open = State(TABLE)
            self._most_lines = max(_MOST_CELLS // columns, _FEWEST_ROWS)
            return True
        if is_underline(line):
            self._closed = True
            return True
        return not breaks_paragraph(line)

    def _in_quote(self, line: str) -> bool:
        mark = marked(line) if indent_of(line) < TAB else 0
        if mark == QUOTE:
            self._look_within(line.lstrip(" >"))
        return mark == QUOTE or (not mark and self._lazy)

    def _in_list(self, line: str) -> None:
        indent = indent_of(line)
        if indent >= self._open.indent:
            self._look_within(line)
            return
        mark = marked(line) if indent < TAB else 0
        item = item_of(line) if mark == LIST else None
        if item is not None and item[0] == self._list:
            self._begin_item(line)
        elif self._blank or mark or not self._lazy:
            self._end(self._at)
            self._begin(line)

    def _look_within(self, line: str) -> None:
        """Keep track of what an item or quote ends with: an open fence, a paragraph, or neither."""
        if self._open.fence:
            if is_closing(line, self._open.fence):
                self._open = self._open._replace(fence="", info="")
            self._lazy = False
            return
        core = core_of(line)
        fence = fence_of(core) if core[:1] in {"`", "~"} else None
        if fence is not None:
            self._open = self._open._replace(fence=fence[0], info=fence[1])
        self._lazy = fence is None and bool(core) and marked(core) not in {HEADING, RULE}

    # Ends

    def _end(self, at: int) -> None:
        """The open block ends at ``at``."""
        self._ends.append((self._taken + at, State()))
        self._start = at
        self._start_line = self._line_number - (at < self._at)
        self._open = State()
        self._most_lines = MOST_LINES
        self._closed = self._blank = False

    def _fit(self, text: str, end: int) -> None:
        """Cut the open piece, which reaches to ``end``, while it is too large."""
        while end - self._start > LARGEST + 1 or self._line_number - self._start_line >= self._most_lines:
            within = False
            if self._open.kind == LIST and self._start < self._item:
                cut, self._start_line = self._item, self._item_line
            elif self._start < self._at:
                cut, self._start_line = self._at, self._line_number
            else:
                cut, within = between_words(text, self._start, self._start + LARGEST), True
            state = self._before if cut == self._at and not within else self._open
            if state.kind == TABLE and not state.head:
                state = state._replace(head=text[self._start : cut])
                self._open = self._open._replace(head=state.head)
            if state.kind == LIST and cut == self._item and not within:
                state = State()
            self._ends.append((self._taken + cut, state._replace(within=within)))
            self._start = cut
