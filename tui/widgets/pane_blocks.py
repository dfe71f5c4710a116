"""Blocks of a pane's text: sealed sources of a few bytes, and what they look like in rows once somebody looks."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.markdown import shaped as md
from tui.widgets.pane_wrap import CODE, FENCE, HEADING, NOTE, PLAIN, PROMPT, QUOTE, RULE, TABLE, Rows, wrap_hard, wrap_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.markdown.blocks import State
    from tui.markdown.shaped import Line, Link, Shaped, Span

TEXT, ASKED, ANSWER, REMARK = range(4)
"""Whose text it is: nobody's in particular, a person's prompt, a model's answer, our own remark."""

PROMPT_MARK: Final = "› "
"""What a prompt begins with."""
_INDENT: Final = " " * len(PROMPT_MARK)
_FIXED: Final = {ASKED: PROMPT, REMARK: NOTE}
_KINDS: Final = {
    md.PLAIN: PLAIN,
    md.HEADING: HEADING,
    md.CODE: CODE,
    md.FENCE: FENCE,
    md.QUOTE: QUOTE,
    md.TABLE: TABLE,
    md.RULE: RULE,
}


class Row(NamedTuple):
    """One row: characters ``start`` to ``end`` of block ``block``. Equal rows show equal text, for as long as the width stays."""

    block: int
    start: int
    end: int
    kind: int
    shaped: bool = False
    """Whether they are characters of the block as Markdown, not of its source."""
    hang: str = ""
    """What stands before the text, as the row goes on with a line."""


class Laid:
    """A block in rows of one width."""

    __slots__ = ("_hangs", "_pieces", "asked", "head", "kinds", "links", "shaped", "spans", "starts", "text")

    def __init__(self, text: str, starts: array[int], kinds: bytearray, *, head: bool = False, asked: bool = False) -> None:
        self.text = text
        self.starts = starts
        self.kinds = kinds
        self.head = head
        """Whether a prompt begins here, with its mark."""
        self.asked = asked
        self.shaped = False
        self.spans: tuple[Span, ...] = ()
        self.links: tuple[Link, ...] = ()
        self._pieces: dict[int, list[tuple[int, int, str]]] | None = None
        self._hangs: list[str] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def row(self, block: int, number: int) -> Row:
        """Return row ``number`` as a row of block ``block``."""
        starts = self.starts
        end = starts[number + 1] if number + 1 < len(starts) else len(self.text)
        hang = self._hangs[number] if self._hangs is not None else _INDENT if self.asked and (number or not self.head) else ""
        return Row(block, starts[number], end, self.kinds[number], self.shaped, hang)

    def styles_of(self, row: Row) -> Sequence[tuple[int, int, str]]:
        """Return the styles within a row: characters of the row, from and to, and the name; later ones lie over earlier ones."""
        if not self.spans:
            return ()
        if self._pieces is None:
            self._pieces = {}
            starts = self.starts
            for start, end, style in self.spans:
                number = max(bisect_right(starts, start) - 1, 0)
                while number < len(starts) and (first := starts[number]) < end:
                    self._pieces.setdefault(first, []).append((max(start - first, 0), end - first, style))
                    number += 1
        return self._pieces.get(row.start, ())

    @classmethod
    def of(cls, shaped: Shaped, width: int, *, ends: bool) -> Laid:
        """Lay a shaped block; ``ends`` tells whether its last line does."""
        text, starts, kinds, hangs = shaped.text, array("I"), bytearray(), list[str]()
        start = 0
        lines: Sequence[Line] = shaped.lines
        for line in lines:
            newline = text.find("\n", start)
            end = len(text) if newline < 0 else newline
            hang = line.hang[: width // 2]
            first = len(starts)
            starts.append(start)
            if line.wrap != md.NEVER:
                wrap = wrap_line if line.wrap == md.WORDS else wrap_hard
                wrap(text, start, end, width, starts, max(width - len(hang), 1))
            rows = len(starts) - first
            kinds.extend(bytes((_KINDS[line.kind],)) * rows)
            hangs.append("")
            hangs.extend([hang] * (rows - 1))
            start = end + 1
        laid = cls(f"{text}\n" if ends else text, starts, kinds)
        laid.shaped = True
        laid.spans, laid.links, laid._hangs = shaped.spans, shaped.links, hangs
        return laid


def new_rows(width: int, whose: int, state: State) -> Rows:
    """Return the rows of plain text that goes on with ``state``."""
    if whose in _FIXED:
        return Rows(max(width - len(_INDENT), 1) if whose == ASKED else width, fixed=_FIXED[whose])
    carried = (CODE if state.fence else PLAIN) if state.within else None
    return Rows(width, fenced=bool(state.fence), carried=carried)


class Block:
    """Text that no longer grows. Kept as UTF-8 unless it is ASCII, because one emoji makes a Python string four times as large."""

    __slots__ = ("_data", "head", "lines", "markdown", "size", "start", "state", "whose")

    def __init__(self, text: str, start: int, whose: int, state: State, *, head: bool, markdown: bool) -> None:
        self._data = text if text.isascii() else text.encode()
        self.size = len(text)
        self.lines = text.count("\n")
        self.start = start
        """Characters of the whole text before it."""
        self.whose = whose
        self.state = state
        self.head = head
        """Whether a section begins here."""
        self.markdown = markdown

    @property
    def text(self) -> str:
        """The source."""
        data = self._data
        return data if isinstance(data, str) else data.decode()

    def extend(self, tail: str) -> None:
        """Add line ends."""
        data = self._data
        self._data = data + tail if isinstance(data, str) else data + tail.encode()
        self.size += len(tail)
        self.lines += len(tail)

    def guess(self, width: int) -> int:
        """Return about how many rows there are."""
        return max(self.lines + self.size // width, 1)

    def plain(self, width: int) -> Laid:
        """Return the source in rows."""
        text = self.text
        rows = new_rows(width, self.whose, self.state)
        rows.grow(text)
        return Laid(text, rows.starts, rows.kinds, head=self.head, asked=self.whose == ASKED)

    def shape(self, width: int) -> Laid:
        """Return the block as Markdown in rows."""
        from tui.markdown.shape import shape

        source = self.text
        return Laid.of(shape(source, self.state, width), width, ends=source.endswith("\n"))


class Sums:
    """Numbers in a row whose partial sums are quick to ask for while they change."""

    __slots__ = ("_tree",)

    def __init__(self, values: Sequence[int] = ()) -> None:
        self._tree = [0]
        for value in values:
            self.append(value)

    def append(self, value: int) -> None:
        """Add a number at the end."""
        tree = self._tree
        index = len(tree)
        low, below = index - (index & -index), index - 1
        while below > low:
            value += tree[below]
            below &= below - 1
        tree.append(value)

    def add(self, index: int, by: int) -> None:
        """Change number ``index`` by ``by``."""
        index += 1
        tree = self._tree
        while index < len(tree):
            tree[index] += by
            index += index & -index

    def before(self, index: int) -> int:
        """Return the sum of the first ``index`` numbers."""
        total, tree = 0, self._tree
        while index:
            total += tree[index]
            index &= index - 1
        return total

    def find(self, total: int) -> int:
        """Return how many of the first numbers have a sum of at most ``total``."""
        index, tree = 0, self._tree
        step = 1 << (len(tree).bit_length())
        while step:
            if index + step < len(tree) and tree[index + step] <= total:
                index += step
                total -= tree[index]
            step >>= 1
        return index
