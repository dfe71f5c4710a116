"""One finished block of Markdown as text with named spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.markdown.shaped import PLAIN, STYLES, Code, Line, Link, Shaped, Span
from tui.safe import STRAY_JOINER, safe_text

if TYPE_CHECKING:
    from tui.markdown.blocks import State

__all__ = ["STYLES", "Code", "Line", "Link", "Shaped", "Span", "shape"]


def shape(source: str, state: State, width: int) -> Shaped:
    """Return how the block ``source``, which goes on with ``state``, looks at ``width`` cells. Fails for no text."""
    text = STRAY_JOINER.sub("", safe_text(source)).expandtabs(4).strip("\n")
    return Shaped(text, (Line(PLAIN),) * (text.count("\n") + 1))
