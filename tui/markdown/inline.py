"""Text within a block: emphasis, code, links and pictures, from the parser's tokens to a draft."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.safe import safe_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

    from tui.markdown.draft import Draft

_STYLES: Final = {"strong": "strong", "em": "emphasis", "s": "strike"}
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
"""The only HTML that is not shown as it is, and only in the cells of tables: they have no other word for it."""


def draw_inline(draft: Draft, tokens: Sequence[Token], kind: int, wrap: int) -> None:
    """Add ``tokens`` to the open line; a line break begins another of the same kind."""
    closers: list[str] = []
    for index, token in enumerate(tokens):
        name = token.type
        if name == "text":
            _draw_text(draft, token.content)
        elif name == "code_inline":
            draft.put(token.content, "code")
        elif name in {"softbreak", "hardbreak"}:
            draft.begin(kind, wrap)
        elif name == "link_open":
            closers.append(_open_link(draft, token, empty=tokens[index + 1].type == "link_close"))
        elif name == "link_close":
            closer = closers.pop() if closers else ""
            if closer:
                draft.put_text(closer)
            else:
                draft.leave()
        elif name == "image":
            _draw_image(draft, token)
        elif name.endswith("_open") and name[:-5] in _STYLES:
            draft.enter(_STYLES[name[:-5]])
        elif name.endswith("_close") and name[:-6] in _STYLES:
            draft.leave()
        else:
            draft.put_text(token.content)


def draw_plain(draft: Draft, text: str, kind: int, wrap: int) -> None:
    """Add ``text`` to the open line as it is, a further line for each of its own."""
    for index, line in enumerate(text.split("\n")):
        if index:
            draft.begin(kind, wrap)
        draft.put_text(line.strip(" \t"))


def _draw_text(draft: Draft, text: str) -> None:
    if not (draft.in_cell and "<" in text):
        draft.put_text(text)
        return
    for index, line in enumerate(_BREAK.split(text)):
        if index:
            draft.begin()
        draft.put_text(line.strip(" "))


def _open_link(draft: Draft, token: Token, *, empty: bool) -> str:
    """Begin a link and return what must be written at its end: one that cannot be followed stands as in the source."""
    url = str(token.attrGet("href") or "")
    if safe_link(url) is not None:
        draft.enter("link", url)
        if empty:
            draft.put(url)
        return ""
    if token.markup == "autolink":
        draft.put("<")
        return ">"
    draft.put("[")
    return f"]({url})"


def _draw_image(draft: Draft, token: Token) -> None:
    url = str(token.attrGet("src") or "")
    alt = "".join(child.content for child in token.children or ())
    draft.put(alt)
    draft.put(" (" if alt else "(")
    draft.put_link(url, url)
    draft.put(")")
