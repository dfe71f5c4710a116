"""Tables as the parser tells them: their cells as text with spans, ready to be put in columns."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tui.markdown.draft import CellDraft
from tui.markdown.inline import draw_inline
from tui.markdown.parser import parse_blocks
from tui.markdown.shaped import PLAIN, WORDS
from tui.markdown.table import Table, natural_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

    from tui.markdown.draft import Cell


def table_of(tokens: Sequence[Token]) -> Table | None:
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
def widths_of(head: str) -> tuple[int, ...]:
    """Return the natural widths of the columns of a table's first piece."""
    table = table_of(parse_blocks(head))
    return natural_widths(table) if table is not None else ()
