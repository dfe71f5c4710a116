"""Where web addresses stand in prose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.safe import safe_link

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE: Final = 256
_SCHEMES: Final = ("https", "http")
_REST: Final = re.compile(r"[^\s<>\"'`\\\x00-\x1f\x7f-\U0010ffff]+")
_AFTER: Final = ".,;:!?*_~"
"""What ends a sentence or a phrase after an address and is no part of it."""
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def address_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where plain http and https addresses begin and end in ``text``, without the punctuation after them."""
    return (span for span in address_steps(text) if span is not None)


def address_steps(text: str) -> Iterator[tuple[int, int] | None]:
    """Yield the same, and None after a little work that found nothing."""
    at = looked = 0
    while (colon := text.find("://", at)) >= 0:
        looked += 1
        if looked % _PAUSE == 0:
            yield None
        begin = next(
            (colon - len(scheme) for scheme in _SCHEMES if text[max(colon - len(scheme), at) : colon].lower() == scheme), -1
        )
        match = _REST.match(text, colon + 3) if begin >= at else None
        at = colon + 3
        if match is None:
            continue
        start, end = begin, match.end()
        at = end
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
