"""Where web addresses stand in prose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.safe import safe_link

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS: Final = re.compile(r"(?i:https?)://[^\s<>\"'`\\\x00-\x1f\x7f-\U0010ffff]+")
_AFTER: Final = ".,;:!?*_~"
"""What ends a sentence or a phrase after an address and is no part of it."""
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def address_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where plain http and https addresses begin and end in ``text``, without the punctuation after them."""
    for match in _ADDRESS.finditer(text):
        start, end = match.span()
        unopened: dict[str, int] = {}
        while end > start:
            last = text[end - 1]
            if last in _PAIRS:
                if last not in unopened:  # counted once: an address may end with a million of them
                    unopened[last] = text.count(last, start, end) - text.count(_PAIRS[last], start, end)
                if unopened[last] <= 0:
                    break
                unopened[last] -= 1
            elif last not in _AFTER:
                break
            end -= 1
        if safe_link(text[start:end]) is not None:
            yield start, end
