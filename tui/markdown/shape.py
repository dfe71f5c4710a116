"""One finished block of Markdown, or a piece of a large one, as text with named spans.

What a piece begins with is told by its state: code, rows of a table, the rest of a paragraph or of a list's item. Everything else
is parsed. Text that would take the parser long is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tui.markdown import lines as kinds
from tui.markdown.draft import CellDraft, Draft
from tui.markdown.highlight import language_of, lines_of, load_common
from tui.markdown.inline import draw_inline, draw_plain
from tui.markdown.parser import is_dear, parse_blocks, parse_inline
from tui.markdown.shaped import CODE, FENCE, HARD, HEADING, NEVER, PLAIN, QUOTE, RULE, STYLES, WORDS, Code, Line, Link, Shaped, Span
from tui.markdown.table import Table, draw_table, natural_widths
from tui.safe import STRAY_JOINER, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

    from tui.markdown.blocks import State
    from tui.markdown.draft import Cell

__all__ = ["STYLES", "Code", "Line", "Link", "Shaped", "Span", "shape", "warm"]

_PLAIN: Final = re.compile(r"[^\\`*_~!<&\[\]|]*")
"""Text the parser would return as it is."""
_BARE: Final = re.compile(r"^[ \t>]*$")
_WIDEST_RULE: Final = 80


def shape(source: str, state: State, width: int) -> Shaped:
    """Return how the block ``source``, which goes on with ``state``, looks at ``width`` cells. Fails for no text."""
    source = STRAY_JOINER.sub("", safe_text(source))
    try:
        return _shape(source, state, max(width, 1))
    except Exception:  # noqa: BLE001  # a parser that trips over odd text must not take the screen with it: the text is shown as it is
        draft = Draft()
        _draw_source(draft, source)
        return draft.shaped()


def warm() -> None:
    """Import the parser and the lexers that are asked for most: some tenths of a second, for a thread."""
    parse_blocks("warm")
    load_common()


def _shape(source: str, state: State, width: int) -> Shaped:
    painter = _Painter(width)
    draft = painter.draft
    body = source.rstrip(" \t\n")
    if state.kind == kinds.FENCE:
        rest = painter.code_piece(source, state.fence, state.info)
        painter.blocks(rest.lstrip("\n"))
        if rest.strip() and body + "\n" != source:
            draft.blank()
        return draft.shaped()
    if state.kind == kinds.CODE:
        painter.indented(body, within=state.within)
    elif state.kind == kinds.LIST:
        painter.item_piece(source, state)
    elif state.kind == kinds.TABLE:
        painter.table_piece(body, state)
    elif state.kind == kinds.QUOTE and (state.within or state.fence):
        painter.quote_piece(body, state)
    elif state.kind in {kinds.PARAGRAPH, kinds.HEADING, kinds.RULE}:
        draft.begin()
        painter.prose(body)
    else:
        painter.blocks(body.lstrip("\n"))
    if source.count("\n", len(body)) > 1:
        draft.blank()
    return draft.shaped()


def _draw_source(draft: Draft, source: str) -> None:
    draft.begin()
    draw_plain(draft, source.strip("\n"), PLAIN, WORDS)


class _Painter:
    """Draws blocks on a draft."""

    def __init__(self, width: int) -> None:
        self.draft = Draft()
        self._width = width
        self._lines: list[str] = []
        """The source of what was parsed, to see where it has blank lines."""

    def blocks(self, source: str) -> None:
        """Draw whole blocks."""
        if not source.strip():
            return
        if all(kinds.is_text(line) for line in source.split("\n")) and _is_plain(source):
            self.draft.begin()
            draw_plain(self.draft, source, PLAIN, WORDS)
            return
        fence = kinds.fence_of(source.split("\n", 1)[0])
        if fence is not None and kinds.indent_of(source) < kinds.TAB:
            self._fence_head(fence[1])
            rest = self.code_piece(source.partition("\n")[2], fence[0], fence[1])
            if rest.strip():
                self.blocks(rest.strip("\n"))
        elif is_dear(source):
            _draw_source(self.draft, source)
        else:
            self._lines = source.split("\n")
            self._tokens(parse_blocks(source))

    def prose(self, text: str, kind: int = PLAIN) -> None:
        """Draw text within a paragraph on the open line."""
        text = "\n".join(line.strip(" \t") for line in text.split("\n"))
        if _is_plain(text) or is_dear(text):
            draw_plain(self.draft, text, kind, WORDS)
        else:
            draw_inline(self.draft, parse_inline(text), kind, WORDS)

    # Pieces of blocks that were cut

    def code_piece(self, source: str, fence: str, info: str, *, nested: bool = False) -> str:
        """Draw code up to the end of its fence, and return the text after that."""
        lines = source.split("\n")
        closers = (index for index, line in enumerate(lines) if kinds.is_closing(line, fence))
        closing = next((index for index in closers if nested or kinds.indent_of(lines[index]) < kinds.TAB), -1)
        if closing < 0:
            self._code("\n".join(lines[:-1] if lines[-1] == "" else lines), info)
            return ""
        if closing:
            self._code("\n".join(lines[:closing]), info)
        return "\n".join(lines[closing + 1 :])

    def indented(self, body: str, *, within: bool) -> None:
        """Draw a piece of indented code."""
        first, newline, rest = body.partition("\n") if within else ("", "", body)
        lines = [_dedent(line, kinds.TAB) for line in rest.split("\n")] if newline or not within else []
        self._code("\n".join([first, *lines] if within else lines), "")

    def item_piece(self, source: str, state: State) -> None:
        """Draw a piece of a list that begins within an item."""
        lines = source.split("\n")
        ends = next(
            (index for index, line in enumerate(lines) if index >= state.within and _leaves(line, state.indent)), len(lines)
        )
        inner = [line if state.within and not index else _dedent(line, state.indent) for index, line in enumerate(lines[:ends])]
        body = "\n".join(inner)
        self.draft.contain("", " " * state.indent, used=True)
        if state.fence:
            body = self.code_piece(body, state.fence, state.info, nested=True)
        elif state.within:
            first, _, body = body.partition("\n")
            self.draft.begin()
            self.prose(first)
        self.blocks(body.strip("\n"))
        self.draft.release()
        after = "\n".join(lines[ends:]).strip("\n")
        if after:
            if inner and not inner[-1].strip():
                self.draft.blank()
            self.blocks(after)

    def table_piece(self, body: str, state: State) -> None:
        """Draw further rows of a table whose first piece is at hand."""
        first, newline, rest = body.partition("\n") if state.within else ("", "", body)
        if state.within:
            self.draft.begin()
            self.prose(first.strip("| "))
        if state.within and not newline:
            return
        head = "\n".join(state.head.split("\n")[:2])
        whole = f"{head}\n{rest}"
        if is_dear(whole):
            _draw_source(self.draft, rest)
            return
        table = _table_of(parse_blocks(whole))
        natural = _widths_of(state.head)
        if table is None or len(natural) != len(table.aligns):
            self.blocks(rest)
        else:
            # The columns of the first piece, so that they stand in line, unless its cells were far narrower than these.
            own = natural_widths(table)
            widths = [cells if mine <= 2 * cells else mine for cells, mine in zip(natural, own, strict=True)]
            draw_table(self.draft, table, widths, self._width, goes_on=True)

    def quote_piece(self, body: str, state: State) -> None:
        """Draw a piece that begins within a line of a quote, or within code in it."""
        first, _, rest = body.partition("\n") if state.within else ("", "", body)
        self.draft.contain("│ ", "│ ", "quote", used=True)
        if state.within:
            self.draft.begin(QUOTE)
            self.prose(first, QUOTE)
        if state.fence:
            rest = self.code_piece("\n".join(map(_unquoted, rest.split("\n"))), state.fence, state.info)
            rest = "\n".join(f"> {line}" for line in rest.split("\n")) if rest else ""
        self.draft.release()
        self.blocks(rest)

    # Blocks

    def _tokens(self, tokens: Sequence[Token]) -> None:
        skip = 0
        for index, token in enumerate(tokens):
            if index < skip:
                continue
            name = token.type
            if name in {"paragraph_open", "heading_open"}:
                self._gap(token)
                self._text(token, tokens[index + 1])
                skip = index + 3
            elif name in {"fence", "code_block"}:
                self._gap(token)
                self._fence_head(token.info)
                self._code(token.content.removesuffix("\n"), token.info)
            elif name == "hr":
                self._gap(token)
                room = self._width - self.draft.inset
                self.draft.begin(RULE, NEVER)
                self.draft.put("─" * max(min(room, _WIDEST_RULE), 1), "rule")
            elif name == "table_open":
                self._gap(token)
                skip = next(at for at in range(index, len(tokens)) if tokens[at].type == "table_close") + 1
                self._table(tokens[index:skip])
            else:
                self._container(name, token)

    def _container(self, name: str, token: Token) -> None:
        if name == "blockquote_open":
            self._gap(token)
            self.draft.contain("│ ", "│ ", "quote")
        elif name == "list_item_open":
            self._gap(token)
            marker = f"{token.info}{token.markup} " if token.info else "• "
            self.draft.contain(marker, " " * len(marker), "bullet")
        elif name in {"blockquote_close", "list_item_close"}:
            self.draft.release()

    def _gap(self, token: Token) -> None:
        """Draw an empty line where the source has one before ``token``."""
        line = token.map[0] if token.map else 0
        if line and self.draft.lines and not self.draft.is_fresh and _BARE.match(self._lines[line - 1]):
            self.draft.blank()

    def _text(self, token: Token, inline: Token) -> None:
        draft = self.draft
        if token.type == "heading_open":
            draft.begin(HEADING)
            draft.enter(f"heading{min(int(token.tag[1:]), 3)}")
            draw_inline(draft, inline.children or (), HEADING, WORDS)
            draft.leave()
            return
        kind = QUOTE if draft.quoted else PLAIN
        draft.begin(kind)
        children = inline.children or []
        if children and draft.in_item and _is_task(children[0]):
            children[0].content, box = children[0].content[4:], children[0].content[:3]
            draft.put(f"{box.lower()} ", "bullet")
        draw_inline(draft, children, kind, WORDS)

    def _fence_head(self, info: str) -> None:
        self.draft.begin(FENCE, NEVER)
        self.draft.put(language_of(info), "fence")

    def _code(self, raw: str, info: str) -> None:
        self.draft.code(raw, lines_of(raw, language_of(info)), CODE, HARD)

    def _table(self, tokens: Sequence[Token]) -> None:
        table = _table_of(tokens)
        if table is not None:
            draw_table(self.draft, table, natural_widths(table), self._width - self.draft.inset)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None


def _is_task(token: Token) -> bool:
    return token.type == "text" and token.content[:4] in {"[ ] ", "[x] ", "[X] "}


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


def _table_of(tokens: Sequence[Token]) -> Table | None:
    """Return the first table in ``tokens``."""
    rows: list[list[Cell]] = []
    aligns: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"th_open", "td_open"}:
            if token.type == "th_open":
                aligns.append(str(token.attrGet("style") or "").removeprefix("text-align:"))
            draft = CellDraft()
            draw_inline(draft, tokens[index + 1].children or (), PLAIN, WORDS)
            rows[-1].append(draft.cell())
        elif token.type == "table_close":
            return Table(rows[0], rows[1:], aligns)
    return None


@lru_cache(16)
def _widths_of(head: str) -> tuple[int, ...]:
    """Return the natural widths of the columns of a table's first piece."""
    table = _table_of(parse_blocks(head))
    return natural_widths(table) if table is not None else ()
