"""The one door for text from outside: models, servers, documents, tools, file names.

Such text is data. What passes here can no longer move the cursor, write to the clipboard, set a title, reorder what a person
reads or hide characters in it, and what is built here is never parsed as markup. The functions work code point by code point
and keep no state, so a stream may be cut anywhere and gives the same result. :class:`SafeFilter` is the last wall behind them:
it looks at every cell any widget draws. Storage keeps the raw text; this is for showing it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rich.segment import Segment
from textual.content import Content
from textual.filter import LineFilter

if TYPE_CHECKING:
    from rich.style import Style
    from textual.color import Color
    from textual.style import Style as ContentStyle

_REPLACEMENT: Final = "\ufffd"
_PICTURES: Final = 0x2400

_BIDI: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""They reorder what is read. They are made visible, not dropped, so that a person sees that something was there."""

_INVISIBLE: Final = (
    0x00AD,  # soft hyphen: terminals disagree about its width
    0x180E,
    0x200B,
    *range(0x2060, 0x2066),
    *range(0x206A, 0x2070),
    0xFEFF,
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE0080),  # tags: a whole hidden alphabet
    *range(0xE0100, 0xE01F0),  # supplementary variation selectors: another one
)

_TABLE: Final[dict[int, str | None]] = {
    **{code: chr(_PICTURES + code) for code in range(0x20) if chr(code) not in "\t\n"},
    ord("\r"): None,  # dropped, so that a line end of two characters cut by the network is still one line end
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    **dict.fromkeys(_BIDI, _REPLACEMENT),
    **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT),
    **dict.fromkeys((0xFFF9, 0xFFFA, 0xFFFB, 0xFFFE, 0xFFFF), _REPLACEMENT),
    0x2028: "\n",
    0x2029: "\n",
    **dict.fromkeys(_INVISIBLE),
}

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
"""Exactly the keys of the table: most text has none, and looking is far cheaper than translating."""

_ASCII_UNSAFE: Final = bytes(code for code in _TABLE if code < 0x80)

_CELL_TABLE: Final = {**_TABLE, ord("\t"): " ", ord("\n"): " ", ord("\r"): "\u240d", 0x2028: " ", 0x2029: " "}
_CELL_UNSAFE: Final = re.compile(_UNSAFE.pattern.replace("[\x00-\x08\x0b-\x1f", "[\x00-\x1f"))

STRAY_JOINER: Final = re.compile("(?<![^\\s\u200d])\u200d|\u200d(?=\t)")
"""Joiners with nothing to join. Rich gives them widths that disagree, and fails when such text is cut."""

_WORST_LINE: Final = 4096


def safe_text(text: str) -> str:
    """Return ``text`` as it may be shown: only ``\\n`` and ``\\t`` are left of the control codes.

    Other controls become their pictures or U+FFFD, bidirectional controls U+FFFD, other line ends ``\\n``; carriage returns and
    invisible characters are dropped. U+200C and U+200D stay: Persian and emoji need them.
    """
    if text.isascii() and len(text.encode().translate(None, _ASCII_UNSAFE)) == len(text):
        return text  # told in a sixteenth of the time that looking for each character takes
    return text.translate(_TABLE) if _UNSAFE.search(text) else text


def safe_cells(text: str) -> str:
    """Return ``text`` with U+FFFD for every unsafe character: as long as before, so that places in it stay what they are."""
    return STRAY_JOINER.sub(_REPLACEMENT, _UNSAFE.sub(_REPLACEMENT, text))


def safe_line(text: str, limit: int = 200) -> str:
    """Return ``text`` as one safe line of at most ``limit`` characters, cut with an ellipsis."""
    head = text[: max(limit, 1) * 4 + _WORST_LINE]
    line = STRAY_JOINER.sub("", " ".join(safe_text(head).split()))
    if len(line) > limit or len(head) < len(text):
        return f"{line[: max(limit - 1, 0)].rstrip()}…"
    return line


def safe_content(text: str, style: str | ContentStyle = "") -> Content:
    """Return ``text`` as Textual content in one style: safe, and never parsed as markup."""
    return Content.styled(STRAY_JOINER.sub("", safe_text(text)), style)


def safe_link(url: str) -> str | None:
    """Return ``url`` if a terminal may be told of it: printable http or https with a host and without a user name."""
    if not url.isascii() or not url.isprintable() or any(mark in url for mark in " \\\"'<>`"):
        return None
    try:
        parts = urlsplit(url)
        plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return url if plain else None


@lru_cache(1024)
def _without_bad_link(style: Style) -> Style:
    """Return ``style``, less a link that is not a plain web address. Its other attributes and its meta stay."""
    if style.link is None or safe_link(style.link) is not None:
        return style
    return style.update_link(None)


class SafeFilter(LineFilter):
    """The last wall: no control code and no odd link leaves any widget. Return it from ``App.get_line_filters``."""

    def __eq__(self, other: object) -> bool:
        """All are equal: Textual keeps filtered rows by filter, so a new one each time would filter every row of every frame."""
        return isinstance(other, SafeFilter)

    def __hash__(self) -> int:
        return hash(SafeFilter)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return ``segments`` with unsafe characters replaced; segments that are clean pass as they are."""
        unsafe = _CELL_UNSAFE.search
        clean = True
        for text, style, control in segments:
            if control is None and (unsafe(text) or (style is not None and style.link is not None)):
                clean = False
                break
        return segments if clean else [_safe_segment(segment) for segment in segments]


def _safe_segment(segment: Segment) -> Segment:
    text, style, control = segment
    if control is not None:
        return segment
    return Segment(text.translate(_CELL_TABLE), None if style is None else _without_bad_link(style))
