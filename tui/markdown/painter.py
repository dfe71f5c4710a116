"""Blocks drawn on a draft, from the parser's tokens; code and plain text without the parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.markdown import lines as kinds
from tui.markdown.cells import table_of
from tui.markdown.draft import Draft
from tui.markdown.highlight import language_of, lines_of
from tui.markdown.inline import draw_inline, draw_plain
from tui.markdown.parser import is_dear, parse_blocks, parse_inline
from tui.markdown.shaped import CODE, FENCE, HARD, HEADING, NEVER, PLAIN, QUOTE, RULE, WORDS
from tui.markdown.table import draw_table, natural_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_PLAIN: Final = re.compile(r"[^\\`*_~!<&\[\]|]*")
"""Text the parser would return as it is."""
_BARE: Final = re.compile(r"^[ \t>]*$")
_WIDEST_RULE: Final = 80


class Painter:
    """Draws blocks for a width."""

    def __init__(self, width: int) -> None:
        self.draft = Draft()
        self.width = width
        self._lines: list[str] = []
        """The source of what was parsed, to see where it has blank lines."""

    def blocks(self, source: str) -> None:
        """Draw whole blocks."""
        while source and not source.isspace():
            fence = kinds.fence_of(source.split("\n", 1)[0])
            if fence is None or kinds.indent_of(source) >= kinds.TAB:
                break
            self.fence_head(fence[1])
            rest = self.code_piece(source.partition("\n")[2], *fence) or ""
            source = rest.strip("\n")
            if source and rest.startswith("\n"):
                self.draft.blank()
        if not source or source.isspace():
            return
        if _is_plain(source) and all(map(kinds.is_text, source.split("\n"))):
            self.draft.begin()
            draw_plain(self.draft, source, PLAIN, WORDS)
        elif is_dear(source):
            self.source(source)
        else:
            self._lines = source.split("\n")
            self._tokens(parse_blocks(source))

    def prose(self, text: str, kind: int = PLAIN) -> None:
        """Draw text within a paragraph on a line of its own."""
        self.draft.begin(kind)
        text = "\n".join(line.strip(" \t") for line in text.split("\n"))
        if _is_plain(text) or is_dear(text):
            draw_plain(self.draft, text, kind, WORDS)
        else:
            draw_inline(self.draft, parse_inline(text), kind, WORDS)

    def source(self, source: str) -> None:
        """Draw text as it is."""
        self.draft.begin()
        draw_plain(self.draft, source.strip("\n"), PLAIN, WORDS)

    def fence_head(self, info: str) -> None:
        """Draw the line that names the language of the code below it, if it has one."""
        language = language_of(info)
        if language:
            self.draft.begin(FENCE, NEVER)
            self.draft.put(language, "fence")

    def code(self, raw: str, info: str) -> None:
        """Draw code."""
        self.draft.code(raw, lines_of(raw, language_of(info)), CODE, HARD)

    def code_piece(self, source: str, fence: str, info: str, *, nested: bool = False) -> str | None:
        """Draw code up to the end of its fence, and return the text after that; None if the fence has no end here."""
        lines = source.split("\n")
        closers = (index for index, line in enumerate(lines) if kinds.is_closing(line, fence))
        closing = next((index for index in closers if nested or kinds.indent_of(lines[index]) < kinds.TAB), -1)
        if closing < 0:
            self.code("\n".join(lines[:-1] if lines[-1] == "" else lines), info)
            return None
        if closing:
            self.code("\n".join(lines[:closing]), info)
        return "\n".join(lines[closing + 1 :])

    # Tokens

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
                self.fence_head(token.info)
                self.code(token.content.removesuffix("\n"), token.info)
            elif name == "hr":
                self._gap(token)
                room = self.width - self.draft.inset
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

    def _table(self, tokens: Sequence[Token]) -> None:
        table = table_of(tokens)
        if table is not None:
            draw_table(self.draft, table, natural_widths(table), self.width - self.draft.inset)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None


def _is_task(token: Token) -> bool:
    return token.type == "text" and token.content[:4] in {"[ ] ", "[x] ", "[X] "}
