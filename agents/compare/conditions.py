"""Conditions and prompts of contests as a person writes them: patterns, schema files, system prompts in files.

They are checked where they are written, before a model is asked; what cannot be used is one line. Reading blocks: on a loop, call
it in a thread.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from agents.errors import InputError
from agents.tools.files import locate, read_regular, shown

MAX_BYTES: Final = 1 << 20
"""Bytes a file with a schema or a prompt may have."""
_LONGEST: Final = 200


def check_lengths(least: int | None, most: int | None) -> None:
    """Raise :class:`InputError` when no answer has so many characters."""
    if least is not None and most is not None and least > most:
        raise InputError(f"no answer has at least {least:,} and at most {most:,} characters")


def pattern_of(text: str) -> str | None:
    """Return ``text`` as a pattern, ``None`` for none; raises :class:`InputError` when it is no regular expression."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"the pattern {text[:_LONGEST]!r} is no regular expression: {error}") from None
    return text or None


def schema_in(name: str) -> msgspec.Raw:
    """Return the JSON schema in a file. Raises :class:`InputError` when there is none."""
    text = text_in(name)
    try:
        msgspec.json.decode(text, type=dict)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"{shown(name)} is no JSON schema: {error}") from None
    return msgspec.Raw(text.encode())


def text_in(name: str) -> str:
    """Return the text in a file. Raises :class:`InputError` when it cannot be read."""
    try:
        return read_regular(locate(name), MAX_BYTES).data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{shown(name)} is not UTF-8 text") from None
