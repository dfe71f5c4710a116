"""One finished block of Markdown, or a piece of a large one, as text with named spans.

What a piece begins with is told by its state: code, rows of a table, the rest of a paragraph or of a list's item. Everything else
is parsed. Text that would take the parser long is shown as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.markdown import lines as kinds
from tui.markdown.cells import table_of, widths_of
from tui.markdown.highlight import load_common
from tui.markdown.painter import Painter
from tui.markdown.parser import is_dear, parse_blocks
from tui.markdown.shaped import QUOTE, STYLES, Code, Line, Link, Shaped, Span
from tui.markdown.table import draw_table, natural_widths
from tui.safe import STRAY_JOINER, safe_text

if TYPE_CHECKING:
    from tui.markdown.blocks import State

__all__ = ["STYLES", "Code", "Line", "Link", "Shaped", "Span", "shape", "warm"]


def shape(source: str, state: State, width: int) -> Shaped:
    """Return how the block ``source``, which goes on with ``state``, looks at ``width`` cells. Fails for no text."""
    source = STRAY_JOINER.sub("", safe_text(source))
    try:
        return _shape(source, state, max(width, 1))
    except Exception:  # noqa: BLE001  # a parser that trips over odd text must not take the screen with it: the text is shown as it is
        painter = Painter(width)
        painter.source(source)
        return painter.draft.shaped()


def warm() -> None:
    """Import the parser and the lexers that are asked for most: some tenths of a second, for a thread."""
    parse_blocks("warm")
    load_common()


def _shape(source: str, state: State, width: int) -> Shaped:
    painter = Painter(width)
    body = source.rstrip(" \t\n")
    ended = True
    if state.kind == kinds.FENCE:
        ended = _code(painter, source, state.fence, state.info)
    elif state.kind == kinds.CODE:
        _indented(painter, body, within=state.within)
    elif state.kind == kinds.LIST:
        ended = _item(painter, source, state)
    elif state.kind == kinds.TABLE:
        _table(painter, body, state)
    elif state.kind == kinds.QUOTE and (state.within or state.fence):
        _quote(painter, body, state)
    elif state.kind in {kinds.PARAGRAPH, kinds.HEADING, kinds.RULE}:
        painter.prose(body)
    else:
        ended = _start(painter, source.lstrip("\n"), body.lstrip("\n"))
    if ended and source.count("\n", len(body)) > 1:
        painter.draft.blank()
    return painter.draft.shaped()


def _start(painter: Painter, source: str, body: str) -> bool:
    """Draw blocks; return whether no code goes on after them, of which blank lines at the end would be a part."""
    first, _, rest = source.partition("\n")
    fence = kinds.fence_of(first) if kinds.indent_of(first) < kinds.TAB else None
    if fence is None:
        painter.blocks(body)
        return True
    painter.fence_head(fence[1])
    return _code(painter, rest, *fence)


def _code(painter: Painter, source: str, fence: str, info: str) -> bool:
    """Draw code and the blocks after it; return whether it ended."""
    rest = painter.code_piece(source, fence, info)
    if rest is None:
        return False
    blocks = rest.strip("\n")
    if blocks and rest.startswith("\n"):
        painter.draft.blank()
    painter.blocks(blocks)
    return True


def _indented(painter: Painter, body: str, *, within: bool) -> None:
    lines = body.split("\n")
    painter.code("\n".join(line if within and not index else _dedent(line, kinds.TAB) for index, line in enumerate(lines)), "")


def _item(painter: Painter, source: str, state: State) -> bool:
    """Draw a piece of a list that begins within an item; return whether no code goes on after it."""
    lines = source.split("\n")
    leaving = (index for index, line in enumerate(lines) if index >= state.within and _leaves(line, state.indent))
    ends = next(leaving, len(lines))
    inner = [line if state.within and not index else _dedent(line, state.indent) for index, line in enumerate(lines[:ends])]
    body: str | None = "\n".join(inner)
    painter.draft.contain("", " " * state.indent, used=True)
    if state.fence:
        body = painter.code_piece("\n".join(inner), state.fence, state.info, nested=True)
    elif state.within:
        painter.prose(inner[0])
        body = "\n".join(inner[1:])
    if body is not None:
        if (state.fence or state.within) and body.startswith("\n") and body.strip():
            painter.draft.blank()
        painter.blocks(body.strip("\n"))
    painter.draft.release()
    after = "\n".join(lines[ends:]).strip("\n")
    if after:
        if inner and not inner[-1].strip():
            painter.draft.blank()
        painter.blocks(after)
    return bool(after) or body is not None


def _table(painter: Painter, body: str, state: State) -> None:
    """Draw further rows of a table whose first piece is at hand."""
    lines = body.split("\n")
    if state.within:
        painter.prose(lines.pop(0).strip("| "))
    rest = "\n".join(lines)
    if not rest:
        return
    whole = "\n".join([*state.head.split("\n")[:2], rest])
    if is_dear(whole):
        painter.source(rest)
        return
    table = table_of(parse_blocks(whole))
    natural = widths_of(state.head)
    if table is None or len(natural) != len(table.aligns):
        painter.blocks(rest)
        return
    # The columns of the first piece, so that they stand in line, unless its cells were far narrower than these.
    own = natural_widths(table)
    widths = [cells if mine <= 2 * cells else mine for cells, mine in zip(natural, own, strict=True)]
    draw_table(painter.draft, table, widths, painter.width, goes_on=True)


def _quote(painter: Painter, body: str, state: State) -> None:
    """Draw a piece that begins within a line of a quote, or within code in it."""
    lines = body.split("\n")
    painter.draft.contain("│ ", "│ ", "quote", used=True)
    if state.within:
        painter.prose(lines.pop(0), QUOTE)
    rest = "\n".join(lines)
    if state.fence:
        after = painter.code_piece("\n".join(map(_unquoted, lines)), state.fence, state.info)
        rest = "\n".join(f"> {line}" for line in after.split("\n")) if after else ""
    painter.draft.release()
    painter.blocks(rest)


def _dedent(line: str, cells: int) -> str:
    """Return ``line`` with up to ``cells`` of its indentation taken away."""
    if line[:cells].isspace() and "\t" not in line[:cells]:
        return line[cells:]
    rest = line.lstrip(" \t")
    return " " * max(kinds.indent_of(line) - cells, 0) + rest


def _unquoted(line: str) -> str:
    """Return a quote's ``line`` without its mark."""
    return line.lstrip(" ").removeprefix(">").removeprefix(" ")


def _leaves(line: str, indent: int) -> bool:
    """Tell whether ``line`` no longer belongs to an item whose content is indented by ``indent`` cells."""
    return bool(line.strip()) and kinds.indent_of(line) < indent
